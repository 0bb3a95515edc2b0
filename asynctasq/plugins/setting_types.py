"""What a setting's type says: how text becomes a value, and what is allowed, in words."""

import math
from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta

_COLLECTIONS = (tuple, list, set, frozenset)
_SPOKEN_BOOLS = {"yes": True, "on": True, "no": False, "off": False}


def convert_setting(value: Any, annotation: Any) -> Any:
    """`value` as the annotated type; text is read as that type, and collections are split at commas.

    Raises:
        ValueError: the value does not fit. The message is msgspec's and may show the value; `wanted` says it better.
    """
    if isinstance(value, Enum) and not accepts(annotation, Enum):
        value = value.value
    if isinstance(value, str):
        value = _read_text(value, annotation)
    if isinstance(value, bool) and not accepts(annotation, bool) and not accepts(annotation, object):
        raise ValueError("a truth value is not a number")
    converted = msgspec.convert(value, annotation, strict=False)
    if isinstance(converted, float) and not math.isfinite(converted):
        raise ValueError("not a finite number")
    return converted


def _read_text(text: str, annotation: Any) -> Any:
    if accepts(annotation, str):
        return text
    word = text.strip().lower()
    if word in _SPOKEN_BOOLS and accepts(annotation, bool):
        return _SPOKEN_BOOLS[word]
    if word in ("none", "null") and accepts(annotation, NoneType):
        return None
    if any(accepts(annotation, collection) for collection in _COLLECTIONS):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text.strip()


def accepts(annotation: Any, wanted: type) -> bool:
    """Whether a value of exactly the type `wanted` may fit the annotation."""
    return any(_accepts_plain(plain, wanted) for plain in _alternatives(annotation))


def _accepts_plain(plain: Any, wanted: type) -> bool:
    if plain is Any or plain is object:
        return True
    if get_origin(plain) is Literal:
        return wanted in {type(choice) for choice in get_args(plain)}
    base = get_origin(plain) or plain
    return isinstance(base, type) and (base is wanted or (wanted is Enum and issubclass(base, Enum)))


def _alternatives(annotation: Any) -> list[Any]:
    """The members of a union, each without its `Annotated`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [plain for member in get_args(annotation) for plain in _alternatives(member)]
    return [annotation]


def choices(annotation: Any) -> tuple[str, ...]:
    """The words that a setting is limited to; empty if it is not."""
    found: list[str] = []
    for plain in _alternatives(annotation):
        if get_origin(plain) is Literal:
            found += [str(choice) for choice in get_args(plain)]
        elif isinstance(plain, type) and issubclass(plain, Enum):
            found += [str(member.value) for member in plain]
    return tuple(found)


def wanted(annotation: Any) -> str:
    """What fits the annotation, in words: `a whole number from 0 to 15`."""
    bounds = _bounds(annotation)
    words = [_wanted_plain(plain, bounds) for plain in _alternatives(annotation) if plain is not NoneType]
    return " or ".join(dict.fromkeys(words)) or "nothing"


def _wanted_plain(plain: Any, bounds: Mapping[str, Any]) -> str:
    if limited := choices(plain):
        return f"one of {', '.join(limited)}"
    base = get_origin(plain) or plain
    if base is bool:
        return "true or false"
    if base in (int, float):
        return ("a whole number" if base is int else "a number") + _range(bounds)
    if base is str:
        pattern = bounds.get("pattern")
        return bounds.get("description") or ("text" if pattern is None else f"text that matches {pattern}")
    if base in _COLLECTIONS:
        members = [argument for argument in get_args(plain) if argument is not Ellipsis]
        return f"a list with commas, each {wanted(members[0])}" if members else "a list with commas"
    if base in (dict, Mapping):
        return "a mapping"
    return str(getattr(base, "__name__", base))


def _bounds(annotation: Any) -> dict[str, Any]:
    """Every bound that a `Meta` anywhere in the annotation (but not inside a collection) sets."""
    found: dict[str, Any] = {}
    if get_origin(annotation) is Annotated:
        for meta in get_args(annotation)[1:]:
            if isinstance(meta, Meta):
                names = ("ge", "gt", "le", "lt", "pattern", "description")
                found.update({name: getattr(meta, name) for name in names if getattr(meta, name) is not None})
        found = {**_bounds(get_args(annotation)[0]), **found}
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            found.update(_bounds(member))
    return found


def _range(bounds: Mapping[str, Any]) -> str:
    low, above, high, below = (bounds.get(name) for name in ("ge", "gt", "le", "lt"))
    if low is not None and high is not None:
        return f" from {low} to {high}"
    words = [
        f"{word} {bound}"
        for word, bound in (("of at least", low), ("above", above), ("of at most", high), ("below", below))
        if bound is not None
    ]
    return " " + " and ".join(words) if words else ""
