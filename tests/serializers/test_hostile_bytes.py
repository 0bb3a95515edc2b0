"""Stored bytes that nobody honest wrote."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import Ext, encode

from asynctasq.contract.serializer import Serializer
from asynctasq.errors import DeserializationError
from asynctasq.serializers.json_serializer import JsonSerializer
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer

DEEP = 100_000


class Arguments(msgspec.Struct, forbid_unknown_fields=True):
    a: list[Any]


@pytest.mark.parametrize("wanted", [Any, list[Any], dict[str, Any], Arguments], ids=str)
@pytest.mark.parametrize(
    "body",
    [b"\x91" * DEEP + b"\x01", b"\x81\xa1a" * DEEP + b"\x01", b"\x81\xa1a" + b"\x91" * DEEP + b"\x01"],
    ids=["lists", "maps", "argument"],
)
def test_deep_msgpack_ends_in_a_clean_error(wanted: Any, body: bytes) -> None:
    """A hundred thousand levels neither crash nor hang the worker."""
    with pytest.raises(DeserializationError):
        MsgpackSerializer().decoder(wanted)(body)


@pytest.mark.parametrize("wanted", [Any, list[Any], Arguments], ids=str)
@pytest.mark.parametrize("inner", [b"1", b'{"$asynctasq":["set",[1]]}'])
def test_deep_json_ends_in_a_clean_error(wanted: Any, inner: bytes) -> None:
    """A hundred thousand levels neither crash nor hang the worker, with envelopes or without."""
    body = b"[" * DEEP + inner + b"]" * DEEP
    with pytest.raises(DeserializationError):
        JsonSerializer().decoder(wanted)(body)


def test_deep_extensions_end_in_a_clean_error() -> None:
    """Extensions within extensions are decoded one inside the other, and bounded all the same."""
    body = encode(1)
    for _ in range(2_000):
        body = encode(Ext(0, b"\x91" + body))
    with pytest.raises(DeserializationError):
        MsgpackSerializer().decoder(Any)(body)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xc1", b"\x81", encode(Ext(99, b"")), encode(Ext(-5, b"x")), encode(Ext(1, b"")),
        encode(Ext(1, encode([[1]]))), encode(Ext(3, encode([1]))), encode(Ext(3, encode([[[], 1]]))),
        encode(Ext(7, encode("not a date"))), encode(Ext(10, encode([10**18, 0, 0]))), encode(Ext(11, encode("x"))),
        encode(Ext(12, encode(5))), encode(Ext(6, encode("0" * 9 + "x"))), encode(Ext(14, encode(["nobody", 1]))),
        encode(Ext(14, encode("x"))), encode(Ext(14, encode([[], 1]))),
    ],
    ids=repr,
)  # fmt: skip
def test_malformed_msgpack_is_a_clean_error(body: bytes) -> None:
    """Whatever stands in a payload, decoding it raises one kind of error."""
    with pytest.raises(DeserializationError):
        MsgpackSerializer().decoder(Any)(body)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nul", b'{"$asynctasq": 1}', b'{"$asynctasq": ["set"]}', b'{"$asynctasq": ["set", [[1]]]}',
        b'{"$asynctasq": ["os.system", "x"]}', b'{"$asynctasq": ["set", []], "more": 1}', b'{"$asynctasq": [[], []]}',
        b'{"$asynctasq": ["extension", ["builtins.eval", "1"]]}', b'{"$asynctasq": ["bytes", "\xc3\xa9"]}',
        b'{"$asynctasq": ["float", "1e5"]}', b'"\xff"',
    ],
    ids=repr,
)  # fmt: skip
def test_malformed_json_is_a_clean_error(body: bytes) -> None:
    """Whatever stands in a payload, decoding it raises one kind of error."""
    with pytest.raises(DeserializationError):
        JsonSerializer().decoder(Any)(body)


@pytest.mark.parametrize("serializer", [MsgpackSerializer(), JsonSerializer()], ids=lambda s: s.content_type)
@given(body=st.binary(max_size=60))
def test_random_bytes_never_raise_anything_else(serializer: Serializer, body: bytes) -> None:
    """Fuzzing: a value of the wanted type or a DeserializationError, nothing else."""
    for wanted, kind in ((Any, object), (Arguments, Arguments), (set[int], set)):
        try:
            value = serializer.decoder(wanted)(body)
        except DeserializationError:
            continue
        assert isinstance(value, kind)


def test_what_does_not_fit_says_where() -> None:
    """The error of a wrong argument names the parameter and what was wanted."""
    serializer = MsgpackSerializer()
    with pytest.raises(DeserializationError, match=r"Expected `array`, got `int` - at `\$.a`"):
        serializer.decoder(Arguments)(serializer.encode({"a": 1}))
    with pytest.raises(DeserializationError, match="unknown field `b`"):
        serializer.decoder(Arguments)(serializer.encode({"a": [], "b": 1}))
