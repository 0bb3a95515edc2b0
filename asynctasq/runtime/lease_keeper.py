"""Keeps the leases of what is held: one batched call every third of a lease, for what was held longer than that.

Driven by `asynctasq.runtime.heartbeat`, on a thread of its own or in the worker's event loop. What it learns is put
into `news`, which the event loop carries out.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence

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
    ) -> None:
        self._held = held
        self._in_flight = in_flight
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

        Left out: what is on its way back after too long a time, what has reached its visibility timeout, and what is
        being settled at this moment, unless that takes so long that its lease would end meanwhile: a blocked event loop
        may have begun a call that it has not sent.
        """
        now = self._clock()
        oldest, oldest_in_flight = now - self._lease / 3.0, now - self._lease / 1.5
        due = [
            held for held in self._held.table.copy().values() if held.extended_at <= oldest and now < held.visible_until
        ]
        if not due:
            return due
        in_flight = set(map(id, self._in_flight()))
        return [held for held in due if id(held) not in in_flight or held.extended_at <= oldest_in_flight]

    async def extend(self, driver: Driver) -> None:
        """Extend what is due.

        Raises:
            DriverError: the backend did not answer; what is due stays due.
        """
        due = self.due()
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
