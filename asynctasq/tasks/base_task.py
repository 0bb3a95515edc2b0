"""The base of every task class."""

from collections.abc import Awaitable
from dataclasses import field
from datetime import datetime
from typing import Any, ClassVar, Self, dataclass_transform

from asynctasq.errors import DefinitionError
from asynctasq.tasks.class_definition import define_class
from asynctasq.tasks.invocation import Invocation, ResultT
from asynctasq.tasks.reserved_names import check_parameter_names
from asynctasq.tasks.task_call import TaskCall
from asynctasq.tasks.task_definition import TaskDefinition, TaskKind
from asynctasq.tasks.task_options import TaskConfig


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
class BaseTask(Invocation[ResultT]):
    """A task, written as a class. An instance is one call of it: it can be dispatched, and the worker runs such a one.

    Derive from one of the four kinds (`AsyncTask`, `SyncTask`, `AsyncProcessTask`, `SyncProcessTask`). A direct
    subclass runs on the event loop if its `execute` is a coroutine function, and else in a thread.

    The parameters are those of `__init__`; without one, the annotated fields, by keyword; without those, any keyword
    arguments, which become attributes. What travels is what the caller passed, not what `__init__` made of it.
    """

    config: TaskConfig = TaskConfig()
    """The options of this task. A subclass that sets it replaces it as a whole."""

    __task_kind__: ClassVar[TaskKind | None] = None
    __task_base__: ClassVar[bool] = True
    """True in the classes of this package, which are no tasks themselves."""
    __task_definition__: ClassVar[TaskDefinition | None] = None

    _task_id: str | None = None
    _current_attempt: int = 0
    _worker_id: str | None = None
    _queue: str | None = None
    _correlation_id: str | None = None
    _dispatched_at: datetime | None = None

    def __init_subclass__(cls, *, kind: TaskKind | None = None, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.__task_base__ = kind is not None
        cls.__task_definition__ = None
        if kind is not None:
            cls.__task_kind__ = kind
        else:
            cls.__task_definition__ = define_class(cls, kind=cls.__task_kind__, config=cls.config)

    def __new__(cls, *positional: Any, **by_name: Any) -> Self:
        definition = cls.__task_definition__
        if definition is None:
            raise DefinitionError(
                f"{cls.__qualname__} has no execute(), so that there is nothing to run; define it, or dispatch a "
                "subclass that has it"
            )
        task = super().__new__(cls)
        task.__task_call__ = TaskCall(definition, definition.parameters.bind(positional, by_name))
        return task

    def __init__(self, **attributes: Any) -> None:
        if attributes:
            check_parameter_names(type(self).__qualname__, attributes, for_class=True)
            vars(self).update(attributes)

    @property
    def current_attempt(self) -> int:
        """1 on the first run; 0 when it does not run."""
        return self._current_attempt

    def execute(self) -> Any:
        """The task's body."""
        raise DefinitionError(f"{type(self).__qualname__} has no execute()")

    def failed(self, exception: Exception) -> Awaitable[None] | None:
        """Called once, when the task has become a dead letter. It may be a coroutine function. By default nothing."""

    def should_retry(self, exception: Exception) -> bool:
        """False: this exception makes the attempt the last one. By default True."""
        return True
