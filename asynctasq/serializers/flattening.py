"""From any value to what a wire has natively, with tagged values where it has nothing: decided per value."""

import abc
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, cast

from asynctasq.errors import SerializationError
from asynctasq.serializers import tagged_types as tags
from asynctasq.serializers.object_fields import fields_of

MAX_NESTING = 100
"""Containers within containers. More is refused, so that what was stored can be decoded on any stack."""

Handler = Callable[[Any, int], Any]
"""Makes the plain form of a value, which may hold that many more containers within containers."""

MakeTagged = Callable[[Any], tuple[str, Any]]
"""Makes a tag and data of a value of an application's own type."""


class Flattener(abc.ABC):
    """Makes plain values of all others, for one wire."""

    native: frozenset[type]
    """Types that go onto the wire as they are."""
    native_keys: frozenset[type]
    """Types of keys with which a dict goes onto the wire as it is."""

    def __init__(self, find_extension: Callable[[object], MakeTagged | None], *, check_integers: bool = False) -> None:
        """
        Args:
            find_extension: Says who makes a tag and data of values of this value's type, or None. It is asked once per
                type, before the built-in forms.
            check_integers: Look for whole numbers of more than 64 bits, which no wire has.
        """
        self._find_extension = find_extension
        self._handlers: dict[type, Handler] = {}
        self._check_integers = check_integers
        if check_integers:
            self.native, self.native_keys = self.native - {int}, self.native_keys - {int}
        self.forget()

    def forget(self) -> None:
        """Ask again who knows which type."""
        self._handlers = {list: self._flatten_list, dict: self._flatten_dict, **self.wire_handlers()}
        if self._check_integers:
            self._handlers[int] = self._flatten_integer

    @abc.abstractmethod
    def wrap(self, tag: str, plain: Any) -> Any:
        """A tagged value, as this wire has it."""

    @abc.abstractmethod
    def wire_handlers(self) -> Mapping[type, Handler]:
        """What this wire does with certain plain types that are not native, or not always."""

    def looks_like_a_marker(self, value: dict[Any, Any]) -> bool:
        """Whether this wire could take the dict for something else."""
        return False

    def flatten(self, value: Any, depth: int = MAX_NESTING) -> Any:
        """The plain form of a value.

        Raises:
            SerializationError: something in it has none, or it is nested too deeply.
        """
        kind = cast("type[Any]", type(value))
        if kind in self.native:
            return value
        handler = self._handlers.get(kind)
        if handler is None:
            handler = self._handlers[kind] = self._find_handler(value)
        return handler(value, depth)

    # -- containers

    def _flatten_list(self, value: list[Any], depth: int) -> list[Any]:
        if self.native.issuperset(map(type, value)):
            return value
        return self._flatten_items(value, depth)

    def _flatten_items(self, values: Iterable[Any], depth: int) -> list[Any]:
        if depth <= 0:
            raise SerializationError(f"it is nested more than {MAX_NESTING} deep, or contains itself")
        flatten, depth = self.flatten, depth - 1
        return [flatten(value, depth) for value in values]

    def _flatten_dict(self, value: dict[Any, Any], depth: int) -> Any:
        if not self.native_keys.issuperset(map(type, value)) or self.looks_like_a_marker(value):
            pairs = [self._flatten_items(pair, depth - 1) for pair in value.items()]
            return self.wrap(tags.PAIRS, pairs)
        if self.native.issuperset(map(type, value.values())):
            return value
        return dict(zip(value, self._flatten_items(value.values(), depth), strict=True))

    def _flatten_integer(self, value: int, depth: int) -> Any:
        return value if -(2**63) <= value < 2**64 else self.wrap(tags.INTEGER, f"{value:x}")

    # -- all other types

    def _find_handler(self, value: Any) -> Handler:
        make_tagged = self._find_extension(value)
        if make_tagged is not None:
            return self._extension_handler(make_tagged)
        kind = cast("type[Any]", type(value))
        for base, make_handler in self._families().items():
            if isinstance(value, base):
                return make_handler()
        for base, (tag, make_plain) in tags.PLAIN_FORMS.items():
            if isinstance(value, base):
                return self._tag_handler(tag, make_plain)
        get_fields = fields_of(kind)
        if get_fields is not None:
            return lambda value, depth: self.flatten(get_fields(value), depth)
        raise SerializationError(
            f"{kind.__module__}.{kind.__qualname__} has no encoding; pass plain data or an id instead, make it a "
            "dataclass or a msgspec.Struct, or register a TypeHook for it"
        )

    def _families(self) -> dict[type, Callable[[], Handler]]:
        """Subtypes of the plain types lose their own type on the way; collections keep theirs."""

        def plainer(make: Callable[[Any], Any]) -> Callable[[], Handler]:
            return lambda: lambda value, depth: self.flatten(make(value), depth)

        def collection(tag: str) -> Callable[[], Handler]:
            return lambda: lambda value, depth: self.wrap(tag, self._flatten_items(value, depth))

        def unordered(tag: str) -> Callable[[], Handler]:
            # Sorted, because equal arguments have to be equal bytes, in every process.
            return lambda: lambda value, depth: self.wrap(tag, sorted(self._flatten_items(value, depth), key=repr))

        return {
            Enum: plainer(lambda value: value.value),
            str: plainer(str.__str__),
            int: plainer(int.__int__),
            float: plainer(float.__float__),
            bytes: plainer(bytes.__bytes__),
            memoryview: plainer(bytes),
            list: plainer(list),
            dict: plainer(dict),
            tuple: collection(tags.TUPLE),
            set: unordered(tags.SET),
            frozenset: unordered(tags.FROZENSET),
        }

    def _tag_handler(self, tag: str, make_plain: Callable[[Any], Any]) -> Handler:
        return lambda value, depth: self.wrap(tag, self.flatten(make_plain(value), depth))

    def _extension_handler(self, make_tagged: MakeTagged) -> Handler:
        def handle(value: Any, depth: int) -> Any:
            tag, data = make_tagged(value)
            return self.wrap(tags.EXTENSION, [tag, self._flatten_items([data], depth)[0]])

        return handle
