"""Everything that this worker holds: delivered to it, and not settled yet.

A delivery is first in the buffer, then runs in a lane, and then waits for its settlement; `table` has it from the first
moment to the last. The table belongs to the event loop; the thread that extends leases only reads copies of it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

import anyio

from asynctasq.contract.envelopes import Delivery, Receipt
from asynctasq.runtime.frame import Headers


class Interruption(Enum):
    """Why a running task is interrupted from outside. A time-out is the lane's own business, and not among these."""

    LEASE_LOST = "its lease was lost"
    CANCEL_REQUESTED = "its cancellation was requested"
    HELD_TOO_LONG = "its visibility timeout was reached"
    SHUTDOWN = "the worker stops"


class Place(Protocol):
    """Where a delivery runs."""

    thread_scope: anyio.CancelScope | None
    """Set while a thread is waited for."""

    def interrupt(self) -> None:
        """Cancel what runs there, if it can be stopped."""
        ...


class Held:
    """One delivery that this worker holds. Times are seconds of the worker's monotonic clock."""

    headers: Headers | None = None
    """Known once it runs."""
    lane: Place | None = None
    """Where it runs; None while it is buffered, and once it ended."""
    interruption: Interruption | None = None
    closed: bool = False
    """Its settlement is on the way, or none will be sent: whatever its body still does no longer counts."""
    started_at: float | None = None
    ended_at: float = 0.0
    visible_until: float = float("inf")
    """From here on its lease is no longer extended."""
    timeout_at: float = float("inf")
    """Only of what can't be stopped; a lane's scope watches the others."""
    warned_of_timeout: bool = False
    after_burial: Callable[[], None] | None = None
    """Called once the Bury was applied."""
    error: BaseException | None = None

    def __init__(self, delivery: Delivery, asked_at: float) -> None:
        self.delivery = delivery
        self.held_since = asked_at
        self.extended_at = asked_at
        """When its current lease was asked for."""
        self.lease_end = asked_at + delivery.lease
        """Never later than the backend's: counted from before the call."""


class HeldDeliveries:
    """The table of held deliveries, the buffer of those that no lane has taken yet, and the lanes that wait for one."""

    def __init__(self) -> None:
        self.table: dict[Receipt, Held] = {}
        self.buffer: deque[Held] = deque()
        self.running = 0
        self.finished = 0
        """How many left a lane."""
        self.last_taken_at = 0.0
        """When a lane last took a delivery from the buffer."""
        self.closed = False
        """No lane takes another delivery."""
        self._idle: list[_Waiter] = []
        self._empty: anyio.Event | None = None

    @property
    def unsettled(self) -> int:
        """How many have ended and wait for their settlement."""
        return len(self.table) - len(self.buffer) - self.running

    def take_in(self, deliveries: Sequence[Delivery], asked_at: float) -> None:
        """Put fresh deliveries into the buffer, and wake a lane."""
        table, buffer = self.table, self.buffer
        if not buffer:
            self.last_taken_at = asked_at
        for delivery in deliveries:
            held = Held(delivery, asked_at)
            table[delivery.receipt] = held
            buffer.append(held)
        self.wake_one()

    def wake_one(self) -> None:
        """Wake one idle lane if there is something in the buffer. Each lane that starts to wait for something in its
        task calls this, so that the others wake one after the other, and none needlessly."""
        if self.buffer and self._idle:
            self._idle.pop().event.set()

    async def wait(self) -> None:
        """Wait, as a lane, until there may be something in the buffer, or the lanes are closed."""
        waiter = _Waiter()
        self._idle.append(waiter)
        try:
            await waiter.event.wait()
        finally:
            if not waiter.event.is_set():
                self._idle.remove(waiter)

    def close(self) -> None:
        """Let no lane take another delivery; the idle ones end."""
        self.closed = True
        for waiter in self._idle:
            waiter.event.set()
        self._idle.clear()

    def forget(self, held: Held) -> None:
        """It was settled, or will never be."""
        self.table.pop(held.delivery.receipt, None)
        if self._empty is not None and not self.table:
            self._empty.set()

    async def wait_until_empty(self) -> None:
        """Wait until nothing is held."""
        while self.table:
            self._empty = anyio.Event()
            await self._empty.wait()


class _Waiter:
    __slots__ = ("event",)

    def __init__(self) -> None:
        self.event = anyio.Event()
