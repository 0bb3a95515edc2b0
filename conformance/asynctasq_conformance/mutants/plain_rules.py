"""The contract's rules on plain dictionaries, one small method for each step, so that a mutant can change just one.

Every method is given the space that it works on and the time. Nothing here waits or does I/O.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

from asynctasq.driver_api import (
    Bury,
    Cancel,
    CancelOutcome,
    Complete,
    EnqueueOutcome,
    ExtendOutcome,
    Failure,
    FailureRecord,
    NewTask,
    Release,
    ReplayOutcome,
    ReplayStatus,
    Retry,
    Settlement,
    SettleOutcome,
)
from asynctasq_conformance.mutants.plain_storage import LEASED, WAITING, Space, StoredTask, moment, since_epoch, ticks


class PlainRules:
    """What happens to tasks."""

    # -- what time does by itself

    def let_time_act(self, space: Space, now: int) -> None:
        """Carry out what the clock has decided."""
        for stored in list(space.tasks.values()):
            if stored.state == LEASED and stored.at <= now:
                self.lapse(space, stored, now)
            if stored.state == WAITING and self.has_expired(stored, now):
                self.expire(space, stored)

    def lapse(self, space: Space, stored: StoredTask, now: int) -> None:
        """A lease has ended: the task is cancelled if that was asked for, else it waits again."""
        stored.receipt = None
        stored.state = WAITING
        if stored.cancel_requested:
            self.finish(space, stored, "cancelled", "cancelled", stored.at)
        elif stored.expires_at is not None:
            stored.expires_at = max(stored.expires_at, stored.at)

    def has_expired(self, stored: StoredTask, now: int) -> bool:
        """A waiting task's time is up."""
        return stored.expires_at is not None and now >= stored.expires_at

    def expire(self, space: Space, stored: StoredTask) -> None:
        """A waiting task ends as a dead letter, at the moment that its time was up."""
        assert stored.expires_at is not None
        self.finish(space, stored, "dead", "expired", stored.expires_at)

    def finish(self, space: Space, stored: StoredTask, state: str, reason: str | None, at: int) -> None:
        """A task ends; its dedupe key is free, because only live tasks hold one."""
        stored.state = state
        stored.reason = reason
        stored.receipt = None
        stored.finished_at = at
        self.count(space, stored, state)
        if state == "completed" and stored.task.keep_for == 0:
            self.drop_record(space, stored)

    def count(self, space: Space, stored: StoredTask, state: str) -> None:
        """Add to the totals."""
        totals = space.totals_of(stored.task.queue)
        setattr(totals, state, getattr(totals, state) + 1)

    def drop_record(self, space: Space, stored: StoredTask) -> None:
        """The record goes, the id stays known for a while."""
        del space.tasks[stored.task.id]
        space.remembered[stored.task.id] = (stored.finished_at or 0) + ticks(stored.task.remember_for)

    # -- in

    def enqueue(self, space: Space, tasks: Sequence[NewTask], now: int) -> list[EnqueueOutcome]:
        """Store a batch, in order."""
        return [self.enqueue_one(space, task, now) for task in tasks]

    def enqueue_one(self, space: Space, task: NewTask, now: int) -> EnqueueOutcome:
        """Store a task, unless its id is known or its dedupe key is held."""
        if self.is_known(space, task.id):
            return EnqueueOutcome(accepted=False, existing_id=task.id)
        holder = self.holder_of_key(space, task.queue, task.dedupe_key)
        if holder is not None:
            return EnqueueOutcome(accepted=False, existing_id=holder.task.id)
        self.insert(space, task, now)
        return EnqueueOutcome(accepted=True)

    def is_known(self, space: Space, id: str) -> bool:
        """The id has a record, or is still remembered."""
        return id in space.tasks or id in space.remembered

    def holder_of_key(self, space: Space, queue: str, key: str | None) -> StoredTask | None:
        """The live task of this queue that holds the key."""
        if key is None:
            return None
        return next(
            (s for s in space.tasks.values() if s.is_live and (s.task.queue, s.task.dedupe_key) == (queue, key)), None
        )

    def insert(self, space: Space, task: NewTask, now: int) -> None:
        """Store one task, and signal it if it is ready."""
        space.enqueued += 1
        at = self.due_time(task, now)
        expires_at = None if task.expires_after is None else now + ticks(task.expires_after)
        space.tasks[task.id] = StoredTask(task, space.enqueued, now, at, expires_at)
        if at <= now:
            self.signal(space, task.queue)

    def due_time(self, task: NewTask, now: int) -> int:
        """When a new task is due: never before its acceptance."""
        if task.available_at is not None:
            return max(now, since_epoch(task.available_at))
        return now + ticks(task.delay)

    def signal(self, space: Space, queue: str) -> None:
        """Tell the listeners of a queue that ready work came."""
        space.signals[queue] = space.signals.get(queue, 0) + 1

    # -- out

    def take(
        self, space: Space, queues: Sequence[str], limit: int, lease: float, worker: str, now: int
    ) -> list[StoredTask]:
        """Lease up to `limit` tasks, in order."""
        taken: list[StoredTask] = []
        for queue in self.open_queues(space, queues):
            for stored in self.in_order(self.eligible(space, queue, now)):
                if len(taken) == limit:
                    return taken
                self.lease_to(stored, lease, worker, now)
                taken.append(stored)
        return taken

    def open_queues(self, space: Space, queues: Sequence[str]) -> Sequence[str]:
        """Those that are not paused."""
        return [queue for queue in queues if queue not in space.paused]

    def eligible(self, space: Space, queue: str, now: int) -> Iterable[StoredTask]:
        """The ready tasks of a queue."""
        return (s for s in space.tasks.values() if s.task.queue == queue and s.state == WAITING and s.at <= now)

    def in_order(self, tasks: Iterable[StoredTask]) -> list[StoredTask]:
        """The order of the contract."""
        return sorted(tasks, key=lambda s: (-s.task.priority, s.at, s.number))

    def lease_to(self, stored: StoredTask, lease: float, worker: str, now: int) -> None:
        """Hand one task to a worker."""
        stored.state = LEASED
        stored.attempts += 1
        stored.receipt = self.new_receipt(stored)
        stored.worker = worker
        stored.started_at = now
        stored.at = now + ticks(lease)

    def new_receipt(self, stored: StoredTask) -> str:
        """Fresh for every delivery."""
        return f"{stored.number}.{secrets.token_hex(8)}"

    # -- settled

    def settle(self, space: Space, settlements: Sequence[Settlement], now: int) -> list[SettleOutcome]:
        """Apply each settlement, in order."""
        return [self.settle_one(space, settlement, now) for settlement in settlements]

    def settle_one(self, space: Space, settlement: Settlement, now: int) -> SettleOutcome:
        """Apply one settlement to the task that its receipt leases."""
        stored = self.leased_by(space, settlement, now)
        if stored is None:
            return SettleOutcome.STALE
        match settlement:
            case Complete():
                self.complete(space, stored, settlement, now)
            case Retry():
                self.retry(space, stored, settlement, now)
            case Release():
                self.release(space, stored, settlement, now)
            case Bury():
                self.bury(space, stored, settlement, now)
            case Cancel():
                self.cancel_leased(space, stored, settlement, now)
        return SettleOutcome.APPLIED

    def leased_by(self, space: Space, settlement: Settlement, now: int) -> StoredTask | None:
        """The task that a settlement's receipt leases at this moment."""
        return self.holder_of_receipt(space, settlement.receipt)

    def holder_of_receipt(self, space: Space, receipt: str) -> StoredTask | None:
        """The task that a receipt leases. Lapsed leases have lost theirs already."""
        return next((s for s in space.tasks.values() if s.receipt == receipt), None)

    def complete(self, space: Space, stored: StoredTask, settlement: Complete, now: int) -> None:
        """The task is done; then its follow-ups come."""
        stored.result = settlement.result
        self.finish(space, stored, "completed", None, now)
        for follow_up in settlement.follow_ups:
            self.enqueue_one(space, follow_up, now)

    def retry(self, space: Space, stored: StoredTask, settlement: Retry, now: int) -> None:
        """The attempt failed; the task waits again."""
        self.add_failure(stored, settlement.failure, now)
        if self.wait_again(space, stored, settlement.delay, now):
            self.count(space, stored, "retried")

    def release(self, space: Space, stored: StoredTask, settlement: Release, now: int) -> None:
        """The task goes back, and the attempt does not count."""
        stored.attempts -= 1
        self.wait_again(space, stored, settlement.delay, now)

    def wait_again(self, space: Space, stored: StoredTask, delay: float, now: int) -> bool:
        """Wait, unless the task was asked to end or has expired."""
        if stored.cancel_requested:
            self.finish(space, stored, "cancelled", "cancelled", now)
        elif stored.expires_at is not None and now >= stored.expires_at:
            self.finish(space, stored, "dead", "expired", now)
        else:
            stored.state = WAITING
            stored.receipt = None
            stored.at = now + ticks(delay)
            return True
        return False

    def bury(self, space: Space, stored: StoredTask, settlement: Bury, now: int) -> None:
        """The task becomes a dead letter."""
        self.add_failure(stored, settlement.failure, now)
        self.finish(space, stored, "dead", settlement.reason, now)

    def cancel_leased(self, space: Space, stored: StoredTask, settlement: Cancel, now: int) -> None:
        """The worker ends the task as cancelled."""
        self.finish(space, stored, "cancelled", settlement.reason, now)

    def add_failure(self, stored: StoredTask, failure: Failure, now: int) -> None:
        """Keep the last ten."""
        kept = FailureRecord(
            type=failure.type,
            message=failure.message,
            traceback=failure.traceback,
            attempt=stored.attempts,
            worker=stored.worker or "",
            at=moment(now),
        )
        stored.failures = [*stored.failures, kept][-10:]

    def extend_one(self, space: Space, receipt: str, lease: float, now: int) -> ExtendOutcome:
        """Move the end of a live lease, never back."""
        stored = self.holder_of_receipt(space, receipt)
        if stored is None:
            return ExtendOutcome(applied=False)
        stored.at = max(stored.at, now + ticks(lease))
        return ExtendOutcome(applied=True, lease=(stored.at - now) / 1e6, cancel_requested=stored.cancel_requested)

    # -- managed

    def cancel_one(self, space: Space, id: str, now: int) -> CancelOutcome:
        """End a waiting task; ask the worker of a leased one."""
        stored = space.tasks.get(id)
        if stored is None:
            return CancelOutcome.TOO_LATE if self.is_known(space, id) else CancelOutcome.NOT_FOUND
        if stored.state == LEASED:
            stored.cancel_requested = True
            return CancelOutcome.REQUESTED
        if stored.state == WAITING:
            stored.cancel_requested = True
            self.finish(space, stored, "cancelled", "cancelled", now)
        return CancelOutcome.CANCELLED if stored.state == "cancelled" else CancelOutcome.TOO_LATE

    def replay_one(self, space: Space, id: str, now: int) -> ReplayOutcome:
        """Make a dead letter ready again."""
        stored = space.tasks.get(id)
        if stored is None:
            return ReplayOutcome(status=ReplayStatus.NOT_FOUND)
        if stored.state != "dead":
            return ReplayOutcome(status=ReplayStatus.NOT_DEAD)
        holder = self.holder_of_key(space, stored.task.queue, stored.task.dedupe_key)
        if holder is not None:
            return ReplayOutcome(status=ReplayStatus.DUPLICATE, existing_id=holder.task.id)
        self.revive(space, stored, now)
        return ReplayOutcome(status=ReplayStatus.REPLAYED)

    def revive(self, space: Space, stored: StoredTask, now: int) -> None:
        """What replay resets, and what it keeps."""
        task = stored.task
        stored.task = NewTask(**{n: getattr(task, n) for n in task.__struct_fields__ if n != "expires_after"})
        stored.state, stored.at, stored.attempts = WAITING, now, 0
        stored.expires_at = stored.reason = stored.finished_at = None
        stored.cancel_requested = False
        self.signal(space, task.queue)

    def delete_one(self, space: Space, id: str) -> bool:
        """Remove a record and forget the id, unless it is leased."""
        stored = space.tasks.get(id)
        if stored is None or stored.state == LEASED:
            return False
        del space.tasks[id]
        return True
