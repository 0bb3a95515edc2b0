"""What the two built-in serializers have in common."""

import abc
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Protocol

from asynctasq.contract.serializer import Serializer
from asynctasq.errors import DeserializationError, SerializationError
from asynctasq.serializers import tagged_types as tags
from asynctasq.serializers.error_places import place_of_error
from asynctasq.serializers.flattening import Flattener, MakeTagged
from asynctasq.serializers.loaded_values import LoadedValues
from asynctasq.serializers.type_hooks import AsyncTypeHook, HookRegistry


class TaggedValue(Protocol):
    """What encodes a value of a plugin's own type."""

    @property
    def tag(self) -> str: ...
    @property
    def data(self) -> Any: ...


class BoxedValue(Protocol):
    """A decoded value, so that a decoded None is told from no answer."""

    @property
    def value(self) -> Any: ...


EncodeExtension = Callable[[object], TaggedValue | None]
DecodeExtension = Callable[[str, Any], BoxedValue | None]


class ValueSerializer(Serializer):
    """Every type that msgspec knows, and those of hooks, as themselves."""

    flattener_type: ClassVar[type[Flattener]]
    """The flattener of this wire."""

    def __init__(self, registry: HookRegistry | None = None) -> None:
        """`registry` holds the application's own hooks. Register them before the first value is encoded."""
        self.registry = HookRegistry() if registry is None else registry
        self._encode_extension: EncodeExtension | None = None
        self._decode_extension: DecodeExtension | None = None
        self._loaded: LoadedValues | None = None
        self._flattener = self.flattener_type(self._find_extension)

    def use_extensions(self, encode: EncodeExtension | None, decode: DecodeExtension | None) -> None:
        """Ask plugins as well for types and tags that no hook of the registry knows."""
        self._encode_extension = encode
        self._decode_extension = decode
        self._flattener.forget()

    def loader(self, wanted: Any) -> Callable[[bytes], Awaitable[Any]]:
        """Like `decoder`, for bytes of which the decoder raised `NeedsLoading`: it loads what they refer to.

        What a hook raises comes through as it is.
        """

        async def load(body: bytes) -> Any:
            loading = type(self)(self.registry)
            loading.use_extensions(self._encode_extension, self._decode_extension)
            loading._loaded = LoadedValues()
            loading.decoder(Any)(body)
            await loading._loaded.load()
            return loading.decoder(wanted)(body)

        return load

    @abc.abstractmethod
    def encode_plain(self, plain: Any) -> bytes:
        """A flattened value as bytes."""

    def encode(self, value: object) -> bytes:
        """As `Serializer.encode`."""
        try:
            return self._encode_value(value)
        except RecursionError:
            raise SerializationError("the value is nested too deeply, or contains itself") from None
        except (SerializationError, TypeError, ValueError, OverflowError) as error:
            place = place_of_error(value, self._encode_value)
            raise SerializationError(f"the value at `{place}` can't be encoded: {error}") from error

    def _encode_value(self, value: object) -> bytes:
        try:
            return self.encode_plain(self._flattener.flatten(value))
        except OverflowError:  # rare enough to look for whole numbers of more than 64 bits only now
            flattener = self.flattener_type(self._find_extension, check_integers=True)
            return self.encode_plain(flattener.flatten(value))

    def revive(self, tag: str, plain: Any) -> Any:
        """The value of a tag.

        Raises:
            DeserializationError: nobody knows an application's or plugin's tag, or the data does not fit.
        """
        if tag != tags.EXTENSION:
            return tags.revive(tag, plain)
        name, data = plain
        hook = self.registry.get(name)
        if hook is not None:
            if not hook.can_decode(data):
                raise DeserializationError(f"the hook for {name!r} refuses the data")
            if self._loaded is not None and isinstance(hook, AsyncTypeHook):
                return self._loaded.value(hook, data)
            return hook.decode(data)
        boxed = None if self._decode_extension is None else self._decode_extension(name, data)
        if boxed is None:
            raise DeserializationError(
                f"nobody here knows the type that was tagged {str(name)[:80]!r}; register its TypeHook in the worker, "
                "or install the plugin that encoded it"
            )
        return boxed.value

    def _find_extension(self, value: object) -> MakeTagged | None:
        hook = self.registry.find_encoder(value)
        if hook is not None:
            return lambda value: (hook.type_key, hook.encode(value))
        ask = self._encode_extension
        if ask is None or ask(value) is None:
            return None

        def make_tagged(value: Any) -> tuple[str, Any]:
            tagged = ask(value)
            if tagged is None:
                raise SerializationError(
                    f"the plugin that knows {type(value).__qualname__} has no encoding for this one"
                )
            return tagged.tag, tagged.data

        return make_tagged
