"""Which task is running here: a context variable, set for every attempt."""

from contextvars import ContextVar
from datetime import datetime

from msgspec import Struct

from asynctasq.errors import UnknownTask


class CurrentTask(Struct, frozen=True, kw_only=True):
    """The running attempt, as the task itself and everything below it may know it."""

    id: str
    name: str
    queue: str
    attempt: int
    """1 on the first run."""
    max_attempts: int
    worker_id: str
    correlation_id: str | None
    enqueued_at: datetime


_current: ContextVar[CurrentTask] = ContextVar("asynctasq_current_task")

enter_task = _current.set
"""Make a task the current one of this context. The worker calls it in a context of the attempt's own."""


def current_task() -> CurrentTask:
    """The task that is running here.

    Raises:
        UnknownTask: nothing here runs as a task.
    """
    task = _current.get(None)
    if task is None:
        raise UnknownTask("no task is running here; `current_task_or_none()` answers None outside of tasks")
    return task


def current_task_or_none() -> CurrentTask | None:
    """The task that is running here, or None."""
    return _current.get(None)
