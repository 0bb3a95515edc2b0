"""Where in a value an encoding failed. Only looked for once it has."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from asynctasq.serializers.object_fields import fields_of

_DEEPEST = 20


def place_of_error(value: Any, encode: Callable[[Any], Any]) -> str:
    """The path to the innermost part that can't be encoded, such as `$.order.lines[3]`."""
    path = "$"
    for _ in range(_DEEPEST):
        for step, part in _parts(value):
            if not _can(encode, part):
                path, value = path + step, part
                break
        else:
            break
    return path


def _can(encode: Callable[[Any], Any], part: Any) -> bool:
    try:
        encode(part)
    except Exception:  # whatever it is, the caller has the error already
        return False
    return True


def _parts(value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in cast("dict[object, Any]", value).items():
            yield (f".{key}" if isinstance(key, str) else f"[{key!r:.40}]"), part
    elif isinstance(value, list | tuple | set | frozenset):
        for index, part in enumerate(cast("Iterable[Any]", value)):
            yield f"[{index}]", part
    else:
        get_fields = fields_of(cast("type[Any]", type(value)))
        if get_fields is not None:
            yield from _parts(get_fields(value))
