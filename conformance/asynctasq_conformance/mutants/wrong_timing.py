"""Drivers that are wrong about due times, expiry and retention."""

from __future__ import annotations

from collections.abc import Iterable

from asynctasq.driver_api import EnqueueOutcome, MaintenanceReport, NewTask
from asynctasq_conformance.mutants.mutant import mutant
from asynctasq_conformance.mutants.plain_driver import PlainDriver
from asynctasq_conformance.mutants.plain_storage import (
    LEASED,
    WAITING,
    Space,
    StoredTask,
    since_epoch,
    ticks,
)

# -- due times


@mutant("schedule", "SCH-1")
class DelayIsIgnored(PlainDriver):
    """A delayed task is ready at once."""

    def due_time(self, task: NewTask, now: int) -> int:
        return now


@mutant("schedule", "SCH-2")
class ScheduledWaitsForMaintenance(PlainDriver):
    """A task that is due becomes ready only when `maintain()` runs."""

    def eligible(self, space: Space, queue: str, now: int) -> Iterable[StoredTask]:
        return (s for s in super().eligible(space, queue, now) if s.task.delay == 0 or s.started_at is not None)


@mutant("schedule", "SCH-3")
class DueExactlyNowIsNotReady(PlainDriver):
    """A task is ready one tick after it is due."""

    def eligible(self, space: Space, queue: str, now: int) -> Iterable[StoredTask]:
        return (s for s in super().eligible(space, queue, now) if s.at < now or s.at == s.enqueued_at)


@mutant("schedule", "SCH-4")
class AvailableAtIsIgnored(PlainDriver):
    """The moment that a task names is ignored."""

    def due_time(self, task: NewTask, now: int) -> int:
        return now + ticks(task.delay)


@mutant("schedule", "SCH-5")
class PastMomentIsKept(PlainDriver):
    """A task may be due before it was accepted."""

    def due_time(self, task: NewTask, now: int) -> int:
        return super().due_time(task, now) if task.available_at is None else since_epoch(task.available_at)


@mutant("schedule", "SCH-6")
class DelayTruncatedToInt(PlainDriver):
    """Delays are cut to whole seconds."""

    def due_time(self, task: NewTask, now: int) -> int:
        return super().due_time(task, now) if task.available_at else now + ticks(int(task.delay))


@mutant("schedule", "SCH-6")
class LeaseRoundedDown(PlainDriver):
    """A lease shorter than a tick is no lease."""

    def lease_to(self, stored: StoredTask, lease: float, worker: str, now: int) -> None:
        super().lease_to(stored, lease, worker, now)
        stored.at = now + int(lease * 1e6)


@mutant("schedule", "SCH-7")
class ReturnsEmptyWhenHeadIsDelayed(PlainDriver):
    """Nothing is delivered while the task at the head is not due."""

    def eligible(self, space: Space, queue: str, now: int) -> Iterable[StoredTask]:
        waiting = [s for s in space.tasks.values() if s.task.queue == queue and s.state == WAITING]
        head = sorted(waiting, key=lambda s: (-s.task.priority, s.number))[:1]
        return [] if head and head[0].at > now else super().eligible(space, queue, now)


@mutant("schedule", "SCH-8")
class LongDelaysAreCapped(PlainDriver):
    """No delay is longer than a year."""

    def due_time(self, task: NewTask, now: int) -> int:
        return min(super().due_time(task, now), now + ticks(365 * 86_400.0))


# -- expiry


@mutant("expiry", "EXP-1")
class NothingExpires(PlainDriver):
    """`expires_after` is ignored."""

    def has_expired(self, stored: StoredTask, now: int) -> bool:
        return False


@mutant("expiry", "EXP-1")
class ScheduledTasksDoNotExpire(PlainDriver):
    """A task expires only once it is due."""

    def has_expired(self, stored: StoredTask, now: int) -> bool:
        return super().has_expired(stored, now) and stored.at <= now


@mutant("expiry", "EXP-1")
class ExpiryCountsDouble(PlainDriver):
    """A task expires in a quarter of its time."""

    def has_expired(self, stored: StoredTask, now: int) -> bool:
        return super().has_expired(stored, now + ticks(stored.task.expires_after or 0.0) * 3 // 4)


@mutant("expiry", "EXP-2")
class ExpiresOneTickLate(PlainDriver):
    """A task still waits at the very moment that its time is up."""

    def has_expired(self, stored: StoredTask, now: int) -> bool:
        return super().has_expired(stored, now - 1)


@mutant("expiry", "EXP-3")
class ExpiredTaskIsDelivered(PlainDriver):
    """`reserve` does not look whether a task has expired."""

    def let_time_act(self, space: Space, now: int) -> None:
        for stored in list(space.tasks.values()):
            if stored.state == LEASED and stored.at <= now:
                self.lapse(space, stored, now)


@mutant("expiry", "EXP-4")
class ExpiredTaskHoldsDedupeKey(PlainDriver):
    """A task that expired still holds its dedupe key."""

    def holder_of_key(self, space: Space, queue: str, key: str | None) -> StoredTask | None:
        for stored in space.tasks.values():
            if key is not None and stored.reason == "expired" and stored.task.dedupe_key == key:
                return stored
        return super().holder_of_key(space, queue, key)


@mutant("expiry", "EXP-5", "MNT-1")
class ExpiredTasksAreNotCounted(PlainDriver):
    """A task that expired is missing in the totals."""

    def count(self, space: Space, stored: StoredTask, state: str) -> None:
        if stored.reason != "expired":
            super().count(space, stored, state)


@mutant("expiry", "EXP-6")
class LiveLeaseExpires(PlainDriver):
    """A task expires under its worker's hands."""

    def let_time_act(self, space: Space, now: int) -> None:
        for stored in list(space.tasks.values()):
            if stored.state == LEASED and self.has_expired(stored, now):
                self.expire(space, stored)
        super().let_time_act(space, now)


@mutant("expiry", "EXP-7")
class LapseForgetsExpiry(PlainDriver):
    """A task that expired under its lease is delivered again when the lease lapses."""

    def lapse(self, space: Space, stored: StoredTask, now: int) -> None:
        super().lapse(space, stored, now)
        stored.expires_at = None


@mutant("expiry", "EXP-7")
class LapsedTaskFinishedBeforeItsLease(PlainDriver):
    """A task that expired under its lease is said to have ended while it was leased."""

    def expire(self, space: Space, stored: StoredTask) -> None:
        ended = stored.enqueued_at + ticks(stored.task.expires_after or 0.0)
        self.finish(space, stored, "dead", "expired", ended)


@mutant("expiry", "EXP-8")
class RetryOfExpiredWaits(PlainDriver):
    """A retry of a task that has expired lets it wait, for ever."""

    def wait_again(self, space: Space, stored: StoredTask, delay: float, now: int) -> bool:
        stored.expires_at = None
        return super().wait_again(space, stored, delay, now)


@mutant("expiry", "EXP-9")
class ExpiredFinishedWhenStored(PlainDriver):
    """`finished_at` of an expired task is when somebody noticed."""

    def expire(self, space: Space, stored: StoredTask) -> None:
        self.finish(space, stored, "dead", "expired", self.clock.read())


@mutant("expiry", "EXP-10")
class RetryBeginsExpiryAnew(PlainDriver):
    """A retry sets the clock of expiry back."""

    def wait_again(self, space: Space, stored: StoredTask, delay: float, now: int) -> bool:
        waits = super().wait_again(space, stored, delay, now)
        if stored.task.expires_after is not None:
            stored.expires_at = now + ticks(stored.task.expires_after) + 1
        return waits


@mutant("expiry", "EXP-11")
class ExpiredTaskLosesItsPayload(PlainDriver):
    """A task that expired has no payload."""

    def expire(self, space: Space, stored: StoredTask) -> None:
        super().expire(space, stored)
        stored.task = NewTask(id=stored.task.id, queue=stored.task.queue, name=stored.task.name, payload=b"")


# -- retention


@mutant("retention", "RET-1")
class CompletedRecordDroppedAtOnce(PlainDriver):
    """Maintenance removes completed records though they are to be kept."""

    def may_forget(self, stored: StoredTask, now: int) -> bool:
        return stored.state == "completed" or super().may_forget(stored, now)


@mutant("retention", "RET-2")
class CancelledRecordDroppedAtOnce(PlainDriver):
    """Maintenance removes cancelled records before their time."""

    def may_forget(self, stored: StoredTask, now: int) -> bool:
        return stored.state == "cancelled" or super().may_forget(stored, now)


@mutant("retention", "RET-3")
class DeadLettersAreSwept(PlainDriver):
    """Maintenance removes dead letters like other finished tasks."""

    def may_forget(self, stored: StoredTask, now: int) -> bool:
        if stored.state == "dead" and stored.finished_at is not None:
            return stored.finished_at + ticks(stored.task.remember_for) <= now
        return super().may_forget(stored, now)


@mutant("retention", "RET-4", "RET-5")
class FinishedIdForgottenAtOnce(PlainDriver):
    """An id whose record is gone is forgotten with it."""

    def drop_record(self, space: Space, stored: StoredTask) -> None:
        del space.tasks[stored.task.id]


@mutant("retention", "RET-4")
class IdForgottenBeforeItsRecord(PlainDriver):
    """An id is forgotten after `remember_for`, though its record is still there."""

    def enqueue_one(self, space: Space, task: NewTask, now: int) -> EnqueueOutcome:
        stored = space.tasks.get(task.id)
        finished_at = None if stored is None else stored.finished_at
        if stored is not None and finished_at is not None and finished_at + ticks(stored.task.remember_for) <= now:
            del space.tasks[task.id]
        return super().enqueue_one(space, task, now)


@mutant("retention", "RET-6")
class NothingIsEverForgotten(PlainDriver):
    """Maintenance forgets neither records nor ids."""

    async def _maintain(self, *, limit: int) -> MaintenanceReport:
        await self.writing()
        self.space_as_of(self.clock.read())
        return MaintenanceReport(removed=0, more=False)


@mutant("retention", "RET-7")
class RetentionCountsFromEnqueueing(PlainDriver):
    """Records and ids are kept from when the task was enqueued."""

    def may_forget(self, stored: StoredTask, now: int) -> bool:
        kept = max(stored.task.keep_for, stored.task.remember_for)
        return super().may_forget(stored, now) or (
            stored.state == "completed" and stored.enqueued_at + ticks(kept) <= now
        )


# -- maintenance


@mutant("maintenance", "MNT-1")
class LapsedCancellationsAreNotStored(PlainDriver):
    """Maintenance leaves it to others to end tasks whose cancellation was requested."""

    def lapse(self, space: Space, stored: StoredTask, now: int) -> None:
        if not stored.cancel_requested:
            super().lapse(space, stored, now)


@mutant("maintenance", "MNT-2")
class MaintenanceNeverEnds(PlainDriver):
    """Maintenance always reports that there is more."""

    async def _maintain(self, *, limit: int) -> MaintenanceReport:
        report = await super()._maintain(limit=limit)
        return MaintenanceReport(removed=report.removed, more=True)


@mutant("maintenance", "MNT-2")
class MaintenanceIsUnbounded(PlainDriver):
    """One call removes everything that is due, whatever its limit."""

    async def _maintain(self, *, limit: int) -> MaintenanceReport:
        return await super()._maintain(limit=1_000_000)


@mutant("maintenance", "MNT-2")
class MaintenanceStopsShort(PlainDriver):
    """Only the first few of what time ended are ever stored."""

    def let_time_act(self, space: Space, now: int) -> None:
        first = dict(list(space.tasks.items())[:5])
        rest = {id: stored for id, stored in space.tasks.items() if id not in first}
        space.tasks = first
        super().let_time_act(space, now)
        space.tasks |= rest


@mutant("maintenance", "MNT-3")
class MaintenanceForgetsWaitingTasks(PlainDriver):
    """Maintenance removes tasks that wait."""

    def may_forget(self, stored: StoredTask, now: int) -> bool:
        return stored.state == WAITING or super().may_forget(stored, now)


@mutant("maintenance", "MNT-4", "MNT-6")
class ExpiryIsCountedEveryTime(PlainDriver):
    """Every maintenance counts the expired tasks again."""

    async def _maintain(self, *, limit: int) -> MaintenanceReport:
        report = await super()._maintain(limit=limit)
        for stored in self.storage.space.tasks.values():
            if stored.reason == "expired":
                self.count(self.storage.space, stored, "dead")
        return report


@mutant("maintenance", "MNT-5")
class MaintenanceClaimsWork(PlainDriver):
    """Maintenance reports to have removed something, always."""

    async def _maintain(self, *, limit: int) -> MaintenanceReport:
        report = await super()._maintain(limit=limit)
        return MaintenanceReport(removed=report.removed + 1, more=report.more)
