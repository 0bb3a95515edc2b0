"""Drivers that are wrong about replaying, deleting, purging and cancelling."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from asynctasq.driver_api import (
    Bury,
    CancelOutcome,
    Complete,
    Release,
    ReplayOutcome,
    ReplayStatus,
    Retry,
    TaskState,
)
from asynctasq_conformance.mutants.mutant import mutant
from asynctasq_conformance.mutants.plain_driver import PlainDriver
from asynctasq_conformance.mutants.plain_storage import LEASED, WAITING, QueueTotals, Space, StoredTask, ticks

# -- dead letters


@mutant("dead_letter", "DEA-1")
class ReplayKeepsAttempts(PlainDriver):
    """A replayed task goes on counting its attempts."""

    def revive(self, space: Space, stored: StoredTask, now: int) -> None:
        attempts = stored.attempts
        super().revive(space, stored, now)
        stored.attempts = attempts


@mutant("dead_letter", "DEA-2")
class ReplayDropsFailures(PlainDriver):
    """A replayed task has forgotten why it died."""

    def revive(self, space: Space, stored: StoredTask, now: int) -> None:
        super().revive(space, stored, now)
        stored.failures = []


@mutant("dead_letter", "DEA-3")
class ReplayKeepsExpiry(PlainDriver):
    """A replayed task expires again at once."""

    def revive(self, space: Space, stored: StoredTask, now: int) -> None:
        task, expires_at = stored.task, stored.expires_at
        super().revive(space, stored, now)
        stored.task, stored.expires_at = task, expires_at


@mutant("dead_letter", "DEA-4")
class ReplayKeepsCancelRequest(PlainDriver):
    """A replayed task is still asked to cancel."""

    def revive(self, space: Space, stored: StoredTask, now: int) -> None:
        cancel_requested = stored.cancel_requested
        super().revive(space, stored, now)
        stored.cancel_requested = cancel_requested


@mutant("dead_letter", "DEA-5")
class ReplayForgetsTheDedupeKey(PlainDriver):
    """A replayed task holds no dedupe key."""

    def revive(self, space: Space, stored: StoredTask, now: int) -> None:
        super().revive(space, stored, now)
        stored.task = msgspec.structs.replace(stored.task, dedupe_key=None)


@mutant("dead_letter", "DEA-6")
class ReplayIgnoresTheDedupeKey(PlainDriver):
    """A task is replayed although another holds its dedupe key."""

    def replay_one(self, space: Space, id: str, now: int) -> ReplayOutcome:
        stored = space.tasks.get(id)
        if stored is not None and stored.state == "dead":
            self.revive(space, stored, now)
            return ReplayOutcome(status=ReplayStatus.REPLAYED)
        return super().replay_one(space, id, now)


@mutant("dead_letter", "DEA-7")
class ReplayOfLiveTaskAllowed(PlainDriver):
    """Any task can be replayed."""

    def replay_one(self, space: Space, id: str, now: int) -> ReplayOutcome:
        stored = space.tasks.get(id)
        if stored is not None and stored.state != "dead":
            self.revive(space, stored, now)
            return ReplayOutcome(status=ReplayStatus.REPLAYED)
        return super().replay_one(space, id, now)


@mutant("dead_letter", "DEA-8")
class ReplayOfNothingIsNotDead(PlainDriver):
    """A replay without a record is reported as not dead."""

    def replay_one(self, space: Space, id: str, now: int) -> ReplayOutcome:
        if id not in space.tasks:
            return ReplayOutcome(status=ReplayStatus.NOT_DEAD)
        return super().replay_one(space, id, now)


@mutant("dead_letter", "DEA-9")
class DeadLetterIsDeliveredAgain(PlainDriver):
    """A dead letter comes back by itself."""

    def let_time_act(self, space: Space, now: int) -> None:
        super().let_time_act(space, now)
        for stored in space.tasks.values():
            if stored.state == "dead" and stored.finished_at is not None and stored.finished_at + ticks(5) <= now:
                self.revive(space, stored, now)


@mutant("dead_letter", "DEA-10")
class DeadLetterHoldsItsDedupeKey(PlainDriver):
    """A dead letter still holds its dedupe key."""

    def holder_of_key(self, space: Space, queue: str, key: str | None) -> StoredTask | None:
        for stored in space.tasks.values():
            if key is not None and stored.state == "dead" and stored.task.dedupe_key == key:
                return stored
        return super().holder_of_key(space, queue, key)


# -- purging and deleting


@mutant("purge", "PUR-1")
class PurgeSparesLeasedTasks(PlainDriver):
    """A purge leaves leased tasks alone."""

    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None:
        spared = [state for state in states or TaskState if state is not TaskState.LEASED]
        await super()._purge(queues, states=spared)


@mutant("purge", "PUR-2")
class PurgeIgnoresStates(PlainDriver):
    """A purge removes everything, whatever states were named."""

    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None:
        await super()._purge(queues, states=None)


@mutant("purge", "PUR-3")
class PurgeRemembersIds(PlainDriver):
    """The ids of purged tasks stay known."""

    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None:
        before = [*self.storage.space.tasks]
        await super()._purge(queues, states=states)
        gone = [id for id in before if id not in self.storage.space.tasks]
        self.storage.space.remembered |= dict.fromkeys(gone, self.clock.read() + ticks(60.0))


@mutant("purge", "PUR-4")
class PurgeResetsTotals(PlainDriver):
    """A purge begins the totals at zero again."""

    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None:
        await super()._purge(queues, states=states)
        self.storage.space.totals |= {queue: QueueTotals() for queue in queues}


@mutant("purge", "PUR-5")
class PurgeTakesAllQueues(PlainDriver):
    """A purge removes the tasks of all queues."""

    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None:
        everything = [stored.task.queue for stored in self.storage.space.tasks.values()]
        await super()._purge(everything, states=states)


@mutant("purge", "PUR-6", "PUR-9")
class LeasedTaskCanBeDeleted(PlainDriver):
    """A leased task can be deleted under its worker's hands."""

    def delete_one(self, space: Space, id: str) -> bool:
        return space.tasks.pop(id, None) is not None


@mutant("purge", "PUR-7")
class DeleteRemembersTheId(PlainDriver):
    """The id of a deleted task stays known."""

    def delete_one(self, space: Space, id: str) -> bool:
        deleted = super().delete_one(space, id)
        if deleted:
            space.remembered[id] = self.clock.read() + ticks(60.0)
        return deleted


@mutant("purge", "PUR-8", "ERR-10")
class DeleteOfNothingIsTrue(PlainDriver):
    """Deleting what is not there is reported as done."""

    def delete_one(self, space: Space, id: str) -> bool:
        return super().delete_one(space, id) or id not in space.tasks


# -- cancelling


@mutant("cancel", "CAN-1")
class ScheduledTaskIsNotCancelled(PlainDriver):
    """A scheduled task is reported as cancelled, and runs when it is due."""

    def cancel_one(self, space: Space, id: str, now: int) -> CancelOutcome:
        stored = space.tasks.get(id)
        if stored is not None and stored.state == WAITING and stored.at > now:
            return CancelOutcome.CANCELLED
        return super().cancel_one(space, id, now)


@mutant("cancel", "CAN-2")
class CancelTwiceIsTooLate(PlainDriver):
    """A task that is cancelled already is too late to cancel."""

    def cancel_one(self, space: Space, id: str, now: int) -> CancelOutcome:
        stored = space.tasks.get(id)
        if stored is not None and stored.state == "cancelled":
            return CancelOutcome.TOO_LATE
        return super().cancel_one(space, id, now)


@mutant("cancel", "CAN-3")
class CancelOfLeasedDeletes(PlainDriver):
    """Cancelling a leased task removes it."""

    def cancel_one(self, space: Space, id: str, now: int) -> CancelOutcome:
        outcome = super().cancel_one(space, id, now)
        if outcome is CancelOutcome.REQUESTED:
            del space.tasks[id]
        return outcome


@mutant("cancel", "CAN-3")
class CancelOfLeasedEndsIt(PlainDriver):
    """Cancelling a leased task ends it under its worker's hands."""

    def cancel_one(self, space: Space, id: str, now: int) -> CancelOutcome:
        outcome = super().cancel_one(space, id, now)
        if outcome is CancelOutcome.REQUESTED:
            self.finish(space, space.tasks[id], "cancelled", "cancelled", now)
        return outcome


@mutant("cancel", "CAN-4")
class EndedTaskCanBeCancelled(PlainDriver):
    """Cancelling a dead letter makes it cancelled."""

    def cancel_one(self, space: Space, id: str, now: int) -> CancelOutcome:
        stored = space.tasks.get(id)
        if stored is not None and stored.state == "dead":
            self.finish(space, stored, "cancelled", "cancelled", now)
        return super().cancel_one(space, id, now)


@mutant("cancel", "CAN-4")
class RememberedIdIsNotFound(PlainDriver):
    """An id without a record is not found, though it is known."""

    def cancel_one(self, space: Space, id: str, now: int) -> CancelOutcome:
        return super().cancel_one(space, id, now) if id in space.tasks else CancelOutcome.NOT_FOUND


@mutant("cancel", "CAN-5")
class UnknownIdIsTooLate(PlainDriver):
    """An id that nobody knows is too late to cancel."""

    def cancel_one(self, space: Space, id: str, now: int) -> CancelOutcome:
        outcome = super().cancel_one(space, id, now)
        return CancelOutcome.TOO_LATE if outcome is CancelOutcome.NOT_FOUND else outcome


@mutant("cancel", "CAN-6")
class RequestedTaskCannotComplete(PlainDriver):
    """The completion of a task whose cancellation was requested ends it as cancelled."""

    def complete(self, space: Space, stored: StoredTask, settlement: Complete, now: int) -> None:
        if stored.cancel_requested:
            self.finish(space, stored, "cancelled", "cancelled", now)
        else:
            super().complete(space, stored, settlement, now)


@mutant("cancel", "CAN-6")
class RequestedTaskCannotBeBuried(PlainDriver):
    """The burial of a task whose cancellation was requested ends it as cancelled."""

    def bury(self, space: Space, stored: StoredTask, settlement: Bury, now: int) -> None:
        if stored.cancel_requested:
            self.finish(space, stored, "cancelled", "cancelled", now)
        else:
            super().bury(space, stored, settlement, now)


@mutant("cancel", "CAN-7")
class CancelRequestLostOnRetry(PlainDriver):
    """A retry of a task whose cancellation was requested lets it wait again."""

    def retry(self, space: Space, stored: StoredTask, settlement: Retry, now: int) -> None:
        stored.cancel_requested = False
        super().retry(space, stored, settlement, now)


@mutant("cancel", "CAN-7")
class CancelRequestLostOnRelease(PlainDriver):
    """A release of a task whose cancellation was requested lets it wait again."""

    def release(self, space: Space, stored: StoredTask, settlement: Release, now: int) -> None:
        stored.cancel_requested = False
        super().release(space, stored, settlement, now)


@mutant("cancel", "CAN-7")
class CancelledRetryIsCountedAsOne(PlainDriver):
    """A retry that ends the task as cancelled is counted as a retry."""

    def retry(self, space: Space, stored: StoredTask, settlement: Retry, now: int) -> None:
        if stored.cancel_requested:
            self.count(space, stored, "retried")
        super().retry(space, stored, settlement, now)


@mutant("cancel", "CAN-8")
class CancelledTaskCompletesAfterLapse(PlainDriver):
    """A task whose cancellation was requested is delivered again when its lease lapses."""

    def lapse(self, space: Space, stored: StoredTask, now: int) -> None:
        stored.cancel_requested = False
        super().lapse(space, stored, now)


@mutant("cancel", "CAN-8")
class LapsedCancellationIsDatedLate(PlainDriver):
    """A task that was cancelled by a lapse has ended when somebody noticed."""

    def lapse(self, space: Space, stored: StoredTask, now: int) -> None:
        super().lapse(space, stored, now)
        if stored.state == "cancelled":
            stored.finished_at = now


@mutant("cancel", "CAN-10")
class CancelRequestLostOnExpiry(PlainDriver):
    """Expiry wins over a requested cancellation."""

    def wait_again(self, space: Space, stored: StoredTask, delay: float, now: int) -> bool:
        if stored.expires_at is not None and now >= stored.expires_at:
            stored.cancel_requested = False
        return super().wait_again(space, stored, delay, now)


@mutant("cancel", "CAN-10")
class ExpiryWinsAtALapse(PlainDriver):
    """When a lapse meets a requested cancellation and expiry, the task expires."""

    def lapse(self, space: Space, stored: StoredTask, now: int) -> None:
        if stored.expires_at is not None and stored.at >= stored.expires_at:
            stored.cancel_requested = False
        super().lapse(space, stored, now)


@mutant("cancel", "CAN-11")
class LapsedTaskIsTakenForLeased(PlainDriver):
    """A task whose lease has lapsed is asked to cancel, though nobody holds it."""

    async def _cancel_many(self, ids: Sequence[str]) -> list[CancelOutcome]:
        await self.writing()
        now = self.clock.read()
        lapsed = [s for s in self.storage.space.tasks.values() if s.state == LEASED and s.at <= now]
        outcomes = [self.cancel_one(self.storage.space, id, now) for id in ids]
        return outcomes if lapsed else await super()._cancel_many(ids)
