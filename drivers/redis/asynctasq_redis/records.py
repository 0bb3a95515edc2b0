"""What the scripts return, as the contract's types."""

from struct import error as StructError
from struct import unpack_from
from typing import Any, cast

import msgspec

from asynctasq.driver_api import Delivery, FailureRecord, QueueStats, TaskRecord, TaskState
from asynctasq_redis.receipts import receipt_of
from asynctasq_redis.task_keys import id_of
from asynctasq_redis.ticks import moment_of, seconds_of

_decode_failure = msgspec.msgpack.Decoder(tuple[str, str, str]).decode


def split_body(body: bytes) -> tuple[str, str | None, bytes]:
    """Name, correlation id and payload.

    A body that somebody has damaged is shown as far as it goes: its task is delivered, and its worker buries it.
    """
    try:
        name_end = 1 + body[0]
        start = name_end + 1
        end = start + body[name_end]
    except IndexError:
        return "", None, body
    return _text(body[1:name_end]), _text(body[start:end]) or None, body[end:]


def _text(stored: bytes) -> str:
    return stored.decode(errors="replace")


def deliveries(reply: list[Any], queues: tuple[str, ...], nonce: str, lease: float) -> list[Delivery]:
    """The reply of `reserve.lua` but for its first field."""
    delivered: list[Delivery] = []
    moments: dict[int, Any] = {}  # tasks of one batch were accepted in one instant
    head, name, correlation_id = b"", "", None  # most tasks of a batch have the same
    for group_at in range(0, len(reply), 3):
        queue = queues[cast(int, reply[group_at])]
        priority, group = reply[group_at + 1], reply[group_at + 2]
        for at in range(0, len(group), 4):
            key, body, enqueued = group[at], group[at + 1], group[at + 3]
            if head and body.startswith(head):
                payload = body[len(head) :]
            else:
                name, correlation_id, payload = split_body(body)
                head = body[: -len(payload)] if payload else b""  # one without a payload may be damaged
            enqueued_at = moments.get(enqueued)
            if enqueued_at is None:
                enqueued_at = moments[enqueued] = moment_of(enqueued)
            delivered.append(
                Delivery(
                    id=id_of(key),
                    queue=queue,
                    name=name,
                    payload=payload,
                    correlation_id=correlation_id,
                    priority=priority,
                    attempt=group[at + 2],
                    receipt=receipt_of(nonce, key),
                    enqueued_at=enqueued_at,
                    lease=lease,
                )
            )
    return delivered


def task_record(fields: list[Any]) -> TaskRecord:
    """One task as `show.lua` shows it."""
    key, state, queue, priority, attempts, dedupe, reason, worker, cancel_requested = fields[:9]
    enqueued, available, started, finished, expires_after, keep, remember, left = fields[9:17]
    body, result, failures = fields[17:]
    name, correlation_id, payload = split_body(body)
    return TaskRecord(
        id=id_of(key),
        queue=_text(queue),
        name=name,
        payload=payload,
        correlation_id=correlation_id,
        priority=priority,
        dedupe_key=_text(dedupe) or None,
        expires_after=None if expires_after < 0 else seconds_of(expires_after),
        keep_for=seconds_of(keep),
        remember_for=seconds_of(remember),
        state=TaskState(state.decode()),
        attempts=attempts,
        cancel_requested=bool(cancel_requested),
        worker=_text(worker) or None,
        lease=None if left < 0 else seconds_of(left),
        reason=_text(reason) or None,
        result=result,
        failures=tuple(record for failure in failures if (record := _failure_record(failure)) is not None),
        enqueued_at=moment_of(enqueued),
        available_at=moment_of(available),
        started_at=moment_of(started) if started else None,
        finished_at=moment_of(finished) if finished else None,
    )


def _failure_record(stored: bytes) -> FailureRecord | None:
    """None if it is damaged."""
    try:
        attempt, low, high, worker_length = unpack_from("<IIHB", stored)
        worker_end = 11 + worker_length
        kind, message, traceback = _decode_failure(stored[worker_end:])
    except (StructError, msgspec.MsgspecError):
        return None
    return FailureRecord(
        type=kind,
        message=message,
        traceback=traceback,
        attempt=attempt,
        worker=_text(stored[11:worker_end]),
        at=moment_of(low | high << 32),
    )


def queue_statistics(row: list[int]) -> QueueStats:
    """One row of `stats.lua`."""
    ready, scheduled, leased, dead, oldest, completed, died, retried, cancelled = row
    return QueueStats(
        ready=ready,
        scheduled=scheduled,
        leased=leased,
        dead=dead,
        oldest_ready_age=None if oldest < 0 else seconds_of(oldest),
        total_completed=completed,
        total_dead=died,
        total_retried=retried,
        total_cancelled=cancelled,
    )
