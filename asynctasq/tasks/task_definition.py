"""What is known of a task once it is written: its name, kind, options and parameters, and how to run it."""

from collections.abc import Awaitable, Callable
from enum import Enum
from types import NoneType
from typing import Any, Protocol, runtime_checkable

from msgspec import UNSET

from asynctasq.contract.serializer import Serializer
from asynctasq.errors import DeserializationError
from asynctasq.tasks.current_task import CurrentTask
from asynctasq.tasks.parameters import Arguments, Parameters
from asynctasq.tasks.task_naming import SourcePlace
from asynctasq.tasks.task_options import TaskOptions

KEEP_RESULT = 300.0
"""Seconds that a result stays, for a task that returns one and does not say otherwise."""


class TaskKind(Enum):
    """Where a task runs."""

    ASYNC = "async"
    """On the event loop."""
    THREAD = "thread"
    """In a worker thread."""
    PROCESS = "process"
    """In a child process."""
    ASYNC_PROCESS = "async_process"
    """In a child process, on its warm event loop."""


@runtime_checkable
class LoadsValues(Protocol):
    """A serializer that can load what stored bytes refer to."""

    def loader(self, wanted: Any) -> Callable[[bytes], Awaitable[Any]]:
        """Like `Serializer.decoder`, and asynchronous."""
        ...


class TaskInstance(Protocol):
    """What the worker runs: a fresh one for every attempt."""

    _task_id: str | None
    _current_attempt: int
    _worker_id: str | None
    _queue: str | None
    _correlation_id: str | None

    def execute(self) -> Any:
        """The task's body; a coroutine for the two async kinds."""
        ...

    def failed(self, exception: Exception) -> Awaitable[None] | None:
        """Called once, after the last attempt."""
        ...

    def should_retry(self, exception: Exception) -> bool:
        """False: this exception makes the attempt the last one."""
        ...


MakeInstance = Callable[[Arguments, CurrentTask], TaskInstance]
"""Makes a fresh instance for one attempt."""


def enter_attempt(task: Any, current: CurrentTask) -> None:
    """Tell a fresh instance which attempt it is."""
    task._task_id = current.id
    task._current_attempt = current.attempt
    task._worker_id = current.worker_id
    task._queue = current.queue
    task._correlation_id = current.correlation_id
    task._dispatched_at = current.enqueued_at


class TaskDefinition:
    """One task, as it was written. Made when the function is decorated or the class statement ends."""

    def __init__(
        self,
        *,
        name: str,
        kind: TaskKind,
        options: TaskOptions,
        parameters: Parameters,
        place: SourcePlace,
        result_type: Callable[[], Any],
        make_instance: MakeInstance,
    ) -> None:
        """`result_type` gives the return annotation, or `inspect.Signature.empty` without one. It is called late."""
        self.name = name
        self.kind = kind
        self.options = options
        self.parameters = parameters
        self.place = place
        self._declared_result_type = result_type
        self._make_instance = make_instance
        self._result_type: Any = UNSET
        self._keep_result: float | None = None
        self._argument_decoders: dict[Serializer, Callable[[bytes], Any]] = {}
        self._result_decoders: dict[Serializer, Callable[[bytes], Any]] = {}

    def __repr__(self) -> str:
        return f"<TaskDefinition {self.name}, {self.kind.value}, from {self.place}>"

    @property
    def result_type(self) -> Any:
        """What the task returns; Any without an annotation."""
        if self._result_type is UNSET:
            self._result_type = self._declared_result_type()
        return self._result_type

    @property
    def keep_result(self) -> float:
        """Seconds that state and result stay after completion.

        As declared; else 300, and 0 for a task that is annotated to return None. A missing annotation is not None:
        such a task may well return something that its caller waits for.
        """
        if self._keep_result is None:
            declared = self.options.keep_result
            if declared is not UNSET:
                self._keep_result = declared
            else:
                self._keep_result = 0.0 if self.result_type in (None, NoneType) else KEEP_RESULT
        return self._keep_result

    @property
    def keeps_result(self) -> bool:
        """Whether a result is worth storing."""
        return self.keep_result > 0

    def decode_arguments(self, serializer: Serializer, body: bytes) -> Arguments:
        """The arguments of one attempt, each of the type that its parameter is annotated with.

        Raises:
            DeserializationError: they are malformed, or do not fit the parameters.
            NeedsLoading: they refer to values that `load_arguments` has to load.
        """
        decoder = self._argument_decoders.get(serializer)
        if decoder is None:
            decoder = serializer.decoder(self.parameters.arguments_type())
            self._argument_decoders[serializer] = decoder
        return self.parameters.arguments(decoder(body))

    async def load_arguments(self, serializer: Serializer, body: bytes) -> Arguments:
        """The arguments of a body of which `decode_arguments` raised `NeedsLoading`: what they refer to is loaded.

        Raises:
            DeserializationError: they do not fit, or what they refer to does not exist any more.
            Exception: what they refer to can't be loaded now.
        """
        if not isinstance(serializer, LoadsValues):
            raise DeserializationError(f"the serializer {serializer.content_type!r} can't load values")
        decoded = await serializer.loader(self.parameters.arguments_type())(body)
        return self.parameters.arguments(decoded)

    def new_instance(self, arguments: Arguments, current: CurrentTask) -> TaskInstance:
        """A fresh instance for one attempt. Whatever the class's own `__init__` raises comes through."""
        return self._make_instance(arguments, current)

    def encode_result(self, serializer: Serializer, value: object) -> bytes:
        """A result as it is stored.

        Raises:
            SerializationError: it can't be encoded.
        """
        return serializer.encode(value)

    def decode_result(self, serializer: Serializer, stored: bytes) -> Any:
        """A stored result, of the type that the task is annotated to return.

        Raises:
            DeserializationError: it is malformed, or does not fit.
        """
        decoder = self._result_decoders.get(serializer)
        if decoder is None:
            decoder = serializer.decoder(self.result_type)
            self._result_decoders[serializer] = decoder
        return decoder(stored)
