"""Payloads that somebody built by hand."""

import struct
from collections.abc import Mapping
from typing import Any

import msgspec

from asynctasq.runtime.frame import Headers, encode_frame, encode_headers
from asynctasq.serializers import tagged_types as tags
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer

DEPTH = 100_000


def frame(body: bytes, **headers: Any) -> bytes:
    """A well-formed frame around any body."""
    return encode_frame(encode_headers(Headers(**{"max_attempts": 2, "retry_delay": 0.0, **headers})), body)


def raw_frame(headers: Mapping[str, object] | bytes, body: bytes = b"\x80") -> bytes:
    """A frame around any headers."""
    encoded = headers if isinstance(headers, bytes) else msgspec.msgpack.encode(headers)
    return encode_frame(encoded, body)


def arguments(**by_name: object) -> bytes:
    """A body as the core writes it."""
    return MsgpackSerializer().encode(by_name)


def extension(code: int, data: bytes) -> bytes:
    """A MessagePack extension."""
    return b"\xc9" + struct.pack(">I", len(data)) + bytes([code]) + data


def nested_extensions(size: int) -> bytes:
    """Tuples within tuples within tuples."""
    data = b"\xc0"
    while len(data) < size:
        data = extension(0, b"\x91" + data)
    return data


def nested_lists() -> bytes:
    """As the value of a parameter."""
    return b"\x81\xa5value" + b"\x91" * DEPTH + b"\xc0"


def nested_maps() -> bytes:
    """As the value of a parameter."""
    return b"\x81\xa5value" + b"\x81\x01" * DEPTH + b"\xc0"


def named_extension(name: str, data: object) -> bytes:
    """A value of somebody's own type, by its tag."""
    code = tags.TAGS.index(tags.EXTENSION)
    return b"\x81\xa5value" + extension(code, msgspec.msgpack.encode([name, data]))


NESTED: dict[str, bytes] = {
    "lists": frame(nested_lists()),
    "maps": frame(nested_maps()),
    "extensions": frame(b"\x81\xa5value" + nested_extensions(200_000)),
    "lists in a typed argument": frame(b"\x81\xa6number" + b"\x91" * DEPTH + b"\xc0"),
    "lists in an unknown argument": frame(b"\x81\xa1x" + b"\x91" * DEPTH + b"\xc0"),
    "json": frame(b'{"value":' + b"[" * DEPTH + b"]" * DEPTH + b"}", content_type="json"),
    "json objects": frame(
        b'{"value":' + b'{"":' * (DEPTH // 2) + b"1" + b"}" * (DEPTH // 2) + b"}", content_type="json"
    ),
    "headers": raw_frame(b"\x81\xa1x" + b"\x91" * 60_000 + b"\xc0"),
    "known headers": raw_frame(b"\x81\xa2tr" + b"\x91" * 60_000 + b"\xc0"),
}
"""Nested a hundred thousand deep, or as deep as fits."""

NAN, INFINITY = float("nan"), float("inf")

WRONG_HEADERS: dict[str, bytes] = {
    "timeout nan": raw_frame({"to": NAN}),
    "timeout negative": raw_frame({"to": -1.0}),
    "timeout zero": raw_frame({"to": 0}),
    "timeout text": raw_frame({"to": "1"}),
    "visibility nan": raw_frame({"vt": NAN}),
    "visibility zero": raw_frame({"vt": 0.0}),
    "visibility negative": raw_frame({"vt": -INFINITY}),
    "no attempts": raw_frame({"ma": 0}),
    "negative attempts": raw_frame({"ma": -(2**63)}),
    "delay nan": raw_frame({"rd": NAN}),
    "delay negative": raw_frame({"rd": -1e308}),
    "strategy": raw_frame({"rs": "os.system"}),
    "a list": raw_frame(b"\x90"),
    "cut off": raw_frame(b"\x81\xa2ma"),
}
"""Headers that no worker can go by."""

NAMING: dict[str, bytes] = {
    "extension": frame(named_extension("this", "x")),
    "extension path": frame(named_extension("antigravity:open", ["x"])),
    "py/object": frame(arguments(value={"py/object": "antigravity.webbrowser", "py/reduce": ["this"]})),
    "yaml": frame(arguments(value="!!python/object/apply:antigravity.open ['x']")),
    "class": frame(arguments(value={"__class__": "this.Zen", "__module__": "this", "__reduce__": "antigravity"})),
    "pickle": b"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00\x8c\x04this\x93.",
    "pickled body": frame(b"cthis\nd\n."),
    "content type": frame(arguments(), content_type="this"),
    "content type path": frame(arguments(), content_type="turtledemo.clock:main"),
    "trace": raw_frame({"tr": {"traceparent": "antigravity:x"}, "import": "this", "app": "idlelib.idle"}),
}
"""Payloads that name modules and functions in every place where something might look."""
