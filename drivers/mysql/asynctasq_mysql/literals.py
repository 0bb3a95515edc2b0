"""Values become SQL, all of them here: numbers, hexadecimal bytes, and text that no mode or charset reads otherwise.

Nothing is escaped: what is not plain goes into the statement as `X'...'`. So neither `NO_BACKSLASH_ESCAPES` nor the
connection's charset matters, a client library that formats with `%` finds none, and bytes stay what they are.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

_is_plain = re.compile(r"[A-Za-z0-9 .,:;_/@+=()\[\]-]*").fullmatch


class Sql(Struct, frozen=True):
    """A piece of SQL that is put into a statement as it is."""

    text: str


Value = int | str | bytes | Sql | Sequence[int] | Sequence[str] | Sequence[bytes] | None


@lru_cache(maxsize=4096)
def text(value: str) -> str:
    """Text, as the bytes of its UTF-8: what it is compared with is binary or ASCII."""
    return f"'{value}'" if _is_plain(value) else f"X'{value.encode().hex()}'"


def optional_text(value: str | None) -> str:
    """Text or NULL."""
    return "NULL" if value is None else text(value)


def binary(value: bytes) -> str:
    """Any bytes; of a bytearray or memoryview, too, which other formatting would turn into their repr."""
    return f"X'{value.hex()}'" if value else "''"


def optional_binary(value: bytes | None) -> str:
    """Any bytes, or NULL."""
    return "NULL" if value is None else binary(value)


def literal(value: Value) -> str:
    """Any value. A sequence becomes a list in parentheses, which must not be empty."""
    if isinstance(value, Sql):
        return value.text
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bytes):
        return binary(value)
    if value is None:
        return "NULL"
    return "(" + ",".join(map(literal, value)) + ")"
