"""Log records that say which task they belong to.

The fields are added by a handler's filter or by the formatter, never by a record factory; what the caller passes as
`extra` wins.
"""

import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from asynctasq.tasks.current_task import CurrentTask, current_task_or_none

TASK_FIELDS = ("task_id", "worker_id", "queue_name", "current_attempt", "task_name", "correlation_id")
"""The attributes that every record logged inside a task has."""

_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_encode = msgspec.json.Encoder(enc_hook=repr).encode


class TaskContextFilter(logging.Filter):
    """Adds the task's fields to every record that passes a handler. Outside of tasks they are None, so that a format
    string may name them. It lets everything pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields."""
        present = vars(record)
        for name, value in _task_fields(current_task_or_none()):
            if name not in present:
                setattr(record, name, value)
        return True


class JsonLogFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, the task's fields, the caller's `extra`, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        line |= {name: value for name, value in _task_fields(current_task_or_none()) if value is not None}
        line |= {
            name: value
            for name, value in vars(record).items()
            if name not in _STANDARD_ATTRIBUTES and not (name in TASK_FIELDS and value is None)
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        if record.stack_info:
            line["stack"] = record.stack_info
        return _encoded(line)


def log_fields(task: CurrentTask) -> dict[str, Any]:
    """The fields of a task as `extra`, for what is logged about it from outside of it."""
    return dict(_task_fields(task))


def _task_fields(task: CurrentTask | None) -> Iterator[tuple[str, Any]]:
    if task is None:
        return ((name, None) for name in TASK_FIELDS)
    values = (task.id, task.worker_id, task.queue, task.attempt, task.name, task.correlation_id)
    return iter(zip(TASK_FIELDS, values, strict=True))


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # wrong arguments to a log call must not cost the line
        return f"{record.msg!r} % {record.args!r} ({error})"


def _encoded(line: dict[str, Any]) -> str:
    try:
        return _encode(line).decode()
    except Exception:  # an `extra` that can't be encoded, not even by its repr, or with lone surrogates
        shown = {name: _shown(value) for name, value in line.items()}
        return _encode(shown).decode()


def _shown(value: object) -> str:
    try:
        return str(value).encode("utf-8", "backslashreplace").decode()
    except Exception as error:
        return f"<str() raised {type(error).__name__}>"
