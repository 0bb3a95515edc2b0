"""Which plugin knows a type or a tag: asked once, then kept, so that pluggy stays out of the hot path."""

from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import pluggy

from asynctasq.errors import DeserializationError, SerializationError
from asynctasq.plugins.specs import DecodedValue, TaggedValue

_Encode = Callable[[object], TaggedValue | None]
_Decode = Callable[[str, Any], DecodedValue | None]


class ExtensionHooks:
    """The encode and decode hooks of one registry's plugins."""

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._manager = manager
        self._encoders: WeakKeyDictionary[type, _Encode | None] = WeakKeyDictionary()
        self._decoders: dict[str, _Decode] = {}

    def forget(self) -> None:
        """Ask again: plugins came or went."""
        self._encoders.clear()
        self._decoders.clear()

    def encode(self, value: object) -> TaggedValue | None:
        """The value as a plugin tags it, or None if no plugin knows its type.

        Raises:
            SerializationError: the plugin that answered failed, or gave something else.
        """
        kind = type(value)
        if kind in self._encoders:
            encode = self._encoders[kind]
            return None if encode is None else encode(value)
        for encode in self._encode_hooks():
            tagged = encode(value)
            if tagged is not None:
                self._encoders[kind] = encode
                return tagged
        self._encoders[kind] = None
        return None

    def decode(self, tag: str, data: Any) -> DecodedValue | None:
        """The boxed value of a tag, or None if no plugin knows the tag.

        Raises:
            DeserializationError: the plugin that answered failed, or gave something else.
        """
        if (known := self._decoders.get(tag)) is not None:
            return known(tag, data)
        for decode in self._decode_hooks():
            decoded = decode(tag, data)
            if decoded is not None:
                # Tags come from payloads, so only those that a plugin knows are kept.
                self._decoders[tag] = decode
                return decoded
        return None

    def _encode_hooks(self) -> Iterator[_Encode]:
        for implementation in reversed(self._manager.hook.asynctasq_encode_extension.get_hookimpls()):
            yield _checked_encode(implementation)

    def _decode_hooks(self) -> Iterator[_Decode]:
        for implementation in reversed(self._manager.hook.asynctasq_decode_extension.get_hookimpls()):
            yield _checked_decode(implementation)


def _checked_encode(implementation: pluggy.HookImpl) -> _Encode:
    call = _positional(implementation, ("value",))

    def encode(value: object) -> TaggedValue | None:
        try:
            tagged = call(value)
        except Exception as error:
            raise SerializationError(f"{implementation.plugin_name} failed to encode {type(value)}: {error}") from error
        if tagged is not None and not isinstance(tagged, TaggedValue):
            raise SerializationError(
                f"{implementation.plugin_name} encoded {type(value)} to {type(tagged)}; wanted a TaggedValue or None"
            )
        return tagged

    return encode


def _checked_decode(implementation: pluggy.HookImpl) -> _Decode:
    call = _positional(implementation, ("tag", "data"))

    def decode(tag: str, data: Any) -> DecodedValue | None:
        try:
            decoded = call(tag, data)
        except Exception as error:
            raise DeserializationError(f"{implementation.plugin_name} failed to decode {tag!r}: {error}") from error
        if decoded is not None and not isinstance(decoded, DecodedValue):
            raise DeserializationError(
                f"{implementation.plugin_name} decoded {tag!r} to {type(decoded)}; wanted a DecodedValue or None"
            )
        return decoded

    return decode


def _positional(implementation: pluggy.HookImpl, names: tuple[str, ...]) -> Callable[..., object]:
    """pluggy lets an implementation leave parameters out, so each gets only those that it names."""
    wanted = [names.index(name) for name in implementation.argnames]
    function = implementation.function
    if wanted == list(range(len(names))):
        return function
    return lambda *values: function(*(values[index] for index in wanted))
