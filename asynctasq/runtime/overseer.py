"""Looks after what is held, a few times a second, in the worker's event loop.

It carries out what the heartbeats learned, ends what was held for too long, gives back what waits here although tasks
have turned long, and shows the watchdog that the event loop is alive.
"""

import logging
import time
from collections.abc import Callable

import anyio

from asynctasq.contract.envelopes import Failure
from asynctasq.contract.settlements import Cancel, ExtendOutcome, Release, Retry
from asynctasq.runtime.held_deliveries import Held, HeldDeliveries, Interruption
from asynctasq.runtime.lane import Lanes
from asynctasq.runtime.lease_keeper import LeaseKeeper
from asynctasq.runtime.settlement_buffer import SettlementBuffer

_logger = logging.getLogger("asynctasq.worker")

LOOK = 0.1
"""Seconds between two looks."""
BLOCKED = 3 * LOOK
"""Seconds without a look after which the event loop counts as blocked."""
PATIENCE = 0.2
"""Seconds after which what is buffered goes back to the queue if no lane has taken anything meanwhile."""


class Overseer:
    """See the module's docstring."""

    def __init__(
        self,
        *,
        held: HeldDeliveries,
        lanes: Lanes,
        settlements: SettlementBuffer,
        keeper: LeaseKeeper,
        clock: Callable[[], float],
        on_shrink: Callable[[], None],
        on_released: Callable[[int], None],
    ) -> None:
        self._held = held
        self._lanes = lanes
        self._settlements = settlements
        self._keeper = keeper
        self._clock = clock
        self._on_shrink = on_shrink
        self._on_released = on_released
        self._warned: set[str] = set()
        self.last_look = time.monotonic()
        """Real time, for the watchdog."""

    @property
    def loop_is_blocked(self) -> bool:
        """Whether the event loop has not come round for longer than it should. Thread-safe."""
        return time.monotonic() - self.last_look > BLOCKED

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            self.last_look = time.monotonic()
            self.look()
            await anyio.sleep(LOOK)

    def look(self) -> None:
        """One look at everything."""
        news = self._keeper.news
        while news:
            self._heard(*news.popleft())
        now = self._clock()
        for held in self._lanes.running():
            self._check_times(held, now)
        if self._held.buffer and now - self._held.last_taken_at > PATIENCE:
            self._on_shrink()
            self.release_buffer()

    def release_buffer(self) -> None:
        """Give back at once what no lane has taken yet; its attempt does not count."""
        buffer = self._held.buffer
        self._on_released(len(buffer))
        while buffer:
            held = buffer.popleft()
            self._settlements.add(held, Release(receipt=held.delivery.receipt))

    def _heard(self, held: Held, outcome: ExtendOutcome) -> None:
        """A lease was lost, or a cancellation requested."""
        if held.closed:
            return  # its settlement came first, and a stale lease is what that leaves behind
        if outcome.applied:
            self._cancel(held)
        elif held.lane is not None:
            _logger.warning("task %s (%s): LeaseLost, the task may run elsewhere", held.delivery.id, held.delivery.name)
            self._lanes.interrupt(held, Interruption.LEASE_LOST)
        else:
            self._drop_buffered(held)
            held.closed = True
            self._held.forget(held)

    def _cancel(self, held: Held) -> None:
        if held.lane is not None:
            self._lanes.interrupt(held, Interruption.CANCEL_REQUESTED)
        else:
            self._drop_buffered(held)
            self._settlements.add(held, Cancel(receipt=held.delivery.receipt, reason="cancelled"))

    def _drop_buffered(self, held: Held) -> None:
        if held in self._held.buffer:
            self._held.buffer.remove(held)

    def _check_times(self, held: Held, now: float) -> None:
        headers = held.headers
        if headers is None or held.closed:
            return
        if now >= held.visible_until:
            self._give_back(held, headers.visibility_timeout)
        elif now >= held.held_since + headers.visibility_timeout / 2.0 and held.delivery.name not in self._warned:
            self._warned.add(held.delivery.name)
            _logger.warning(
                "task %s (%s) has run for half of its visibility timeout of %g s. Set visibility_timeout to the "
                "expected duration x 2, plus a buffer",
                held.delivery.id,
                held.delivery.name,
                headers.visibility_timeout,
            )
        if now >= held.timeout_at and not held.warned_of_timeout:
            held.warned_of_timeout = True
            _logger.warning(
                "task %s (%s) has timed out, but its thread can't be stopped: slot and lease are kept until it ends",
                held.delivery.id,
                held.delivery.name,
            )

    def _give_back(self, held: Held, visibility_timeout: float) -> None:
        message = f"the delivery was held for its visibility timeout of {visibility_timeout:g} s"
        _logger.error(
            "task %s (%s): %s, and is given back. A body that can't be stopped goes on; its outcome no longer counts",
            held.delivery.id,
            held.delivery.name,
            message,
        )
        failure = Failure(type="asynctasq.errors.TaskTimedOut", message=message)
        self._settlements.add(held, Retry(receipt=held.delivery.receipt, failure=failure))
        self._lanes.interrupt(held, Interruption.HELD_TOO_LONG)
