"""The built-in types that neither MessagePack nor JSON has: each travels under a tag, as a plainer value."""

import base64
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

TUPLE = "tuple"
SET = "set"
FROZENSET = "frozenset"
PAIRS = "dict"
"""A dict that can't travel as one, as a list of pairs: for keys that are no strings, or look like a marker."""
BYTES = "bytes"
FLOAT = "float"
INTEGER = "int"
EXTENSION = "extension"
"""A value of an application's or a plugin's own type, as `[tag, data]`."""

MakePlain = Callable[[Any], Any]

PLAIN_FORMS: dict[type, tuple[str, MakePlain]] = {
    datetime: ("datetime", datetime.isoformat),
    date: ("date", date.isoformat),
    time: ("time", time.isoformat),
    timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    Decimal: ("decimal", str),
    UUID: ("uuid", lambda value: value.hex),
    bytearray: ("bytearray", bytes),
}
"""Type -> its tag, and how to make a plainer value of it. A subtype travels as the first of these that it is."""

_REVIVERS: dict[str, Callable[[Any], Any]] = {
    TUPLE: tuple,
    SET: set,
    FROZENSET: frozenset,
    PAIRS: dict,
    BYTES: lambda plain: base64.b64decode(plain, validate=True),
    FLOAT: lambda plain: _special_float(plain),
    INTEGER: lambda plain: int(plain, 16),
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda plain: timedelta(*plain),
    "decimal": lambda plain: _decimal(plain),
    "uuid": lambda plain: UUID(hex=plain),
    "bytearray": bytearray,
}

TAGS = (*_REVIVERS, EXTENSION)
"""All tags. The place in this list is the MessagePack extension code: only ever append."""


def revive(tag: str, plain: Any) -> Any:
    """The value that travelled as `plain` under this tag.

    Raises:
        Exception: of any kind, for data that does not fit.
    """
    return _REVIVERS[tag](plain)


def special_float_text(value: float) -> str | None:
    """The text for a float that JSON has no number for, else None."""
    return None if math.isfinite(value) else str(value)


def _special_float(plain: Any) -> float:
    if plain not in ("nan", "inf", "-inf"):
        raise ValueError("no special float")
    return float(plain)


def _decimal(plain: Any) -> Decimal:
    if not isinstance(plain, str):
        raise TypeError("a decimal travels as text")
    return Decimal(plain)
