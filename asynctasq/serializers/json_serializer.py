"""JSON, for stores that people read. Types that it lacks travel in an envelope: a dict with one key.

Data that has that key itself is put into an envelope too, so that it stays data.
"""

import base64
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, cast

import msgspec

from asynctasq.errors import DeserializationError
from asynctasq.serializers import tagged_types as tags
from asynctasq.serializers.flattening import Flattener, Handler
from asynctasq.serializers.nesting import check_json_nesting
from asynctasq.serializers.object_fields import build_model
from asynctasq.serializers.typed_decoding import Decode, supported, typed_decoder
from asynctasq.serializers.value_serializer import ValueSerializer

MARKER = "$asynctasq"
_MARKER_ON_THE_WIRE = MARKER.encode()

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class JsonFlattener(Flattener):
    """For a wire without bytes, special floats, and keys other than text."""

    native = frozenset({NoneType, bool, int, str})
    native_keys = frozenset({str})

    def wrap(self, tag: str, plain: Any) -> Any:
        """The envelope: `{"$asynctasq": [tag, plain]}`."""
        return {MARKER: [tag, plain]}

    def looks_like_a_marker(self, value: dict[Any, Any]) -> bool:
        """Whether the dict has the envelope's key."""
        return MARKER in value

    def wire_handlers(self) -> Mapping[type, Handler]:
        """Floats that JSON has no number for, and bytes."""

        def flatten_float(value: float, depth: int) -> Any:
            text = tags.special_float_text(value)
            return value if text is None else self.wrap(tags.FLOAT, text)

        def flatten_bytes(value: bytes, depth: int) -> Any:
            return self.wrap(tags.BYTES, base64.b64encode(value).decode())

        return {float: flatten_float, bytes: flatten_bytes}


class JsonSerializer(ValueSerializer):
    """JSON, by msgspec. Every type that msgspec knows round-trips as itself."""

    content_type = "json"
    flattener_type = JsonFlattener

    def encode_plain(self, plain: Any) -> bytes:
        """A flattened value as bytes."""
        return _encode(plain)

    def decoder(self, wanted: Any) -> Callable[[bytes], Any]:
        """As `Serializer.decoder`."""
        return typed_decoder(wanted, self._decode_any, supported(_direct, wanted), check_json_nesting)

    def _decode_any(self, body: bytes) -> Any:
        decoded = _decode(body)
        return self._unwrap(decoded) if _MARKER_ON_THE_WIRE in body else decoded

    def _unwrap(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._unwrap(item) for item in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        items = cast("dict[str, Any]", value)
        if MARKER not in items:
            return {key: self._unwrap(item) for key, item in items.items()}
        match items:
            case {"$asynctasq": [str(tag), plain], **rest} if not rest and tag in tags.TAGS:
                return self.revive(tag, self._unwrap(plain))
            case _:
                raise DeserializationError(f"the stored value has the key {MARKER!r}, but no known tag under it")


def _direct(wanted: Any) -> Decode:
    decode = msgspec.json.Decoder(wanted, dec_hook=build_model).decode

    def decode_without_marker(body: bytes) -> Any:
        if _MARKER_ON_THE_WIRE in body:
            raise msgspec.ValidationError("tagged values are not decoded directly")
        return decode(body)

    return decode_without_marker
