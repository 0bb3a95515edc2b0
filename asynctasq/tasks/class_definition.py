"""What a task class means, read from the class statement that just ended."""

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, get_args

from asynctasq.errors import DefinitionError
from asynctasq.tasks.current_task import CurrentTask
from asynctasq.tasks.parameters import Arguments, Parameters, resolve_hints
from asynctasq.tasks.reserved_names import check_parameter_names
from asynctasq.tasks.task_definition import MakeInstance, TaskDefinition, TaskInstance, TaskKind, enter_attempt
from asynctasq.tasks.task_fields import field_initializer, field_signature, task_fields
from asynctasq.tasks.task_naming import source_place, task_name
from asynctasq.tasks.task_options import parse_options
from asynctasq.tasks.task_registry import default_registry

_ANY_KEYWORDS = inspect.Parameter("attributes", inspect.Parameter.VAR_KEYWORD)


def define_class(cls: type, *, kind: TaskKind | None, config: object) -> TaskDefinition | None:
    """Check a class and, if it can run, register it. None: it has no `execute`.

    A class whose annotated fields are its parameters is given the `__init__` that sets them.

    Raises:
        DefinitionError: what it says can never run (reserved names and unknown options included).
    """
    owner = cls.__qualname__
    if not isinstance(config, Mapping):
        raise DefinitionError(f"{owner}.config is {config!r}; wanted a dict, such as {{'queue': 'payments'}}")
    options = parse_options(owner, cast("Mapping[str, object]", config))
    parameters = _parameters(cls)
    execute = _execute_of(cls)
    if execute is None:
        return None
    if inspect.iscoroutinefunction(inspect.unwrap(cast("Any", cls).should_retry)):
        raise DefinitionError(
            f"{owner}.should_retry is written with `async def`; wanted `def`: it answers at once, by the exception"
        )
    own_config: Mapping[str, Any] = cls.__dict__.get("config", {})
    definition = TaskDefinition(
        name=own_config.get("name") or task_name(cls),
        kind=_kind(owner, kind, execute),
        options=options,
        parameters=parameters,
        place=source_place(cls, execute),
        result_type=lambda: _result_type(cls, execute),
        make_instance=_instance_maker(cls),
    )
    default_registry.register(definition)
    return definition


def _instance_maker(cls: Callable[..., Any]) -> MakeInstance:
    def make(arguments: Arguments, current: CurrentTask) -> TaskInstance:
        task = cls(*arguments.positional, **arguments.by_name)
        enter_attempt(task, current)
        return task

    return make


def _execute_of(cls: type) -> Callable[..., Any] | None:
    """The function that was written as `execute`, or None for the one that stands in a base of ours."""
    written_in = next(base for base in cls.__mro__ if "execute" in base.__dict__)
    return None if _is_ours(written_in) else inspect.unwrap(written_in.__dict__["execute"])


def _is_ours(cls: type) -> bool:
    return cls.__dict__.get("__task_base__", False)


def _kind(owner: str, kind: TaskKind | None, execute: Callable[..., Any]) -> TaskKind:
    is_async = inspect.iscoroutinefunction(execute)
    if kind is None:
        return TaskKind.ASYNC if is_async else TaskKind.THREAD
    if is_async != (kind in (TaskKind.ASYNC, TaskKind.ASYNC_PROCESS)):
        found, wanted = ("async def", "def") if is_async else ("def", "async def")
        raise DefinitionError(f"{owner}.execute is written with `{found}`; this kind of task wants `{wanted}`")
    return kind


def _parameters(cls: Any) -> Parameters:
    """The parameters of a class, and, where its fields are the parameters, the `__init__` that sets them."""
    tasks = [base for base in reversed(cls.__mro__) if "__task_base__" in base.__dict__ and not _is_ours(base)]
    constructor: Any = cls.__init__
    written_by_user = not any(constructor is base.__dict__.get("__init__") for base in cls.__mro__ if _is_ours(base))
    if written_by_user and not hasattr(constructor, "__sets_task_fields__"):
        return _constructor_parameters(cls, constructor)
    fields = task_fields(tasks)
    check_parameter_names(cls.__qualname__, [field.name for field in fields], for_class=True)
    if not fields:
        return Parameters(cls.__qualname__, inspect.Signature([_ANY_KEYWORDS]), dict)
    signature = field_signature(fields)
    initializer: Any = field_initializer(fields, signature)
    initializer.__sets_task_fields__ = True
    cls.__init__ = initializer
    return Parameters(cls.__qualname__, signature, lambda: _field_hints(tasks))


def _constructor_parameters(cls: type, constructor: Any) -> Parameters:
    signature = inspect.signature(constructor)
    signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    check_parameter_names(cls.__qualname__, signature.parameters, for_class=True)
    function = inspect.unwrap(constructor)
    return Parameters(
        cls.__qualname__, signature, lambda: resolve_hints(inspect.get_annotations(function), function.__globals__)
    )


def _field_hints(classes: list[type]) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for base in classes:
        hints.update(resolve_hints(inspect.get_annotations(base), _namespace(base)))
    return hints


def _namespace(cls: type) -> Mapping[str, Any]:
    return vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}


def _result_type(cls: type, execute: Any) -> Any:
    """The annotation of `execute`; without one, the parameter of the base class; without that, Any."""
    annotations = inspect.get_annotations(execute)
    if "return" in annotations:
        return resolve_hints({"return": annotations["return"]}, execute.__globals__)["return"]
    for base in cls.__mro__:
        for written in base.__dict__.get("__orig_bases__", ()):
            arguments = get_args(written)
            if len(arguments) == 1 and not isinstance(arguments[0], TypeVar):
                return resolve_hints({"return": arguments[0]}, _namespace(base))["return"]
    return Any
