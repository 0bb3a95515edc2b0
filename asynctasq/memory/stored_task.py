"""One task as the store holds it, and the record that people see of it."""

from datetime import datetime

from msgspec import Struct

from asynctasq.contract.envelopes import FailureRecord, NewTask, TaskRecord, TaskState
from asynctasq.memory.ticks import datetime_of, seconds_of

GONE = -1
"""The `available_at` of a task that was removed: no entry of a ready heap matches it."""


# gc=False: nothing in here ever refers back to a stored task, so there is no cycle for the collector to look for.
class StoredTask(Struct, kw_only=True, eq=False, gc=False):
    """A task that has a record. All times are ticks."""

    task: NewTask
    number: int
    """Its place in the order of first acceptance; never changes."""
    state: TaskState
    available_at: int
    """When it is due, which orders it among its equals; while leased, the lease's end."""
    enqueued_at: int
    accepted: datetime
    """`enqueued_at` once more, shared by all tasks of one batch: every delivery shows it."""
    expires_at: int | None = None
    moment: int | None = None
    """The next time at which time itself does something to this task: its entry in one of the store's timers."""
    receipt: str | None = None
    attempts: int = 0
    cancel_requested: bool = False
    worker: str | None = None
    reason: str | None = None
    result: bytes | None = None
    failures: tuple[FailureRecord, ...] = ()
    started_at: int | None = None
    finished_at: int | None = None

    def record(self, now: int) -> TaskRecord:
        """Everything that is stored, but the receipt."""
        task = self.task
        return TaskRecord(
            id=task.id,
            queue=task.queue,
            name=task.name,
            payload=task.payload,
            correlation_id=task.correlation_id,
            priority=task.priority,
            dedupe_key=task.dedupe_key,
            expires_after=task.expires_after,
            keep_for=task.keep_for,
            remember_for=task.remember_for,
            state=self.state,
            attempts=self.attempts,
            cancel_requested=self.cancel_requested,
            worker=self.worker,
            lease=seconds_of(self.available_at - now) if self.state is TaskState.LEASED else None,
            reason=self.reason,
            result=self.result,
            failures=self.failures,
            enqueued_at=self.accepted,
            available_at=datetime_of(self.available_at),
            started_at=None if self.started_at is None else datetime_of(self.started_at),
            finished_at=None if self.finished_at is None else datetime_of(self.finished_at),
        )
