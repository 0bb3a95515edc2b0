"""What `dispatch()` gives back: the task's id, and how to follow the task."""

from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, cast

import anyio

from asynctasq.contract.envelopes import TaskState
from asynctasq.contract.settlements import CancelOutcome
from asynctasq.errors import ResultNotKept, ResultNotReady, TaskCancelled, TaskFailed, UnknownTask
from asynctasq.tasks.dispatcher_slot import current_dispatcher
from asynctasq.tasks.task_definition import TaskDefinition
from asynctasq.tasks.task_details import TaskDetails

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    ResultT = TypeVar("ResultT", default=Any)
else:
    from typing import TypeVar

    ResultT = TypeVar("ResultT")

_ENDED = frozenset({TaskState.COMPLETED, TaskState.DEAD, TaskState.CANCELLED})
_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.25


class TaskLookup(Protocol):
    """How a handle asks for its task."""

    async def find(self, task_id: str) -> TaskDetails | None:
        """The record of a task, or None."""
        ...

    async def cancel(self, task_id: str) -> CancelOutcome:
        """Ask for the cancellation of a task."""
        ...

    def decode_result(self, details: TaskDetails, definition: TaskDefinition | None) -> Any:
        """The stored result of a completed task."""
        ...


class TaskHandle(str, Generic[ResultT]):
    """The id of a dispatched task. It is a `str`, and travels as one wherever it is passed.

    `TaskHandle(id)` of an id that was kept elsewhere works as well; its result then is of a plain type, unless the task
    is defined in this process.
    """

    __slots__ = ("_definition", "_lookup", "accepted")

    accepted: bool
    """False: the id or the unique key was known already, and this is the handle of that task."""
    _definition: TaskDefinition | None
    _lookup: TaskLookup | None

    def __new__(
        cls,
        task_id: str,
        *,
        accepted: bool = True,
        definition: TaskDefinition | None = None,
        lookup: TaskLookup | None = None,
    ) -> Self:
        handle = super().__new__(cls, task_id)
        handle.accepted = accepted
        handle._definition = definition
        handle._lookup = lookup
        return handle

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return (TaskHandle, (str(self),))

    def __str__(self) -> str:
        return str.__str__(self)

    @property
    def id(self) -> str:
        """The task's id as a plain string."""
        return str.__str__(self)

    async def result(self, timeout: float | None = None) -> ResultT:
        """Wait for the task's end, and give what it returned.

        Args:
            timeout: Seconds to wait; None: as long as it takes.

        Raises:
            ResultNotReady: the task did not end within `timeout`; it goes on.
            ResultNotKept: it ended, but its result was not kept, or is kept no longer.
            TaskFailed: it ended as a dead letter.
            TaskCancelled: it was cancelled or discarded.
        """
        deadline = None if timeout is None else anyio.current_time() + timeout
        pause = _FIRST_PAUSE
        while True:
            details = await self._source().find(self.id)
            if details is None:
                raise ResultNotKept(
                    f"task {self.id} is not in the store: it ended and was not kept (keep_result), or never existed"
                )
            if details.state in _ENDED:
                return self._outcome(details)
            if deadline is not None:
                left = deadline - anyio.current_time()
                if left <= 0:
                    raise ResultNotReady(f"task {self.id} is {details.state} after {timeout:g} seconds of waiting")
                pause = min(pause, left)
            await anyio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def status(self) -> TaskState:
        """Where the task is.

        Raises:
            UnknownTask: it is not in the store.
        """
        return (await self.record()).state

    async def record(self) -> TaskDetails:
        """All that is known of the task, with its options read out flat.

        Raises:
            UnknownTask: it is not in the store.
        """
        details = await self._source().find(self.id)
        if details is None:
            raise UnknownTask(
                f"task {self.id} is not in the store: it ended and was not kept (keep_result), or never existed"
            )
        return details

    async def cancel(self) -> CancelOutcome:
        """Cancel the task: at once while it waits; a running one is asked to stop by its worker's next heartbeat."""
        return await self._source().cancel(self.id)

    def _source(self) -> TaskLookup:
        if self._lookup is None:
            self._lookup = cast("TaskLookup", current_dispatcher())
        return self._lookup

    def _outcome(self, details: TaskDetails) -> ResultT:
        if details.state is TaskState.DEAD:
            raise task_failed(details)
        if details.state is TaskState.CANCELLED:
            raise TaskCancelled(f"task {self.id} was cancelled: {details.reason or 'no reason given'}")
        if details.result is None:
            raise ResultNotKept(f"task {self.id} is completed; its result was not kept (keep_result=0)")
        return self._source().decode_result(details, self._definition)


def task_failed(details: TaskDetails) -> TaskFailed:
    """The error that tells of a dead letter."""
    last = details.failures[-1] if details.failures else None
    if last is None or details.reason == "expired":
        return TaskFailed(
            f"task {details.id} ({details.name}) is dead: {details.reason}", type_name=details.reason or ""
        )
    return TaskFailed(
        f"task {details.id} ({details.name}) failed after {details.attempts} attempts: {last.type}: {last.message}",
        type_name=last.type,
        traceback=last.traceback,
    )
