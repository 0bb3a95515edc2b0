"""Tasks written as functions: `@task`."""

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

from asynctasq.errors import DefinitionError
from asynctasq.tasks.base_task import BaseTask
from asynctasq.tasks.current_task import CurrentTask
from asynctasq.tasks.invocation import ResultT
from asynctasq.tasks.parameters import Arguments, Parameters, resolve_hints
from asynctasq.tasks.reserved_names import check_parameter_names
from asynctasq.tasks.task_call import TaskCall
from asynctasq.tasks.task_definition import MakeInstance, TaskDefinition, TaskInstance, TaskKind, enter_attempt
from asynctasq.tasks.task_naming import source_place, task_name
from asynctasq.tasks.task_options import OPTION_NAMES, TaskConfig, parse_options, unknown_option
from asynctasq.tasks.task_registry import default_registry

P = ParamSpec("P")
R = TypeVar("R")


class FunctionTaskConfig(TaskConfig, total=False):
    """The options of `@task`."""

    process: bool
    """True: it runs in a child process."""


class FunctionTask(BaseTask[ResultT], kind=TaskKind.ASYNC):
    """One call of a function that is a task. Made by calling the decorated function."""

    function: Callable[..., Any]
    arguments: Arguments

    def execute(self) -> Any:
        """Call the function; of an async one this gives the coroutine."""
        return self.function(*self.arguments.positional, **self.arguments.by_name)


class TaskFunction(Generic[P, R]):
    """A function that was made a task. Calling it does not run it: it builds an invocation, to be dispatched."""

    def __init__(self, function: Callable[P, Any], definition: TaskDefinition) -> None:
        functools.update_wrapper(self, function)
        self.definition = definition
        self._function = function

    def __call__(self, *positional: P.args, **by_name: P.kwargs) -> FunctionTask[R]:
        """An invocation of the task with these arguments."""
        task: FunctionTask[R] = _new_task(FunctionTask)
        definition = self.definition
        task.__task_call__ = TaskCall(definition, definition.parameters.bind(positional, by_name))
        return task

    def __repr__(self) -> str:
        return f"<task {self.definition.name}>"

    @property
    def name(self) -> str:
        """The task's name in the store."""
        return self.definition.name


class AsyncTaskFunction(TaskFunction[P, R]):
    """A coroutine function that was made a task."""

    @property
    def call(self) -> Callable[P, Coroutine[Any, Any, R]]:
        """The function itself, for its own unit tests."""
        return self._function


class SyncTaskFunction(TaskFunction[P, R]):
    """A function that was made a task."""

    @property
    def call(self) -> Callable[P, R]:
        """The function itself, for its own unit tests."""
        return self._function


class TaskDecorator(Protocol):
    """What `@task(...)` with options gives."""

    @overload
    def __call__(  # pyright: ignore[reportOverlappingOverload] - a coroutine function is the narrower of the two
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTaskFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> SyncTaskFunction[P, R]: ...


@overload
def task(  # pyright: ignore[reportOverlappingOverload] - a coroutine function is the narrower of the two
    function: Callable[P, Coroutine[Any, Any, R]], /
) -> AsyncTaskFunction[P, R]: ...
@overload
def task(function: Callable[P, R], /) -> SyncTaskFunction[P, R]: ...
@overload
def task(**options: Unpack[FunctionTaskConfig]) -> TaskDecorator: ...
def task(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a task: `@task`, or `@task(queue="emails", max_attempts=5)`.

    An `async def` runs on the event loop, a `def` in a thread; with `process=True` in a child process. The options are
    those of `TaskConfig`.

    Raises:
        UnknownOption: an option that does not exist.
        ReservedParameterName: a parameter has a name that asynctasq needs.
        DefinitionError: an option's value is not allowed, or two tasks have one name.
    """

    def decorate(function: Callable[..., Any]) -> TaskFunction[..., Any]:
        return _make_task(function, options)

    return decorate if function is None else decorate(function)


def _make_task(function: Callable[..., Any], options: Mapping[str, object]) -> TaskFunction[..., Any]:
    if not inspect.isroutine(function):
        raise DefinitionError(f"@task stands on {function!r}; wanted a function, at the top of a module")
    owner = function.__qualname__
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(f"{owner} is a generator; a task returns its result")
    declared = dict(options)
    process = declared.pop("process", False)
    if not isinstance(process, bool):
        raise DefinitionError(f"{owner}: process is {process!r}; wanted True or False")
    for name in declared:
        if name not in OPTION_NAMES:
            raise unknown_option(owner, name, (*OPTION_NAMES, "process"))
    is_async = inspect.iscoroutinefunction(function)
    signature = inspect.signature(function)
    check_parameter_names(owner, signature.parameters, for_class=False)
    written = inspect.unwrap(function)
    definition = TaskDefinition(
        name=cast("str | None", declared.get("name")) or task_name(function),
        kind=_KINDS[is_async, process],
        options=parse_options(owner, declared),
        parameters=Parameters(owner, signature, lambda: _hints(written)),
        place=source_place(function, written),
        result_type=lambda: _hints(written).get("return", Any),
        make_instance=_instance_maker(function),
    )
    default_registry.register(definition)
    return (AsyncTaskFunction if is_async else SyncTaskFunction)(function, definition)


_KINDS = {
    (True, False): TaskKind.ASYNC,
    (False, False): TaskKind.THREAD,
    (True, True): TaskKind.ASYNC_PROCESS,
    (False, True): TaskKind.PROCESS,
}


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return resolve_hints(inspect.get_annotations(function), function.__globals__)


_new_task: Callable[[type[FunctionTask[Any]]], FunctionTask[Any]] = object.__new__


def _instance_maker(function: Callable[..., Any]) -> MakeInstance:
    def make(arguments: Arguments, current: CurrentTask) -> TaskInstance:
        instance = _new_task(FunctionTask)
        instance.function = function
        instance.arguments = arguments
        enter_attempt(instance, current)
        return instance

    return make
