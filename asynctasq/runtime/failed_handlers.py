"""`failed()`: called in the worker once a task is buried, at most once per dead letter."""

import inspect
import logging
import math
from contextvars import copy_context
from typing import Any

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from asynctasq.errors import DeserializationError
from asynctasq.runtime.attempt import Attempt, new_task
from asynctasq.runtime.body_driver import run_in_context
from asynctasq.runtime.failure_text import as_exception, for_the_log
from asynctasq.tasks.current_task import enter_task
from asynctasq.tasks.task_definition import TaskKind

_logger = logging.getLogger("asynctasq.worker")

TIME_LIMIT = 30.0
"""Seconds that one `failed()` may take."""


class FailedHandlers:
    """Runs `failed()` beside the lanes, at most `concurrency` at a time."""

    def __init__(self, task_group: TaskGroup, concurrency: int, *, time_limit: float = TIME_LIMIT) -> None:
        self._task_group = task_group
        self._limiter = anyio.CapacityLimiter(concurrency)
        self._thread_limiter = anyio.CapacityLimiter(concurrency)
        self._time_limit = time_limit
        self._idle: anyio.Event | None = None
        self._closed = False
        self.pending = 0
        """How many wait or run."""
        self.errors = 0
        """How many raised, or took too long."""

    def start(self, attempt: Attempt, error: BaseException) -> None:
        """Call the task's `failed()` soon."""
        if self._closed:
            _logger.warning("task %s: the worker has ended, so failed() is left out", attempt.current.id)
            return
        self.pending += 1
        self._task_group.start_soon(self._run, attempt, error, name="asynctasq failed()")

    def close(self) -> None:
        """The task group has ended: whatever is buried from here on is not handled any more."""
        self._closed = True

    async def wait_until_idle(self) -> None:
        """Wait until every handler has ended."""
        while self.pending:
            self._idle = anyio.Event()
            await self._idle.wait()

    async def _run(self, attempt: Attempt, error: BaseException) -> None:
        try:
            async with self._limiter:
                with anyio.move_on_after(self._time_limit) as limit:
                    await self._call(attempt, as_exception(error))
            if limit.cancelled_caught:
                self.errors += 1
                _logger.error("task %s: failed() took longer than %g s", attempt.current.id, self._time_limit)
        finally:
            self.pending -= 1
            if self._idle is not None and not self.pending:
                self._idle.set()

    async def _call(self, attempt: Attempt, exception: Exception) -> None:
        context = attempt.context or copy_context()
        context.run(enter_task, attempt.current)
        if attempt.task is None and attempt.arguments is None:
            _, problem = await run_in_context(context, attempt.load())
            if isinstance(problem, DeserializationError):
                _logger.warning("task %s: its arguments do not decode, so failed() is left out", attempt.current.id)
                return None
            if problem is not None:
                return self._went_wrong(attempt, problem)
        if attempt.definition.kind in (TaskKind.THREAD, TaskKind.PROCESS):
            answer, problem = await to_thread.run_sync(
                _call_handler, attempt, exception, abandon_on_cancel=True, limiter=self._thread_limiter
            )
        else:
            answer, problem = context.run(_call_handler, attempt, exception)
        if problem is None and inspect.isawaitable(answer):
            _, problem = await run_in_context(context, answer)
        return None if problem is None else self._went_wrong(attempt, problem)

    def _went_wrong(self, attempt: Attempt, problem: BaseException) -> None:
        if isinstance(problem, anyio.get_cancelled_exc_class()) and anyio.current_effective_deadline() == -math.inf:
            raise problem
        self.errors += 1
        _logger.error("task %s: failed() raised %r", attempt.current.id, problem, exc_info=for_the_log(problem))


def _call_handler(attempt: Attempt, exception: Exception) -> tuple[Any, BaseException | None]:
    enter_task(attempt.current)
    try:
        task = attempt.task or new_task(attempt)
        return task.failed(exception), None
    except BaseException as problem:
        return None, problem
