"""Hostile payloads, decoded in this process: a clean error, no import, no limit raised."""

import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynctasq.driver_api import Bury, Delivery, Receipt, Release, Retry
from asynctasq.errors import DeserializationError, SerializationError
from asynctasq.runtime.attempt import Attempt, AttemptPreparer
from asynctasq.runtime.frame import Headers, decode_frame, encode_frame, encode_headers
from asynctasq.runtime.held_deliveries import Held
from asynctasq.serializers.json_serializer import JsonSerializer
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer
from asynctasq.tasks.task_registry import default_registry
from tests.security import application
from tests.security.hostile import NAMING, NESTED, WRONG_HEADERS, arguments, frame

SERIALIZERS = {"msgpack": MsgpackSerializer(), "json": JsonSerializer()}


def prepare(payload: bytes, name: str = application.echo.name) -> Any:
    """What the worker makes of a payload: an attempt or a settlement."""
    delivery = Delivery(
        id="t", queue="default", name=name, payload=payload, correlation_id=None, priority=4, attempt=1,
        receipt=Receipt("r"), enqueued_at=datetime.now(UTC), lease=1.0,
    )  # fmt: skip
    return AttemptPreparer(default_registry, SERIALIZERS, "w").prepare(Held(delivery, 0.0))


@pytest.mark.parametrize("name", [application.echo.name, application.typed.name])
@pytest.mark.parametrize("payload", NESTED.values(), ids=NESTED)
def test_nested_payloads_end_in_a_clean_error(payload: bytes, name: str) -> None:
    """Nested a hundred thousand deep: undecodable, or, in an argument that nobody asked for, skipped."""
    limit = sys.getrecursionlimit()
    prepared = prepare(payload, name)
    assert isinstance(prepared, Bury)
    assert prepared.reason == "undecodable"
    assert sys.getrecursionlimit() == limit


@pytest.mark.parametrize("serializer", SERIALIZERS.values(), ids=SERIALIZERS)
def test_nested_arguments_are_not_sent(serializer: Any) -> None:
    """What could not be decoded elsewhere is refused where it is encoded; so is what contains itself."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    endless: list[Any] = []
    endless.append(endless)
    for wrong in (value, endless, {"a": endless}):
        with pytest.raises(SerializationError, match="nested"):
            serializer.encode(wrong)
    while value:
        value = value.pop()  # taken apart here, where no recursion is needed


@pytest.mark.parametrize("payload", WRONG_HEADERS.values(), ids=WRONG_HEADERS)
def test_wrong_headers_are_undecodable(payload: bytes) -> None:
    """Not a number, negative, of the wrong type: never a timer, a delay or a limit."""
    prepared = prepare(payload)
    assert isinstance(prepared, Bury)
    assert prepared.reason == "undecodable"


@pytest.mark.parametrize("payload", NAMING.values(), ids=NAMING)
def test_a_payload_never_causes_an_import(payload: bytes) -> None:
    """Modules that are named anywhere in a payload are not imported: no module at all is."""
    prepare(frame(arguments(value=1)))
    before = set(sys.modules)
    for name in (
        application.echo.name,
        application.typed.name,
        "this:zen",
        "antigravity",
        "os:system",
        "builtins.eval",
    ):
        prepare(payload, name)
    assert set(sys.modules) == before


MARKERS = [
    "$type", "__type__", "$tuple", "$set", "tuple", "set", "datetime", "extension", "py/object", "__class__", "$ref",
    "$", "$asynctasq", "asynctasq", "~", "@type", "__tag__", "_type", "data", "tag", "value", "model", "pk",
]  # fmt: skip
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(MARKERS) | st.text(max_size=4), inner, max_size=4)
        | st.tuples(st.sampled_from(MARKERS), inner).map(list)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("serializer", SERIALIZERS.values(), ids=SERIALIZERS)
@settings(deadline=None, max_examples=150)
@given(value=plain)
def test_look_alike_markers_stay_data(serializer: Any, value: Any) -> None:
    """Data that merely looks like an internal marker comes back as the data that it was, also twice encoded."""
    encoded = serializer.encode(value)
    assert serializer.decoder(object)(encoded) == value
    again = serializer.encode([encoded, serializer.decoder(object)(encoded)])
    assert serializer.decoder(object)(again) == [encoded, value]


@pytest.mark.parametrize("marker", [b'{"$set":[1]}', b'["$tuple",[1]]', b'{"__type__":"set","data":[1]}'])
def test_no_marker_calls_anything(marker: bytes) -> None:
    """Whatever a JSON body says, what comes out is plain data, of the types of the project's own list, or an error."""
    prepared = prepare(frame(b'{"value":' + marker + b"}", content_type="json"))
    value = prepared.arguments.by_name["value"] if isinstance(prepared, Attempt) else None
    assert type(value) in (dict, list, set, tuple, type(None))


GOOD = encode_frame(
    encode_headers(Headers(max_attempts=2, retry_delay=1.0, timeout=2.0, trace={"traceparent": "00-x"})),
    arguments(number=7, words=["a", "b"], nested={"x": [1, 2]}),
)


@st.composite
def mutilated(draw: st.DrawFn) -> bytes:
    """A real payload with bits flipped, bytes cut off, repeated or put in."""
    payload = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, max(0, len(payload) - 1)))
        match draw(st.integers(0, 3)):
            case 0 if payload:
                payload[place] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del payload[place:]
            case 2:
                payload[place:place] = draw(st.binary(max_size=20))
            case _:
                payload[place : place + 3] = payload[:place]
    return bytes(payload[:10_000])


@settings(deadline=None, max_examples=1500)
@given(payload=mutilated() | st.binary(max_size=300) | st.binary(max_size=60).map(lambda body: frame(body)))
def test_whatever_the_bytes_are(payload: bytes) -> None:
    """Any bytes become an attempt, or the settlement of a delivery that can't be run; nothing else comes out."""
    for name in (application.echo.name, application.typed.name):
        assert isinstance(prepare(payload, name), Attempt | Bury | Retry | Release)


@given(payload=st.binary(max_size=300) | mutilated())
def test_frames_have_one_kind_of_error(payload: bytes) -> None:
    """Who only looks at a frame, such as a list of tasks, has to expect a DeserializationError and nothing else."""
    try:
        read = decode_frame(payload)
    except DeserializationError:
        return
    assert payload.endswith(read.signature + read.body)
