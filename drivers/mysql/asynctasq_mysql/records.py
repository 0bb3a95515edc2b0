"""Rows become records. Reading changes nothing: what time has made of a task is worked out."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from asynctasq.driver_api import FailureRecord, TaskRecord, TaskState
from asynctasq_mysql.clock import NEVER, moment_at, seconds
from asynctasq_mysql.rows import CANCEL_REQUESTED, fate, public_state
from asynctasq_mysql.settling import read_failures


class _Row(Struct, gc=False):
    """The columns of `get_tasks.sql`, in that order."""

    now: int
    pk: int
    id: str
    queue: str
    name: bytes
    payload: bytes
    correlation_id: bytes | None
    priority_order: int
    dedupe_key: bytes | None
    expires_at: int
    keep_for: int
    remember_for: int
    state: int
    attempt: int
    worker: bytes | None
    at: int
    token: int
    reason: bytes | None
    result: bytes | None
    failures: bytes | None
    enqueued_at: int
    started_at: int
    finished_at: int


def task_record(values: Sequence[Any]) -> TaskRecord:
    """A record, as of the moment of the statement that read it."""
    row = _Row(*values)
    state = public_state(row.state, row.at, row.token, row.expires_at, row.now)
    ended = fate(row.state, row.at, row.token, row.expires_at, row.now)
    finished_at = row.finished_at if ended is None else ended.at
    return TaskRecord(
        id=row.id,
        queue=row.queue,
        name=row.name.decode(),
        payload=row.payload,
        correlation_id=_text(row.correlation_id),
        priority=9 - row.priority_order,
        dedupe_key=_text(row.dedupe_key),
        expires_after=None if row.expires_at == NEVER else seconds(row.expires_at - row.enqueued_at),
        keep_for=seconds(row.keep_for),
        remember_for=seconds(row.remember_for),
        state=state,
        attempts=row.attempt,
        cancel_requested=row.state == CANCEL_REQUESTED,
        worker=_text(row.worker),
        lease=seconds(row.at - row.now) if state is TaskState.LEASED else None,
        reason=_text(row.reason) if ended is None else ended.reason,
        result=row.result,
        failures=_failures(row.failures),
        enqueued_at=moment_at(row.enqueued_at),
        available_at=moment_at(row.at),
        started_at=moment_at(row.started_at) if row.started_at else None,
        finished_at=moment_at(finished_at) if finished_at else None,
    )


def _text(stored: bytes | None) -> str | None:
    return None if stored is None else stored.decode()


def _failures(stored: bytes | None) -> tuple[FailureRecord, ...]:
    if stored is None:
        return ()
    return tuple(
        FailureRecord(
            type=type_name, message=message, traceback=traceback, attempt=attempt, worker=worker, at=moment_at(at)
        )
        for type_name, message, traceback, attempt, worker, at in read_failures(stored)
    )
