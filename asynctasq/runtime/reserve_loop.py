"""When and how many to reserve.

It asks for as many deliveries as there are free slots, in one call, and only once a good part of them is free. While
there is nothing to do it waits for a wake-up hint, with the poll interval as the ceiling, so that a lost hint costs
latency and never a task.
"""

import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

import anyio

from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import Delivery
from asynctasq.errors import DriverUnavailable
from asynctasq.runtime.held_deliveries import HeldDeliveries
from asynctasq.runtime.prefetch import Prefetch
from asynctasq.runtime.queue_order import QueueOrder
from asynctasq.runtime.retry_policy import Backoff

_logger = logging.getLogger("asynctasq.worker")

ArgumentT = TypeVar("ArgumentT")


class Hints(Protocol):
    """What the loop waits on while there is nothing to do."""

    async def wait(self, timeout: float) -> bool:
        """As `WakeUpStream.wait`."""
        ...


class _NoHints:
    async def wait(self, timeout: float) -> bool:
        await anyio.sleep(timeout)
        return False


class ReserveLoop:
    """Fills the buffer of held deliveries."""

    def __init__(
        self,
        driver: Driver,
        held: HeldDeliveries,
        order: QueueOrder,
        *,
        queues: list[str],
        worker_id: str,
        concurrency: int,
        lease: float,
        poll_interval: float,
        clock: Callable[[], float],
        most: int | None = None,
        burst: bool = False,
        prefetch: Prefetch | None = None,
        on_done: Callable[[], None] = lambda: None,
        pending_handlers: Callable[[], int] = lambda: 0,
    ) -> None:
        self._driver = driver
        self._held = held
        self._order = order
        self._queues = queues
        self._worker_id = worker_id
        self._concurrency = concurrency
        self._lease = lease
        self._poll_interval = poll_interval
        self._clock = clock
        self._left = most
        self._burst = burst
        self._on_done = on_done
        self._pending_handlers = pending_handlers
        self._prefetch = Prefetch() if prefetch is None else prefetch
        self._wanted = 0
        self._low = 1
        self._room: anyio.Event | None = None
        self._waiting: anyio.CancelScope | None = None
        self._reserving: anyio.CancelScope | None = None
        self._backoff = Backoff()
        self.paused = False
        self.stopped = False
        self.last_success: float | None = None
        """When a call of `reserve` was last answered, by the worker's clock."""

    # -- from outside

    def stop(self) -> None:
        """Reserve nothing more. A call in flight is waited for: cancelling it could strand leases."""
        self.stopped = True
        if self._waiting is not None:
            self._waiting.cancel()

    def give_up(self) -> None:
        """Stop, and do not wait for a call in flight either."""
        self.stop()
        if self._reserving is not None:
            self._reserving.cancel()

    def pause(self) -> None:
        """Reserve nothing more, and go on with everything else."""
        self.paused = True

    def give_back(self, count: int) -> None:
        """Deliveries were released without having run: they do not count towards the bound of the run."""
        if self._left is not None:
            self._left += count

    def shrink(self) -> None:
        """Tasks have turned long: hold none in reserve."""
        self._prefetch.shrink(self._clock(), self._held.finished)

    def slot_freed(self) -> None:
        """A lane or the settlement buffer has let go of something."""
        if self._room is not None and self._wanted - len(self._held.buffer) - self._held.running >= self._low:
            self._room.set()
            self._room = None

    # -- the loop

    async def run(self) -> None:
        """Reserve until stopped."""
        while not self.stopped:
            try:
                async with self._hints() as hints:
                    await self._serve(hints)
            except DriverUnavailable as error:
                await self._pause_after(error)
            except Exception as error:  # a driver that breaks its contract: the worker outlives it
                await self._pause_after(error)

    @asynccontextmanager
    async def _hints(self) -> AsyncGenerator[Hints]:
        """Subscribe anew each time: `_serve` asks the store once before it first waits."""
        if self._driver.wake_ups is None:
            yield _NoHints()
            return
        async with self._driver.wake_ups.listen(self._queues) as stream:
            yield stream

    async def _serve(self, hints: Hints) -> None:
        while True:
            limit = await self._free_slots()
            if self.stopped:
                return
            if self.paused:
                await self._wait(anyio.sleep, self._poll_interval)
                continue
            if self._left == 0:
                await self._end_of_run()
                continue
            deliveries = await self._reserve(limit)
            if self._backoff.failures:
                self._backoff.reset()
                _logger.info("the backend answers again")
            if deliveries or self.stopped:
                continue
            if self._burst:
                await self._end_of_burst()
            else:
                await self._wait(hints.wait, self._poll_interval * random.uniform(0.75, 1.0))

    async def _end_of_run(self) -> None:
        """As many tasks as were asked for were taken: wait until they have ended. What was released does not count."""
        await self._wait(HeldDeliveries.wait_until_empty, self._held)
        if self._left == 0 and not self._held.table:
            self.stopped = True
            self._on_done()

    async def _end_of_burst(self) -> None:
        """Nothing was delivered. The queues are empty if nothing runs here either, and the store says so too: one
        empty answer is no proof."""
        pause = min(self._poll_interval, 0.05)
        if not self._held.table and not self._pending_handlers():
            paused = frozenset[str]() if self._driver.pausing is None else await self._driver.pausing.paused_queues()
            stats = await self._driver.queue_stats(self._queues)
            if not any(stats[queue].ready for queue in self._queues if queue not in paused):
                self.stopped = True
                self._on_done()
                return
            pause = self._poll_interval
        await self._wait(anyio.sleep, pause)

    async def _free_slots(self) -> int:
        """Wait until a good part of the slots is free; how many are."""
        held = self._held
        prefetch = self._prefetch.size(self._clock(), held.finished)
        self._wanted = self._concurrency + prefetch
        self._low = max(1, prefetch // 2)
        while not self.stopped:
            free = self._wanted - len(held.buffer) - held.running
            unsettled = held.unsettled + self._pending_handlers()
            if free >= self._low and unsettled <= 2 * (self._concurrency + prefetch):
                limit = min(free, self._driver.traits.limits.max_batch)
                return limit if self._left is None else max(1, min(limit, self._left))
            room = self._room = anyio.Event()
            await self._wait(self._wait_for, room)
        return 0

    @staticmethod
    async def _wait_for(room: anyio.Event) -> None:
        # A bound of unsettled work is looked at anew from time to time: nobody tells of that.
        with anyio.move_on_after(0.25):
            await room.wait()

    async def _wait(self, wait: Callable[[ArgumentT], Awaitable[object]], argument: ArgumentT) -> None:
        if self.stopped:
            return
        try:
            with anyio.CancelScope() as self._waiting:
                await wait(argument)
        finally:
            self._waiting = None

    async def _reserve(self, limit: int) -> list[Delivery]:
        asked_at = self._clock()
        deliveries: list[Delivery] = []
        try:
            with anyio.CancelScope(shield=True) as self._reserving:
                deliveries = await self._driver.reserve(
                    self._order.next(), limit=limit, lease=self._lease, worker=self._worker_id
                )
        finally:
            self._reserving = None
        self.last_success = self._clock()
        if self._left is not None:
            self._left -= len(deliveries)
        if deliveries:
            self._held.take_in(deliveries, asked_at)
        return deliveries

    async def _pause_after(self, error: Exception) -> None:
        if self.stopped:
            return
        if self._backoff.failures == 0:
            _logger.warning("the backend does not answer; trying again until it does: %r", error)
        await self._wait(anyio.sleep, self._backoff.next_delay())
