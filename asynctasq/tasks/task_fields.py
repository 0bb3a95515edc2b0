"""Task classes without `__init__`: their annotated fields are their parameters."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field
from inspect import Parameter
from typing import Any, ClassVar, cast, get_origin

from msgspec import Struct

from asynctasq.errors import DefinitionError

NOT_FIELDS = frozenset({"config"})


class _Default:
    """Stands for a field's default in a signature."""

    def __repr__(self) -> str:
        return "<default>"


_DEFAULT = _Default()
_MUTABLE = (list, dict, set, bytearray)


class TaskField(Struct, frozen=True):
    """One annotated field."""

    name: str
    annotation: Any
    make_default: Callable[[], Any] | None
    """None: the field is required."""


def task_fields(classes: Iterable[type]) -> list[TaskField]:
    """The fields of these classes, base first. A class that annotates a name again replaces the field.

    Raises:
        DefinitionError: a default is mutable, and would be shared between tasks.
    """
    fields: dict[str, TaskField] = {}
    for owner in classes:
        for name, annotation in inspect.get_annotations(owner).items():
            if name not in NOT_FIELDS and not _is_class_variable(annotation):
                fields[name] = TaskField(name, annotation, _default(owner, name))
    return list(fields.values())


def field_signature(fields: Iterable[TaskField]) -> inspect.Signature:
    """Every field as a keyword-only parameter."""
    return inspect.Signature(
        [
            Parameter(
                field.name,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if field.make_default is None else _DEFAULT,
                annotation=field.annotation,
            )
            for field in fields
        ]
    )


def field_initializer(fields: Iterable[TaskField], signature: inspect.Signature) -> Callable[..., None]:
    """An `__init__` that sets the fields, and calls `__post_init__` if the class has one."""
    names = signature.parameters.keys()
    defaults = [(field.name, field.make_default) for field in fields if field.make_default is not None]
    required = {field.name for field in fields if field.make_default is None}

    def __init__(self: Any, **given: Any) -> None:
        if not required <= given.keys() <= names:
            signature.bind(**given)
        values: dict[str, Any] = self.__dict__
        for name, make_default in defaults:
            if name not in given:
                values[name] = make_default()
        values.update(given)
        finish = getattr(self, "__post_init__", None)
        if finish is not None:
            finish()

    __init__.__dict__["__signature__"] = signature.replace(
        parameters=[Parameter("self", Parameter.POSITIONAL_ONLY), *signature.parameters.values()]
    )
    return __init__


def _default(owner: type, name: str) -> Callable[[], Any] | None:
    if name not in vars(owner):
        return None
    value: Any = vars(owner)[name]
    if isinstance(value, Field):
        return _field_default(cast("Field[Any]", value))
    if isinstance(value, _MUTABLE):
        kind = type(cast("object", value)).__name__
        raise DefinitionError(
            f"{owner.__qualname__}.{name} has a mutable default, which all its tasks would share; "
            f"wanted `field(default_factory={kind})` of dataclasses"
        )
    return lambda: value


def _field_default(declared: Field[Any]) -> Callable[[], Any] | None:
    if declared.default_factory is not MISSING:
        return declared.default_factory
    if declared.default is not MISSING:
        return lambda: declared.default
    return None


def _is_class_variable(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return annotation.removeprefix("typing.").startswith("ClassVar")
    return annotation is ClassVar or get_origin(annotation) is ClassVar
