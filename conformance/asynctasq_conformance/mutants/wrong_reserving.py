"""Drivers that are wrong about whom they hand what, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import anyio
import msgspec

from asynctasq.driver_api import Delivery
from asynctasq_conformance.mutants.mutant import mutant
from asynctasq_conformance.mutants.plain_driver import PlainDriver, delivery_of
from asynctasq_conformance.mutants.plain_storage import LEASED, WAITING, Space, StoredTask, ticks


@mutant("reserve", "RES-1")
class ReserveWaitsForTasks(PlainDriver):
    """`reserve` waits until there is a task."""

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        while True:
            deliveries = await super()._reserve(queues, limit=limit, lease=lease, worker=worker)
            if deliveries:
                return deliveries
            await anyio.sleep(0.01)


@mutant("reserve", "RES-2")
class QueuesInOrderOfTheirNames(PlainDriver):
    """Queues are served in the order of their names."""

    def open_queues(self, space: Space, queues: Sequence[str]) -> Sequence[str]:
        return sorted(super().open_queues(space, queues))


@mutant("reserve", "RES-2")
class AllQueuesAreServed(PlainDriver):
    """Queues that nobody named are served as well."""

    def open_queues(self, space: Space, queues: Sequence[str]) -> Sequence[str]:
        everything = dict.fromkeys(stored.task.queue for stored in space.tasks.values())
        return super().open_queues(space, [*dict.fromkeys([*queues, *everything])])


@mutant("reserve", "RES-3")
class RacyReserve(PlainDriver):
    """Tasks are looked up, and leased a moment later without looking again."""

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        now = self.clock.read()
        space = self.space_as_of(now)
        found = [
            s for queue in self.open_queues(space, queues) for s in self.in_order(self.eligible(space, queue, now))
        ]
        await self.writing()
        for stored in found[:limit]:
            self.lease_to(stored, lease, worker, now)
        return [delivery_of(stored, now) for stored in found[:limit]]


@mutant("reserve", "RES-4")
class AttemptsCountFromZero(PlainDriver):
    """The first delivery is attempt 0."""

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        deliveries = await super()._reserve(queues, limit=limit, lease=lease, worker=worker)
        return [msgspec.structs.replace(delivery, attempt=delivery.attempt - 1) for delivery in deliveries]


@mutant("reserve", "RES-4")
class AttemptsAreOneByte(PlainDriver):
    """Attempts are counted in a column of one byte."""

    def lease_to(self, stored: StoredTask, lease: float, worker: str, now: int) -> None:
        super().lease_to(stored, lease, worker, now)
        stored.attempts = min(stored.attempts, 255)


@mutant("reserve", "RES-4")
class AttemptsEndAtFive(PlainDriver):
    """The driver holds a limit of attempts, which is none of its business."""

    def eligible(self, space: Space, queue: str, now: int) -> Iterable[StoredTask]:
        return (stored for stored in super().eligible(space, queue, now) if stored.attempts < 5)


@mutant("reserve", "RES-5")
class OverClaimsBatch(PlainDriver):
    """More tasks are leased than delivered."""

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        deliveries = await super()._reserve(queues, limit=limit + 1, lease=lease, worker=worker)
        return deliveries[:limit]


@mutant("reserve", "RES-5")
class LimitCountsForEachQueue(PlainDriver):
    """`limit` tasks are delivered from every queue."""

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        deliveries: list[Delivery] = []
        for queue in queues:
            deliveries += await super()._reserve([queue], limit=limit, lease=lease, worker=worker)
        return deliveries


@mutant("reserve", "RES-6")
class ExpiredHeadsHoldTheQueueUp(PlainDriver):
    """What expired at the head of a queue is skipped, but never cleared out of the way."""

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        await self.writing()
        now = self.clock.read()
        space = self.storage.space
        heads = [s for queue in queues for s in self.in_order(self.eligible(space, queue, now))][:limit]
        alive = [stored for stored in heads if not self.has_expired(stored, now)]
        for stored in alive:
            self.lease_to(stored, lease, worker, now)
        return [delivery_of(stored, now) for stored in alive]


@mutant("reserve", "RES-7")
class ReceiptIsTooLong(PlainDriver):
    """The receipt carries id and queue twice over."""

    def new_receipt(self, stored: StoredTask) -> str:
        return f"{super().new_receipt(stored)}:{stored.task.queue}:{stored.task.id}:{stored.task.queue}"


@mutant("reserve", "RES-8")
class TokenReusedPerAttempt(PlainDriver):
    """The receipt is made of the id and the number of the attempt."""

    def new_receipt(self, stored: StoredTask) -> str:
        return f"{stored.task.id}.{stored.attempts}"


@mutant("reserve", "RES-9")
class DeliveryLosesItsPriority(PlainDriver):
    """A delivery tells the default priority."""

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        deliveries = await super()._reserve(queues, limit=limit, lease=lease, worker=worker)
        return [msgspec.structs.replace(delivery, priority=4) for delivery in deliveries]


@mutant("reserve", "RES-10")
class LeaseHasOneLength(PlainDriver):
    """Every lease is 30 seconds long."""

    def lease_to(self, stored: StoredTask, lease: float, worker: str, now: int) -> None:
        super().lease_to(stored, 30.0, worker, now)


@mutant("reserve", "RES-11")
class WorkerIsNotRecorded(PlainDriver):
    """Nobody knows who holds a task."""

    def lease_to(self, stored: StoredTask, lease: float, worker: str, now: int) -> None:
        super().lease_to(stored, lease, "somebody", now)


# -- order


@mutant("ordering", "ORD-1")
class PriorityInverted(PlainDriver):
    """Priority 0 comes first."""

    def in_order(self, tasks: Iterable[StoredTask]) -> list[StoredTask]:
        return sorted(tasks, key=lambda s: (s.task.priority, s.at, s.number))


@mutant("ordering", "ORD-2")
class LifoWithinPriority(PlainDriver):
    """Within a priority the newest task comes first."""

    def in_order(self, tasks: Iterable[StoredTask]) -> list[StoredTask]:
        return sorted(tasks, key=lambda s: (-s.task.priority, -s.at, -s.number))


@mutant("ordering", "ORD-2")
class TiesByThePrimaryKey(PlainDriver):
    """Tasks that are due at one moment come in the order of their ids."""

    def in_order(self, tasks: Iterable[StoredTask]) -> list[StoredTask]:
        return sorted(tasks, key=lambda s: (-s.task.priority, s.at, s.task.id))


@mutant("ordering", "ORD-3")
class DueTimeIsIgnoredInOrder(PlainDriver):
    """Within a priority only the enqueue order counts."""

    def in_order(self, tasks: Iterable[StoredTask]) -> list[StoredTask]:
        return sorted(tasks, key=lambda s: (-s.task.priority, s.number))


@mutant("ordering", "ORD-3", "ORD-1")
class DueTimeBeforePriority(PlainDriver):
    """The earliest due time comes first, whatever the priority."""

    def in_order(self, tasks: Iterable[StoredTask]) -> list[StoredTask]:
        return sorted(tasks, key=lambda s: (s.at, -s.task.priority, s.number))


@mutant("ordering", "ORD-4", "SET-17")
class AvailableAtKeptAfterRetry(PlainDriver):
    """A task that waits again stands where it stood before."""

    def wait_again(self, space: Space, stored: StoredTask, delay: float, now: int) -> bool:
        waits = super().wait_again(space, stored, delay, now)
        if waits and not delay:
            stored.at = stored.enqueued_at
        return waits


@mutant("ordering", "ORD-5", "LEA-4")
class AvailableAtKeptAfterLapse(PlainDriver):
    """A lapsed task stands where it stood before it was taken."""

    def lapse(self, space: Space, stored: StoredTask, now: int) -> None:
        super().lapse(space, stored, now)
        if stored.state == WAITING:
            stored.at = stored.enqueued_at


@mutant("lease", "LEA-4")
class LapsedTaskIsAvailableNow(PlainDriver):
    """A lapsed task is available since somebody noticed, not since its lease ended."""

    def lapse(self, space: Space, stored: StoredTask, now: int) -> None:
        super().lapse(space, stored, now)
        if stored.state == WAITING:
            stored.at = now


@mutant("ordering", "ORD-6", "DEA-1")
class ReplayGoesToTheFront(PlainDriver):
    """A replayed task is available since it was first enqueued."""

    def revive(self, space: Space, stored: StoredTask, now: int) -> None:
        super().revive(space, stored, now)
        stored.at = stored.enqueued_at


@mutant("ordering", "ORD-7")
class WaitingAgainRenumbers(PlainDriver):
    """A task that waits again is ordered as if it were new."""

    def wait_again(self, space: Space, stored: StoredTask, delay: float, now: int) -> bool:
        space.enqueued += 1
        stored.number = space.enqueued
        return super().wait_again(space, stored, delay, now)


@mutant("ordering", "ORD-8", "RES-2")
class OneOrderOverAllQueues(PlainDriver):
    """Priority decides over all queues together."""

    def take(
        self, space: Space, queues: Sequence[str], limit: int, lease: float, worker: str, now: int
    ) -> list[StoredTask]:
        tasks = [stored for queue in queues for stored in self.eligible(space, queue, now)]
        chosen = self.in_order(tasks)[:limit]
        for stored in chosen:
            self.lease_to(stored, lease, worker, now)
        return chosen


# -- leases


@mutant("lease", "LEA-1", "ERR-11")
class ExpiredLeaseNeverReclaimed(PlainDriver):
    """A lease that has ended leaves its task leased for ever."""

    def lapse(self, space: Space, stored: StoredTask, now: int) -> None:
        stored.receipt = None


@mutant("lease", "LEA-2")
class LiveLeaseIsRedelivered(PlainDriver):
    """A task is delivered again ten seconds after it was taken, whatever its lease."""

    def eligible(self, space: Space, queue: str, now: int) -> Iterable[StoredTask]:
        stuck = [
            stored
            for stored in space.tasks.values()
            if stored.task.queue == queue and stored.state == LEASED and (stored.started_at or 0) + ticks(10) <= now
        ]
        return [*super().eligible(space, queue, now), *stuck]


@mutant("lease", "LEA-3")
class CrashDoesNotCountAttempt(PlainDriver):
    """A lapse gives the attempt back."""

    def lapse(self, space: Space, stored: StoredTask, now: int) -> None:
        super().lapse(space, stored, now)
        stored.attempts -= 1


@mutant("lease", "LEA-5")
class LeaseEndsOneTickLate(PlainDriver):
    """A lease still lives at its very end."""

    def let_time_act(self, space: Space, now: int) -> None:
        super().let_time_act(space, now - 1)


@mutant("lease", "LEA-11")
class LeaseEndsTooSoon(PlainDriver):
    """A lease lives for an eighth of the time that was granted."""

    def lease_to(self, stored: StoredTask, lease: float, worker: str, now: int) -> None:
        super().lease_to(stored, lease / 8, worker, now)
