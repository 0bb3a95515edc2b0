"""Group commit of settlements: while one batch is in flight the next one gathers, and nothing lingers when idle."""

import logging
from collections.abc import Callable, Sequence

import anyio

from asynctasq.contract.driver import Driver
from asynctasq.contract.settlements import Complete, Settlement, SettleOutcome
from asynctasq.errors import DriverUnavailable, InvalidArgument, PayloadTooLarge, QueueFull
from asynctasq.runtime.held_deliveries import Held, HeldDeliveries
from asynctasq.runtime.retry_policy import Backoff

_logger = logging.getLogger("asynctasq.worker")

SettledHook = Callable[[Held, Settlement, SettleOutcome, bool], None]
"""Called for every settlement that was answered; the last argument tells whether it was sent more than once."""

_NOTHING: Sequence[Held] = ()


class SettlementBuffer:
    """Sends settlements in batches, and the same batch again until the backend answers.

    A batch that is sent again after `DriverUnavailable` may have been applied already: `STALE` then means "applied or
    lost", and is never an error.
    """

    def __init__(
        self,
        driver: Driver,
        held: HeldDeliveries,
        *,
        on_settled: SettledHook,
        timeout: float = 30.0,
    ) -> None:
        self._driver = driver
        self._held = held
        self._on_settled = on_settled
        self._timeout = timeout
        self._waiting: list[tuple[Held, Settlement]] = []
        self._wake: anyio.Event | None = None
        self._closing = False
        self._give_up_at = float("inf")
        self._patience: anyio.CancelScope | None = None
        self.in_flight: Sequence[Held] = _NOTHING
        """Whose settlement is being sent at this moment. Their leases are not to be extended, unless the event loop is
        blocked and may not have sent it."""

    def add(self, held: Held, settlement: Settlement) -> None:
        """Queue a settlement. From here on the delivery is closed: a second settlement of it is dropped."""
        if held.closed:
            return
        held.closed = True
        self._waiting.append((held, settlement))
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    def bound(self, give_up_at: float) -> None:
        """From now on, try no longer than until `give_up_at` (of the event loop's clock)."""
        self._give_up_at = give_up_at
        if self._patience is not None:
            self._patience.deadline = min(self._patience.deadline, give_up_at)

    def close(self, give_up_at: float) -> None:
        """Send what is there, at the latest until `give_up_at`, and end."""
        self.bound(give_up_at)
        self._closing = True
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    async def run(self) -> None:
        """Flush until closed."""
        max_batch = self._driver.traits.limits.max_batch
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._wake = anyio.Event()
                await self._wake.wait()
                continue
            await self._settle(self._next_batch(max_batch))

    def _next_batch(self, max_batch: int) -> list[tuple[Held, Settlement]]:
        """Take what one call may carry: follow-ups count as items."""
        waiting = self._waiting
        if len(waiting) <= max_batch and not any(
            type(settlement) is Complete and settlement.follow_ups for _, settlement in waiting
        ):
            self._waiting = []
            return waiting
        size, count = 0, 0
        for _, settlement in waiting:
            size += 1 + (len(settlement.follow_ups) if isinstance(settlement, Complete) else 0)
            if size > max_batch and count:
                break
            count += 1
        self._waiting = waiting[count:]
        return waiting[:count]

    async def _settle(self, batch: list[tuple[Held, Settlement]]) -> None:
        """Send one batch until it is answered, or until the buffer has to give up."""
        backoff = Backoff()
        sent_before = False
        while True:
            try:
                outcomes = await self._send(batch)
            except QueueFull as error:
                unanswered = error
            except (InvalidArgument, PayloadTooLarge) as error:
                return await self._settle_one_by_one(batch, error)
            except Exception as error:  # the backend is away, or its driver is broken: the worker outlives both
                unanswered = error
                sent_before = True
            else:
                self._answered(batch, outcomes, sent_before)
                return None
            if backoff.failures == 0:
                _logger.warning("%d settlements are unanswered and will be sent again: %r", len(batch), unanswered)
            delay = backoff.next_delay()
            if anyio.current_time() + delay >= self._give_up_at:
                return self._give_up(batch)
            with anyio.CancelScope(deadline=self._give_up_at, shield=True) as self._patience:
                await anyio.sleep(delay)
            self._patience = None

    async def _send(self, batch: list[tuple[Held, Settlement]]) -> list[SettleOutcome]:
        self.in_flight = [held for held, _ in batch]
        deadline = min(anyio.current_time() + self._timeout, self._give_up_at)
        try:
            with anyio.CancelScope(deadline=deadline, shield=True) as self._patience:
                outcomes = await self._driver.settle_many([settlement for _, settlement in batch])
                if len(outcomes) != len(batch):
                    raise DriverUnavailable(f"{len(outcomes)} outcomes came for {len(batch)} settlements")
                return outcomes
        finally:
            self._patience = None
            self.in_flight = _NOTHING
        raise DriverUnavailable("settling was not answered in time")

    async def _settle_one_by_one(self, batch: list[tuple[Held, Settlement]], error: Exception) -> None:
        """One settlement of the batch is refused, which spoils the others: find it."""
        if len(batch) == 1:
            held, settlement = batch[0]
            _logger.error(
                "task %s: the driver refuses its %s, so its lease will lapse: %r",
                held.delivery.id,
                type(settlement).__name__,
                error,
            )
            self._held.forget(held)
            return
        half = len(batch) // 2
        await self._settle(batch[:half])
        await self._settle(batch[half:])

    def _answered(self, batch: list[tuple[Held, Settlement]], outcomes: list[SettleOutcome], sent_before: bool) -> None:
        forget, on_settled = self._held.forget, self._on_settled
        for (held, settlement), outcome in zip(batch, outcomes, strict=True):
            forget(held)
            on_settled(held, settlement, outcome, sent_before)

    def _give_up(self, batch: list[tuple[Held, Settlement]]) -> None:
        _logger.error("%d settlements could not be sent before the worker had to end; their leases lapse", len(batch))
        for held, _ in batch:
            self._held.forget(held)
