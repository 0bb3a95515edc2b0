"""The model: what the contract says of tasks, in plain Python. It shares no code with any driver.

The caller tells it the time. Moments that only the backend knows (when exactly a task was accepted) are read into it
after they were checked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from asynctasq.driver_api import (
    Bury,
    Cancel,
    CancelOutcome,
    Complete,
    NewTask,
    Release,
    ReplayStatus,
    Retry,
    Settlement,
    SettleOutcome,
    TaskState,
)

FAILURES_KEPT = 10


@dataclass
class ReferenceTask:
    """One task, as it must be."""

    task: NewTask
    number: int
    enqueued_at: datetime
    available_at: datetime
    """While leased, the lease's end."""
    can_expire: bool = True
    leased: bool = False
    ending: TaskState | None = None
    attempts: int = 0
    receipt: str | None = None
    cancel_requested: bool = False
    worker: str | None = None
    reason: str | None = None
    result: bytes | None = None
    failures: list[tuple[str, int, str | None]] = field(default_factory=list[tuple[str, int, "str | None"]])
    finished_at: datetime | None = None
    ended_by_time: bool = False

    @property
    def is_waiting(self) -> bool:
        """Ready or scheduled."""
        return self.ending is None and not self.leased

    @property
    def expires_at(self) -> datetime | None:
        """When the task's time is up, if it still waits then."""
        if self.task.expires_after is None or not self.can_expire:
            return None
        return self.enqueued_at + timedelta(seconds=self.task.expires_after)

    def state(self, now: datetime) -> TaskState:
        """The state as the contract names it."""
        if self.ending is not None:
            return self.ending
        if self.leased:
            return TaskState.LEASED
        return TaskState.READY if self.available_at <= now else TaskState.SCHEDULED

    def record_may_be_gone(self, now: datetime) -> bool:
        """The time for which its record stays is over."""
        if self.finished_at is None or self.ending not in (TaskState.COMPLETED, TaskState.CANCELLED):
            return False
        stays = self.task.keep_for if self.ending is TaskState.COMPLETED else self.task.remember_for
        return now >= self.finished_at + timedelta(seconds=stays)

    def may_be_unknown(self, now: datetime) -> bool:
        """The time for which its id is known is over, too."""
        if not self.record_may_be_gone(now) or self.finished_at is None:
            return False
        return now >= self.finished_at + timedelta(seconds=self.task.remember_for)


class ReferenceQueue:
    """All tasks of one namespace."""

    def __init__(self) -> None:
        self.tasks: dict[str, ReferenceTask] = {}
        self.receipts: list[str] = []
        """Every receipt that was ever issued, oldest first."""
        self.issued_for: dict[str, str] = {}
        """Receipt -> the id of the task that it was issued for."""
        self.totals: Counter[tuple[str, str]] = Counter()
        """(queue, what became of a task) -> how often."""
        self.paused: set[str] = set()
        self.uncleared = False
        """Time has ended tasks, and no maintenance was finished since."""
        self._accepted = 0

    # -- what time does by itself

    def let_time_act(self, now: datetime) -> None:
        """Carry out what the clock has decided until now."""
        for one in self.tasks.values():
            free_since = None
            if one.leased and one.available_at <= now:
                free_since = one.available_at
                one.leased, one.receipt = False, None
                if one.cancel_requested:
                    self._end(one, TaskState.CANCELLED, "cancelled", free_since, by_time=True)
            if one.is_waiting and one.expires_at is not None and one.expires_at <= now:
                moment = one.expires_at if free_since is None else max(free_since, one.expires_at)
                self._end(one, TaskState.DEAD, "expired", moment, by_time=True)

    def _end(
        self, one: ReferenceTask, ending: TaskState, reason: str | None, at: datetime, *, by_time: bool = False
    ) -> None:
        one.ending, one.reason, one.finished_at = ending, reason, at
        one.leased, one.receipt, one.ended_by_time = False, None, by_time
        self.totals[one.task.queue, str(ending)] += 1
        self.uncleared |= by_time

    # -- in

    def holder_of_key(self, task: NewTask) -> str | None:
        """The live task that holds this task's dedupe key."""
        if task.dedupe_key is None:
            return None
        wanted = (task.queue, task.dedupe_key)
        return next(
            (
                id
                for id, one in self.tasks.items()
                if one.ending is None and (one.task.queue, one.task.dedupe_key) == wanted
            ),
            None,
        )

    def duplicate_of(self, task: NewTask) -> str | None:
        """The id that a new task duplicates, if it must be one by what the model knows."""
        return task.id if task.id in self.tasks else self.holder_of_key(task)

    def accept(self, task: NewTask, enqueued_at: datetime, available_at: datetime) -> None:
        """A task was accepted."""
        self._accepted += 1
        self.tasks[task.id] = ReferenceTask(task, self._accepted, enqueued_at, available_at)

    # -- out

    def eligible(self, queues: Sequence[str], now: datetime) -> list[ReferenceTask]:
        """What a reserve must deliver, in order."""
        found: list[ReferenceTask] = []
        for queue in queues:
            ready = [
                one
                for one in self.tasks.values()
                if one.task.queue == queue and one.state(now) is TaskState.READY and queue not in self.paused
            ]
            found += sorted(ready, key=lambda one: (-one.task.priority, one.available_at, one.number))
        return found

    def deliver(self, id: str, receipt: str, worker: str, lease_end: datetime) -> None:
        """A task was delivered."""
        one = self.tasks[id]
        one.leased, one.receipt, one.worker = True, receipt, worker
        one.attempts += 1
        one.available_at = lease_end
        self.receipts.append(receipt)
        self.issued_for[receipt] = id

    def holder_of_receipt(self, receipt: str) -> ReferenceTask | None:
        """The task that a receipt leases."""
        return next((one for one in self.tasks.values() if one.leased and one.receipt == receipt), None)

    def settle(self, settlement: Settlement, now: datetime) -> SettleOutcome:
        """What must come of one settlement. Follow-ups are accepted as if they were enqueued."""
        one = self.holder_of_receipt(settlement.receipt)
        if one is None:
            return SettleOutcome.STALE
        if isinstance(settlement, Retry | Bury):
            one.failures.append((settlement.failure.message, one.attempts, one.worker))
            one.failures = one.failures[-FAILURES_KEPT:]
        match settlement:
            case Complete():
                one.result = settlement.result
                self._end(one, TaskState.COMPLETED, None, now)
                for task in settlement.follow_ups:
                    if self.duplicate_of(task) is None:
                        self.accept(task, now, now + timedelta(seconds=task.delay))
            case Bury():
                self._end(one, TaskState.DEAD, settlement.reason, now)
            case Cancel():
                self._end(one, TaskState.CANCELLED, settlement.reason, now)
            case Retry():
                if self._wait_again(one, now, settlement.delay):
                    self.totals[one.task.queue, "retried"] += 1
            case Release():
                one.attempts -= 1
                self._wait_again(one, now, settlement.delay)
        return SettleOutcome.APPLIED

    def _wait_again(self, one: ReferenceTask, now: datetime, delay: float) -> bool:
        one.leased, one.receipt = False, None
        if one.cancel_requested:
            self._end(one, TaskState.CANCELLED, "cancelled", now)
        elif one.expires_at is not None and one.expires_at <= now:
            self._end(one, TaskState.DEAD, "expired", now)
        one.available_at = now + timedelta(seconds=delay)
        return one.ending is None

    # -- managed

    def cancel(self, id: str, now: datetime) -> set[CancelOutcome]:
        """What may come of a cancellation."""
        one = self.tasks.get(id)
        if one is None:
            return {CancelOutcome.NOT_FOUND}
        if one.leased:
            one.cancel_requested = True
            return {CancelOutcome.REQUESTED}
        allowed: set[CancelOutcome] = {CancelOutcome.TOO_LATE}
        if one.ending is None:
            self._end(one, TaskState.CANCELLED, "cancelled", now)
            allowed = {CancelOutcome.CANCELLED}
        elif one.ending is TaskState.CANCELLED:
            allowed = {CancelOutcome.CANCELLED}
            if one.record_may_be_gone(now):
                allowed.add(CancelOutcome.TOO_LATE)
        if one.may_be_unknown(now):
            allowed.add(CancelOutcome.NOT_FOUND)
        return allowed

    def replay(self, id: str, now: datetime) -> set[ReplayStatus]:
        """What may come of a replay."""
        one = self.tasks.get(id)
        if one is None:
            return {ReplayStatus.NOT_FOUND}
        if one.ending is not TaskState.DEAD:
            gone = one.record_may_be_gone(now)
            return {ReplayStatus.NOT_DEAD, ReplayStatus.NOT_FOUND} if gone else {ReplayStatus.NOT_DEAD}
        if self.holder_of_key(one.task) is not None:
            return {ReplayStatus.DUPLICATE}
        one.ending = one.reason = one.finished_at = None
        one.can_expire = one.cancel_requested = one.ended_by_time = False
        one.attempts, one.available_at = 0, now
        return {ReplayStatus.REPLAYED}

    def delete(self, id: str, now: datetime) -> set[bool]:
        """What may come of a deletion."""
        one = self.tasks.get(id)
        if one is None or one.leased:
            return {False}
        return {True, False} if one.record_may_be_gone(now) else {True}

    def forget(self, id: str) -> None:
        """The driver says that this id is gone, and the contract allows or asks for it."""
        del self.tasks[id]

    def gauges(self, queue: str, now: datetime) -> dict[str, int]:
        """How many tasks of a queue are in each state that has a gauge."""
        states = Counter(one.state(now) for one in self.tasks.values() if one.task.queue == queue)
        shown = (TaskState.READY, TaskState.SCHEDULED, TaskState.LEASED, TaskState.DEAD)
        return {str(state): states[state] for state in shown}
