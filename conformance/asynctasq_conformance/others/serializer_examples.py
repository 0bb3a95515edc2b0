"""What a serializer promises: values to bytes and back, typed, and nothing executed on the way."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from asynctasq.driver_api import DeserializationError, SerializationError, Serializer
from asynctasq_conformance.subject import raises

PLAIN: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**53,
    -(2**63),
    2**63 - 1,
    0.0,
    -0.5,
    1e308,
    "",
    "text",
    "naïve ☃ 𝄞 \x00 \\ \" '",
    b"",
    b"\x00\xff\xfe",
    bytes(range(256)),
    [],
    [1, "two", None, [3.5, [b"four"]]],
    {},
    {"key": {"inner": [1, 2, {"deep": None}]}, "": 0, "ключ": b"\x80"},
)
RICH: tuple[Any, ...] = (
    datetime(2026, 11, 24, 12, 30, 15, 123456, tzinfo=UTC),
    date(2026, 2, 28),
    timedelta(days=3, microseconds=7),
    Decimal("12345678901234567890.123456789"),
    UUID("12345678-1234-5678-1234-567812345678"),
    (1, "two"),
    {1, 2, 3},
    frozenset({"a"}),
    2**80,
)
MARKERS = ("__type__", "__class__", "$type", "type", "tag", "__tag__", "!!python/object", "py/object", "_t", "__ext__")
"""Keys that some serializer or other takes for its own."""


def test_the_content_type_is_short_ascii(serializer: Serializer) -> None:
    """`content_type`: 1 to 40 ASCII characters."""
    assert isinstance(serializer.content_type, str)
    assert 1 <= len(serializer.content_type) <= 40
    assert serializer.content_type.isascii()
    assert serializer.content_type.isprintable()


def test_plain_values_come_back(serializer: Serializer) -> None:
    """Plain values come back equal, and of the same type, whether their type is asked for or not."""
    for value in PLAIN:
        encoded = serializer.encode(value)
        assert type(encoded) is bytes, f"{value!r} was encoded as {type(encoded).__name__}"
        own_type: Any = type(cast(object, value))
        for wanted in (Any, own_type):
            decoded = serializer.decoder(wanted)(encoded)
            assert decoded == value, f"{value!r} came back as {decoded!r}"
            assert type(decoded) is type(value), f"{value!r} came back as a {type(decoded).__name__}"


def test_rich_values_come_back_or_are_refused(serializer: Serializer) -> None:
    """A value that is encoded comes back equal when its type is asked for; what has no encoding is refused at once."""
    for value in RICH:
        try:
            encoded = serializer.encode(value)
        except SerializationError:
            continue
        try:
            decoded = serializer.decoder(type(value))(encoded)
        except DeserializationError as error:
            raise AssertionError(f"{value!r} was encoded, but cannot be decoded: {error}") from error
        assert decoded == value, f"{value!r} came back as {decoded!r}"
        assert type(decoded) is type(value), f"{value!r} came back as a {type(decoded).__name__}"


def test_not_a_number_is_kept_or_refused(serializer: Serializer) -> None:
    """Infinity and NaN come back as they are, or are refused; they never become something else."""
    for value in (math.inf, -math.inf, math.nan):
        try:
            decoded = serializer.decoder(float)(serializer.encode(value))
        except (SerializationError, DeserializationError):
            continue
        assert repr(decoded) == repr(value), f"{value!r} came back as {decoded!r}"


def test_look_alike_markers_are_data(serializer: Serializer) -> None:
    """Data that looks like a marker of a type is data, and comes back as it was."""
    for marker in MARKERS:
        for inner in ("datetime", "os.system", "builtins.eval", {"value": "2026-01-01"}, ["echo"]):
            value = {marker: inner, "value": "2026-11-24T00:00:00+00:00", "args": ["true"], "data": [1]}
            assert serializer.decoder(Any)(serializer.encode(value)) == value
            assert serializer.decoder(Any)(serializer.encode([value, {marker: value}])) == [value, {marker: value}]


def test_what_has_no_encoding_is_refused_with_its_place(serializer: Serializer) -> None:
    """`SerializationError`: the value, or something inside it, has no encoding; the message says where."""
    for value in (object(), lambda: None, sys.stdout, sys):
        with raises(SerializationError):
            serializer.encode(value)
    with raises(SerializationError, names="needle"):
        serializer.encode({"fine": 1, "needle": [1, object()]})


def test_a_value_that_holds_itself_is_refused(serializer: Serializer) -> None:
    """A value without an end has no encoding."""
    endless: list[Any] = []
    endless.append(endless)
    with raises(SerializationError):
        serializer.encode(endless)


def test_what_does_not_fit_is_refused(serializer: Serializer) -> None:
    """`DeserializationError`: bytes that do not fit the wanted type."""
    misfits: list[tuple[Any, Any]] = [
        ("text", int),
        (1.5, int),
        ([1, "two"], list[int]),
        ({"a": "b"}, dict[str, int]),
        (None, str),
        (5, str),
        ([1], dict[str, Any]),
    ]
    for value, wanted in misfits:
        encoded = serializer.encode(value)
        with raises(DeserializationError):
            serializer.decoder(wanted)(encoded)


def test_malformed_bytes_are_refused(serializer: Serializer) -> None:
    """`DeserializationError`: malformed bytes. Whatever the bytes, no other error comes."""
    with raises(DeserializationError):
        serializer.decoder(Any)(b"")
    encoded = serializer.encode({"key": ["value", 1.5, b"bytes"]})
    for end in range(len(encoded)):
        _decodes_or_refuses(serializer, encoded[:end])
    for position in range(len(encoded)):
        for mask in (0x01, 0x80, 0xFF):
            broken = bytearray(encoded)
            broken[position] ^= mask
            _decodes_or_refuses(serializer, bytes(broken))
    for junk in (
        b"\xff" * 50,
        b"\xc1",
        b"\x00" * 9,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"nul",
        b"\xc7\xff\x01",
    ):
        _decodes_or_refuses(serializer, junk)


def test_deep_nesting_is_refused(serializer: Serializer) -> None:
    """`DeserializationError`: too deeply nested, a hundred thousand deep; no crash, and no other error."""
    for opening in (b"[", b'{"a":', b"\x91", b"\x81\xa1a", b"\xdc\x00\x01"):
        _decodes_or_refuses(serializer, opening * 100_000)
        _decodes_or_refuses(serializer, opening * 100_000 + b"\xc0" + b"]" * 100_000)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    try:
        encoded = serializer.encode(deep)
    except SerializationError:
        encoded = b""
    _decodes_or_refuses(serializer, encoded)
    while deep:  # taken apart by hand: its own destruction would be as deep
        deep = deep.pop()


def _decodes_or_refuses(serializer: Serializer, data: bytes) -> None:
    decode: Callable[[bytes], Any] = serializer.decoder(Any)
    try:
        decode(data)
    except DeserializationError:
        return
    except Exception as error:
        raise AssertionError(f"decoding {data[:40]!r} raised {error!r}; wanted DeserializationError") from error


def test_decoding_imports_nothing(serializer: Serializer) -> None:
    """Decoding never imports, constructs or calls by a name from the data."""
    serializer.decoder(Any)(serializer.encode(None))
    before = set(sys.modules)
    for name in ("antigravity.fly", "this.s", "turtledemo.clock.main"):
        for marker in MARKERS:
            _decodes_or_refuses(serializer, serializer.encode({marker: name, "data": name}))
            _decodes_or_refuses(serializer, f'{{"{marker}": "{name}", "value": null}}'.encode())
    imported = set(sys.modules) - before
    assert not imported, f"decoding imported {sorted(imported)}"


def test_a_decoder_is_made_once_and_used_often(serializer: Serializer) -> None:
    """A decoder is kept by its caller: each call begins anew, also after a failure."""
    decode = serializer.decoder(list[int])
    first = decode(serializer.encode([1]))
    with raises(DeserializationError):
        decode(serializer.encode("text"))
    assert decode(serializer.encode([2, 3])) == [2, 3]
    assert first == [1]


SERIALIZER_EXAMPLES: dict[str, Callable[[Serializer], None]] = {
    name: body for name, body in globals().items() if name.startswith("test_")
}
