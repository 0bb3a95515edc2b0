"""The payload's frame, version 1."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynctasq.errors import DeserializationError, SerializationError
from asynctasq.runtime.frame import Headers, decode_frame, encode_frame, encode_headers, is_newer_frame


def test_the_bytes_of_a_frame() -> None:
    """Byte by byte as documented; headers at their defaults take no room, whatever object holds the default."""
    headers = Headers(max_attempts=int("3"), retry_delay=float("60"), visibility_timeout=float("3600"))
    assert encode_frame(encode_headers(headers), b"body") == b"\x01\x00\x00\x01\x00\x80body"
    encoded = encode_headers(Headers(content_type="json", timeout=5.0))
    frame = encode_frame(encoded, b"", b"sig")
    assert frame == b"\x01\x00" + len(encoded).to_bytes(2, "big") + b"\x03" + encoded + b"sig"
    assert msgspec.msgpack.decode(encoded) == {"ct": "json", "to": 5.0}


def test_a_frame_comes_apart_again() -> None:
    """Headers, body and signature; equal headers are decoded once."""
    headers = Headers(max_attempts=1, retry_strategy="fixed", trace={"traceparent": "00-x"})
    payload = encode_frame(encode_headers(headers), b"\0body", b"signature")
    frame = decode_frame(payload)
    assert (frame.headers, frame.body, frame.signature) == (headers, b"\0body", b"signature")
    assert decode_frame(payload).headers is frame.headers


def test_unknown_headers_are_ignored() -> None:
    """A later minor version may have added some."""
    encoded = msgspec.msgpack.encode({"ma": 7, "new": [1]})
    assert decode_frame(b"\x01\x09" + encode_frame(encoded, b"b")[2:]).headers == Headers(max_attempts=7)


def test_a_newer_major_version_is_told_apart() -> None:
    """It is parked rather than buried: another worker may read it."""
    assert is_newer_frame(b"\x02rest")
    assert not is_newer_frame(b"\x01rest")
    assert not is_newer_frame(b"")
    with pytest.raises(DeserializationError, match="not a frame of version 1"):
        decode_frame(b"\x02\x00\x00\x01\x00\x80")


@given(payload=st.binary(max_size=40) | st.binary(max_size=40).map(lambda rest: b"\x01\x00\x00" + rest))
def test_malformed_frames_are_one_kind_of_error(payload: bytes) -> None:
    """Whatever bytes a store holds, reading them gives a frame, or raises this error with words in it."""
    try:
        frame = decode_frame(payload)
        holds = payload.endswith(frame.signature + frame.body)
    except DeserializationError as error:
        holds = bool(str(error))
    assert holds


def test_headers_have_a_bound() -> None:
    """Headers that do not fit into their length field are the caller's error."""
    with pytest.raises(SerializationError, match="65535"):
        encode_headers(Headers(trace={"tracestate": "x" * 70_000}))
