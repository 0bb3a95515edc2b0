"""What a payload looks like inside. A driver stores it and never looks in.

Version 1, byte by byte (integers are big-endian):

======  ========  ==================================================================================
offset  length    meaning
======  ========  ==================================================================================
0       1         major version: 1. A frame of a higher major version is not read; it is parked
1       1         minor version: 0. A higher minor version has only added headers
2       2         H, the length of the headers
4       1         S, the length of the signature; 0 without one
5       H         headers: a MessagePack map with short string keys (`Headers`)
5+H     S         signature, over the identity of the task, the headers and the body
5+H+S   the rest  body: the arguments, encoded by the serializer that the headers name
======  ========  ==================================================================================

Unknown headers are ignored, and survive wherever a frame is passed on, since frames are passed on as they are. An
absent header means the default that stands in `Headers`, which is part of the format: it never changes in version 1.
Reading the headers never touches the body, so that lists can show a task's options without its arguments.
"""

import struct
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from asynctasq.errors import DeserializationError, SerializationError

MAJOR = 1
MINOR = 0
MAX_STORED_BYTES = 1024 * 1024
"""A stored payload longer than this is refused by its length, before anything of it is decoded."""

_PREFIX = struct.Struct(">BBHB")
_PREFIX_BYTES = _PREFIX.size
_KNOWN_HEADERS = 1024
_LONGEST_KNOWN = 1024

RetryStrategy = Literal["exponential", "fixed"]

# Checked when a frame is read: a forged NaN would find its way into the event loop's timers.
_Seconds = Annotated[float, Meta(ge=0)]
_PositiveSeconds = Annotated[float, Meta(gt=0)]


class Headers(
    Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename={
        "content_type": "ct",
        "max_attempts": "ma",
        "retry_strategy": "rs",
        "retry_delay": "rd",
        "retry_max_delay": "rm",
        "timeout": "to",
        "visibility_timeout": "vt",
        "trace": "tr",
    },
):
    """What the worker needs to know of a task beyond its envelope. Durations are seconds."""

    content_type: str = "msgpack"
    max_attempts: Annotated[int, Meta(ge=1)] = 3
    retry_strategy: RetryStrategy = "exponential"
    retry_delay: _Seconds = 60.0
    retry_max_delay: _Seconds = 3600.0
    timeout: _PositiveSeconds | None = None
    visibility_timeout: _PositiveSeconds = 3600.0
    trace: Mapping[str, str] | None = None
    """W3C trace context: `traceparent`, `tracestate`."""


class Frame(Struct, frozen=True):
    """A payload, taken apart."""

    headers: Headers
    body: bytes
    signature: bytes = b""


_DEFAULTS = Headers()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Headers).decode
_decoded: dict[bytes, Headers] = {}


def encode_headers(headers: Headers) -> bytes:
    """The headers as they stand in a frame. Worth keeping: most tasks of one name have the same ones.

    Raises:
        SerializationError: they have more than 65,535 bytes.
    """
    encoded = _encode(Headers(**dict(_set_fields(headers))))
    if len(encoded) > 0xFFFF:
        raise SerializationError(f"the headers have {len(encoded)} bytes; at most 65535 fit. Shorten the trace state")
    return encoded


def _set_fields(headers: Headers) -> list[tuple[str, Any]]:
    """What differs from its default. Equality has to be checked here: msgspec omits a default only if it is the same
    object."""
    values = ((name, getattr(headers, name)) for name in Headers.__struct_fields__)
    return [(name, value) for name, value in values if value != getattr(_DEFAULTS, name)]


def encode_frame(encoded_headers: bytes, body: bytes, signature: bytes = b"") -> bytes:
    """A payload from headers that were encoded before, and a body."""
    return _PREFIX.pack(MAJOR, MINOR, len(encoded_headers), len(signature)) + encoded_headers + signature + body


def is_newer_frame(payload: bytes) -> bool:
    """True for a frame of a major version that this core does not read: another worker may."""
    return bool(payload) and payload[0] > MAJOR


def decode_frame(payload: bytes) -> Frame:
    """Take a payload apart, without touching the body.

    Raises:
        DeserializationError: it is not a frame of version 1.
    """
    if len(payload) < _PREFIX_BYTES or payload[0] != MAJOR:
        raise DeserializationError(f"the payload ({len(payload)} bytes) is not a frame of version {MAJOR}")
    _, _, headers_bytes, signature_bytes = _PREFIX.unpack_from(payload)
    headers_end = _PREFIX_BYTES + headers_bytes
    body_start = headers_end + signature_bytes
    if body_start > len(payload):
        raise DeserializationError(f"the payload ends after {len(payload)} bytes, within its headers")
    headers = _headers(payload[_PREFIX_BYTES:headers_end])
    return Frame(headers, payload[body_start:], payload[headers_end:body_start])


def _headers(encoded: bytes) -> Headers:
    """Equal bytes give the same object: most tasks of one name share their headers."""
    known = _decoded.get(encoded)
    if known is not None:
        return known
    try:
        headers = _decode(encoded)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DeserializationError(f"the payload's headers can't be decoded: {error}") from error
    if len(encoded) <= _LONGEST_KNOWN:
        if len(_decoded) >= _KNOWN_HEADERS:
            _decoded.clear()
        _decoded[encoded] = headers
    return headers
