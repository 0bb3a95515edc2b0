"""The default serializer: MessagePack. Types that it lacks travel as extensions, which ordinary data can't imitate."""

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

import msgspec
from msgspec.msgpack import Ext

from asynctasq.errors import DeserializationError
from asynctasq.serializers import tagged_types as tags
from asynctasq.serializers.flattening import Flattener, Handler
from asynctasq.serializers.nesting import check_msgpack_nesting
from asynctasq.serializers.object_fields import build_model
from asynctasq.serializers.type_hooks import HookRegistry
from asynctasq.serializers.typed_decoding import Decode, supported, typed_decoder
from asynctasq.serializers.value_serializer import ValueSerializer

_encode = msgspec.msgpack.Encoder().encode
_CODES = {tag: code for code, tag in enumerate(tags.TAGS)}


class MsgpackFlattener(Flattener):
    """For a wire that has bytes, every float, and keys of any plain type."""

    native = frozenset({NoneType, bool, int, float, str, bytes})
    native_keys = native

    def wrap(self, tag: str, plain: Any) -> Any:
        """A MessagePack extension, whose code says the tag."""
        return Ext(_CODES[tag], _encode(plain))

    def wire_handlers(self) -> Mapping[type, Handler]:
        """None: what it has, it has always."""
        return {}


class MsgpackSerializer(ValueSerializer):
    """MessagePack, by msgspec. Every type that msgspec knows round-trips as itself."""

    content_type = "msgpack"
    flattener_type = MsgpackFlattener

    def __init__(self, registry: HookRegistry | None = None) -> None:
        super().__init__(registry)
        self._decode_any = msgspec.msgpack.Decoder(ext_hook=self._revive_extension).decode

    def encode_plain(self, plain: Any) -> bytes:
        """A flattened value as bytes."""
        return _encode(plain)

    def decoder(self, wanted: Any) -> Callable[[bytes], Any]:
        """As `Serializer.decoder`."""
        return typed_decoder(wanted, self._decode_any, supported(self._direct, wanted), check_msgpack_nesting)

    def _direct(self, wanted: Any) -> Decode:
        return msgspec.msgpack.Decoder(wanted, ext_hook=self._revive_extension, dec_hook=build_model).decode

    def _revive_extension(self, code: int, data: memoryview) -> Any:
        if not 0 <= code < len(tags.TAGS):
            raise DeserializationError(f"the stored value has an extension of the unknown code {code}")
        return self.revive(tags.TAGS[code], self._decode_any(data))
