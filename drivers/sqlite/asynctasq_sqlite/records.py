"""Records: what is stored of a task, as people see it. Reading changes nothing: what time has decided is worked out."""

from collections.abc import Sequence

from msgspec import Struct

from asynctasq.driver_api import FailureRecord, TaskRecord, TaskState
from asynctasq_sqlite.clock import moment_at, seconds
from asynctasq_sqlite.rows import seq_list, stored_failures
from asynctasq_sqlite.session import Session, numbers, to_json
from asynctasq_sqlite.transitions import CANCELLED, EXPIRED


class StoredTask(Struct, array_like=True, gc=False):
    """A row of `get_tasks.sql` and of the lists."""

    seq: int
    id: str
    queue: str
    name: str
    payload: bytes
    correlation_id: str | None
    rank: int
    first_at: int
    enqueued_at: int
    remember_for: int
    waiting_attempt: int | None
    leased_attempt: int | None
    until: int | None
    leased_worker: str | None
    leased_started_at: int | None
    ended_state: str | None
    ended_attempts: int | None
    finished_at: int | None
    reason: str | None
    result: bytes | None
    later_at: int | None
    dedupe_key: str | None
    expires_after: int | None
    keep_for: int
    cancel_requested: int
    worker: str | None
    started_at: int | None
    failures: str | None


class _Present(Struct, frozen=True):
    """What a task is at, now."""

    state: TaskState
    attempts: int
    available_at: int
    finished_at: int | None = None
    reason: str | None = None
    lease: int | None = None


def get_tasks(session: Session, ids: Sequence[str]) -> dict[str, TaskRecord]:
    """The records of these ids, as far as there are any."""
    found = records_of(session, seq_list(session.value("seqs_of_ids", to_json(ids))))
    return {record.id: record for record in found}


def records_of(session: Session, seqs: Sequence[int], state: TaskState | None = None) -> tuple[TaskRecord, ...]:
    """The records of these tasks, in that order; only those in `state`, if that is given."""
    rows = session.run("get_tasks", numbers(seqs)).fetchall()
    records = (record_of(StoredTask(*row), session.now) for row in rows)
    return tuple(record for record in records if record is not None and state in (None, record.state))


def record_of(task: StoredTask, now: int) -> TaskRecord | None:
    """The record; None if only the id is still known."""
    present = _present(task, now)
    if present is None:
        return None
    started_at = task.started_at if task.leased_started_at is None else task.leased_started_at
    return TaskRecord(
        id=task.id,
        queue=task.queue,
        name=task.name,
        payload=task.payload,
        correlation_id=task.correlation_id,
        priority=9 - task.rank,
        dedupe_key=task.dedupe_key,
        expires_after=None if task.expires_after is None else seconds(task.expires_after),
        keep_for=seconds(task.keep_for),
        remember_for=seconds(task.remember_for),
        state=present.state,
        attempts=present.attempts,
        cancel_requested=bool(task.cancel_requested),
        worker=task.leased_worker or task.worker,
        lease=None if present.lease is None else seconds(present.lease),
        reason=present.reason,
        result=task.result,
        failures=_failures(task.failures),
        enqueued_at=moment_at(task.enqueued_at),
        available_at=moment_at(present.available_at),
        started_at=None if started_at is None else moment_at(started_at),
        finished_at=None if present.finished_at is None else moment_at(present.finished_at),
    )


def _present(task: StoredTask, now: int) -> _Present | None:
    at = task.first_at if task.later_at is None else task.later_at
    expires_at = None if task.expires_after is None else task.enqueued_at + task.expires_after
    if task.ended_state is not None:
        return _Present(
            state=TaskState(task.ended_state),
            attempts=task.ended_attempts or 0,
            available_at=at,
            finished_at=task.finished_at,
            reason=task.reason,
        )
    if task.until is not None:
        attempts = task.leased_attempt or 0
        if task.until > now:
            return _Present(TaskState.LEASED, attempts, task.until, lease=task.until - now)
        if task.cancel_requested:
            return _Present(TaskState.CANCELLED, attempts, at, finished_at=task.until, reason=CANCELLED)
        at = task.until
    elif task.waiting_attempt is not None:
        attempts = task.waiting_attempt
    else:
        return None
    if expires_at is not None and expires_at <= now:
        finished_at = expires_at if task.until is None else max(expires_at, task.until)
        return _Present(TaskState.DEAD, attempts, at, finished_at=finished_at, reason=EXPIRED)
    return _Present(TaskState.READY if at <= now else TaskState.SCHEDULED, attempts, at)


def _failures(stored: str | None) -> tuple[FailureRecord, ...]:
    return tuple(
        FailureRecord(
            type=type_name, message=message, traceback=traceback, attempt=attempt, worker=worker, at=moment_at(at)
        )
        for type_name, message, traceback, attempt, worker, at in stored_failures(stored)
    )
