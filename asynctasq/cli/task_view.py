"""One task, or a list of tasks, as they are shown. Arguments and results are shown only to those who ask for them."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import click
from msgspec import structs

from asynctasq.cli.output import Cell, printable_lines, write_fields, write_table
from asynctasq.cli.task_selection import error_text
from asynctasq.contract.envelopes import TaskRecord
from asynctasq.errors import AsyncTasqError, DeserializationError
from asynctasq.plugins.serializer_factory import SerializerFactory
from asynctasq.runtime.frame import Frame, decode_frame

_OPTIONS = (
    "content_type", "max_attempts", "retry_strategy", "retry_delay", "retry_max_delay", "timeout", "visibility_timeout",
)  # fmt: skip
_ERROR_WIDTH = 60


def write_task_table(records: Iterable[TaskRecord], *, nothing: str) -> None:
    """A list of tasks."""
    write_table(
        ("id", "task", "queue", "state", "attempts", "enqueued", "error"),
        [
            (
                record.id,
                record.name,
                record.queue,
                f"{record.state} (cancelling)" if record.cancel_requested else str(record.state),
                record.attempts,
                record.enqueued_at,
                _shortened(error_text(record)),
            )
            for record in records
        ],
        nothing=nothing,
    )


def task_mapping(record: TaskRecord, *, arguments: bool = False, result: bool = False) -> dict[str, Any]:
    """A task for `--json`: its record without payload and result, and the options that travel in its payload."""
    mapping = structs.asdict(record)
    del mapping["payload"], mapping["result"]
    mapping |= {
        "payload_bytes": len(record.payload),
        "result_bytes": None if record.result is None else len(record.result),
    }
    frame = _frame(record)
    if frame is not None:
        mapping |= {name: getattr(frame.headers, name) for name in _OPTIONS}
    if arguments:
        mapping["arguments"] = _decoded(frame, frame.body) if frame is not None else None
    if result:
        mapping["result"] = _decoded(frame, record.result)
    return mapping


def write_task(record: TaskRecord, *, arguments: bool = False, result: bool = False) -> None:
    """Everything of one task, for people."""
    write_fields(_fields(record))
    frame = _frame(record)
    if frame is None:
        write_fields([("payload", f"{len(record.payload)} bytes that this version can't read")])
    else:
        write_fields([(name.replace("_", " "), _number(getattr(frame.headers, name))) for name in _OPTIONS])
    if arguments and frame is not None:
        write_fields([("arguments", repr(_decoded(frame, frame.body)))])
    if result:
        write_fields([("result", "none kept" if record.result is None else repr(_decoded(frame, record.result)))])
    for failure in record.failures:
        click.echo()
        write_fields(
            [("failure", f"{failure.type}: {failure.message}"), ("attempt", f"{failure.attempt} by {failure.worker}")]
        )
        write_fields([("at", failure.at)])
        if failure.traceback:
            click.echo(printable_lines(failure.traceback))


def _fields(record: TaskRecord) -> Iterator[tuple[str, Cell]]:
    yield "id", record.id
    yield "task", record.name
    yield "queue", record.queue
    yield "state", f"{record.state}, cancellation requested" if record.cancel_requested else str(record.state)
    yield "reason", record.reason
    yield "attempts", record.attempts
    yield "priority", record.priority
    yield "correlation id", record.correlation_id
    yield "unique key", record.dedupe_key
    yield "worker", record.worker
    yield "lease left", None if record.lease is None else f"{record.lease:.1f} s"
    yield "enqueued", record.enqueued_at
    yield "available", record.available_at
    yield "started", record.started_at
    yield "finished", record.finished_at
    yield "expires after", _number(record.expires_after)
    yield "kept for", _number(record.keep_for)


def _number(value: Any) -> Cell:
    return f"{value:g} s" if isinstance(value, float) else value


def _frame(record: TaskRecord) -> Frame | None:
    with contextlib.suppress(DeserializationError):
        return decode_frame(record.payload)
    return None


def _decoded(frame: Frame | None, stored: bytes | None) -> Any:
    """What was stored, without the annotations that the worker has: dates and the like stay as they were written."""
    if stored is None:
        return None
    content_type = "msgpack" if frame is None else frame.headers.content_type
    try:
        return SerializerFactory.create(content_type).decoder(Any)(stored)
    except AsyncTasqError as error:
        return f"<{len(stored)} bytes: {error}>"


def _shortened(text: str) -> str:
    return text if len(text) <= _ERROR_WIDTH else text[: _ERROR_WIDTH - 3] + "..."
