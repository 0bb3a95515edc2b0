"""Keeps the leases of what is held: one batched call every third of a lease, for what was held longer than that.

Driven by `asynctasq.runtime.heartbeat`, on a thread of its own or in the worker's event loop. What it learns is put
into `news`, which the event loop carries out.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence

import anyio

from asynctasq.contract.driver import Driver
from asynctasq.contract.settlements import ExtendOutcome
from asynctasq.runtime.held_deliveries import Held, HeldDeliveries

_logger = logging.getLogger("asynctasq.worker")


class LeaseKeeper:
    """Decides which leases to extend, and extends them."""

    def __init__(
        self,
        held: HeldDeliveries,
        in_flight: Callable[[], Sequence[Held]],
        *,
        lease: float,
        clock: Callable[[], float],
        loop_is_blocked: Callable[[], bool],
    ) -> None:
        self._held = held
        self._in_flight = in_flight
        self._loop_is_blocked = loop_is_blocked
        self._lease = lease
        self._clock = clock
        self.news: deque[tuple[Held, ExtendOutcome]] = deque()
        """Leases that were lost, and cancellations that were requested. Appending and taking are thread-safe."""

    @property
    def tick(self) -> float:
        """Seconds between two looks: a lease is at most half over when it is extended."""
        return self._lease / 6.0

    def due(self) -> list[Held]:
        """What is to be extended now: held longer than a third of a lease since its lease was last asked for.

        Left out: what is being settled at this moment, what is on its way back after too long a time, and what has
        reached its visibility timeout.
        """
        due = self._old_ones()
        if not due:
            return due
        in_flight = set(map(id, self._in_flight()))
        return [held for held in due if id(held) not in in_flight]

    def perhaps_unsent(self) -> list[Held]:
        """What would be due, were its settlement not in flight: while the event loop is blocked, a settlement may have
        been begun that is not sent. Nothing while it goes round, for then the driver's call is under way."""
        if not self._loop_is_blocked():
            return []
        in_flight = set(map(id, self._in_flight()))
        return [held for held in self._old_ones() if id(held) in in_flight]

    async def extend(self, driver: Driver) -> None:
        """Extend what is due.

        What is perhaps unsent comes last, in calls of its own and for one tick at most: if it was sent after all, its
        rows may be locked until the event loop goes on, and nobody else's lease is to wait for that.

        Raises:
            DriverError: the backend did not answer; what is due stays due.
        """
        await self._extend(driver, self.due())
        if unsent := self.perhaps_unsent():
            with anyio.move_on_after(self.tick):
                await self._extend(driver, unsent)

    def _old_ones(self) -> list[Held]:
        now = self._clock()
        oldest = now - self._lease / 3.0
        return [
            held for held in self._held.table.copy().values() if held.extended_at <= oldest and now < held.visible_until
        ]

    async def _extend(self, driver: Driver, due: Sequence[Held]) -> None:
        most = driver.traits.limits.max_batch
        for start in range(0, len(due), most):
            batch = due[start : start + most]
            sent_at = self._clock()
            outcomes = await driver.extend_many([held.delivery.receipt for held in batch], lease=self._lease)
            for held, outcome in zip(batch, outcomes, strict=True):
                if outcome.applied:
                    held.extended_at = sent_at
                    held.lease_end = max(held.lease_end, sent_at + outcome.lease)
                if not outcome.applied or outcome.cancel_requested:
                    self.news.append((held, outcome))
