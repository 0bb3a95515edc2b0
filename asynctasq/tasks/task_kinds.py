"""The four kinds of task, as classes. Each may be written with the type of its result: `class X(AsyncTask[bool])`."""

from asynctasq.errors import DefinitionError
from asynctasq.tasks.base_task import BaseTask
from asynctasq.tasks.invocation import ResultT
from asynctasq.tasks.task_definition import TaskKind

__all__ = ["AsyncProcessTask", "AsyncTask", "SyncProcessTask", "SyncTask", "TaskKind"]


class AsyncTask(BaseTask[ResultT], kind=TaskKind.ASYNC):
    """A task that runs on the event loop. It must not block: no `time.sleep`, no blocking I/O."""

    async def execute(self) -> ResultT:
        """The task's body."""
        raise DefinitionError(f"{type(self).__qualname__} has no execute()")

    async def failed(self, exception: Exception) -> None:
        """Called once, when the task has become a dead letter. By default nothing."""


class SyncTask(BaseTask[ResultT], kind=TaskKind.THREAD):
    """A task that runs in a worker thread, and may block."""

    def execute(self) -> ResultT:
        """The task's body."""
        raise DefinitionError(f"{type(self).__qualname__} has no execute()")


class AsyncProcessTask(BaseTask[ResultT], kind=TaskKind.ASYNC_PROCESS):
    """A task that runs in a child process, on an event loop that stays warm from one task to the next."""

    async def execute(self) -> ResultT:
        """The task's body."""
        raise DefinitionError(f"{type(self).__qualname__} has no execute()")

    async def failed(self, exception: Exception) -> None:
        """Called once, in the worker, when the task has become a dead letter. By default nothing."""


class SyncProcessTask(BaseTask[ResultT], kind=TaskKind.PROCESS):
    """A task that runs in a child process: for work that keeps a CPU busy."""

    def execute(self) -> ResultT:
        """The task's body."""
        raise DefinitionError(f"{type(self).__qualname__} has no execute()")
