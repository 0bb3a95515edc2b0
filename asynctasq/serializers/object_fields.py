"""The fields of objects that msgspec can build again from a dict or a list: structs, dataclasses, attrs, pydantic."""

import dataclasses
from collections.abc import Callable
from typing import Any, cast, get_origin

from msgspec import UNSET, Struct

GetFields = Callable[[Any], Any]
"""Makes a dict (for an array-like struct: a list) of an object's fields."""


_PLAIN = frozenset({str, bytes, int, float, list, dict})


def fields_of(kind: type[Any]) -> GetFields | None:
    """How to take an object of this type apart, or None."""
    if issubclass(kind, Struct):
        return _struct_fields(kind)
    if dataclasses.is_dataclass(kind):
        return _named(tuple(field.name for field in dataclasses.fields(kind)))
    attrs_fields: Any = getattr(kind, "__attrs_attrs__", None)
    if attrs_fields is not None:
        return _named(tuple(field.name for field in attrs_fields))
    if hasattr(kind, "model_dump") and hasattr(kind, "model_validate"):
        return lambda value: value.model_dump(by_alias=True, round_trip=True)
    return None


def build_model(kind: Any, value: Any) -> Any:
    """For msgspec: an instance of a type that it does not know.

    Raises:
        ValueError: there is no way from the value to this type.
    """
    wanted = get_origin(kind) or kind
    if isinstance(value, wanted):
        return value
    if isinstance(wanted, type) and type(value) in _PLAIN and issubclass(wanted, type(value)):
        return wanted(value)  # a subtype of a plain type, which lost its own type on the way
    validate = getattr(kind, "model_validate", None)
    if validate is None:
        raise ValueError(f"Expected `{getattr(kind, '__qualname__', kind)}`, got `{type(value).__name__}`")
    return validate(value)


def _struct_fields(kind: type[Struct]) -> GetFields:
    config = kind.__struct_config__
    names = kind.__struct_fields__
    tag: Any = config.tag
    if config.array_like:
        head = [] if tag is None else [tag]
        return lambda value: [*head, *(getattr(value, name) for name in names)]
    wire_names = tuple(zip(names, kind.__struct_encode_fields__, strict=True))
    tagged: dict[str, Any] = {} if tag is None else {cast("str", config.tag_field): tag}

    def fields(value: Any) -> dict[str, Any]:
        found = {wire: getattr(value, name) for name, wire in wire_names}
        return {**tagged, **{wire: item for wire, item in found.items() if item is not UNSET}}

    return fields


def _named(names: tuple[str, ...]) -> GetFields:
    return lambda value: {name: getattr(value, name) for name in names if hasattr(value, name)}
