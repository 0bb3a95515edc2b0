"""Rows become records."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from asynctasq.driver_api import Failure, FailureRecord, TaskRecord, TaskState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _StoredFailure(msgspec.Struct, frozen=True, gc=False):
    attempt: int
    worker: str
    at: int
    """Microseconds since 1970."""
    failure: Failure


_decode_failure = msgspec.json.Decoder(_StoredFailure).decode


def task_record(row: Sequence[Any]) -> TaskRecord:
    """One row of the type `record`."""
    return TaskRecord(
        id=row[1],
        queue=row[2],
        name=row[3],
        payload=row[4],
        correlation_id=row[5],
        priority=row[6],
        dedupe_key=row[7],
        expires_after=row[8],
        keep_for=row[9],
        remember_for=row[10],
        state=TaskState(row[11]),
        attempts=row[12],
        cancel_requested=row[13],
        worker=row[14],
        lease=row[15],
        reason=row[16],
        result=row[17],
        failures=tuple(_failure_record(text) for text in reversed(row[18] or ())),
        enqueued_at=row[19],
        available_at=_finite(row[20]),
        started_at=row[21],
        finished_at=row[22],
    )


def _finite(moment: datetime) -> datetime:
    """asyncpg stores the latest datetime of all as infinity, and gives it back without a time zone."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _failure_record(text: str) -> FailureRecord:
    stored = _decode_failure(text)
    return FailureRecord(
        type=stored.failure.type,
        message=stored.failure.message,
        traceback=stored.failure.traceback,
        attempt=stored.attempt,
        worker=stored.worker,
        at=_EPOCH + timedelta(microseconds=stored.at),
    )
