"""Serialization of an application's own types.

What a hook encodes travels under the hook's own tag, in a form that ordinary data cannot imitate, and only registered
hooks decode. A hook may override how a built-in type travels, but not the plain ones (None, bool, int, float, str,
bytes, list, dict).
"""

import abc
from typing import Any, Generic, TypeVar

from asynctasq.errors import NeedsLoading

T = TypeVar("T")


class TypeHook(abc.ABC, Generic[T]):
    """How values of one type, or of a family of types, travel."""

    type_key: str
    """The tag. It must stay the same for as long as values of this type are stored."""
    priority: int = 0
    """Among hooks that could encode the same type, the highest is asked first."""

    @abc.abstractmethod
    def can_encode(self, obj: Any) -> bool:
        """Whether this hook encodes values like `obj`. Asked once per type, with the first value of it."""

    @abc.abstractmethod
    def encode(self, obj: T) -> Any:
        """The value, made of types that travel already."""

    def can_decode(self, data: Any) -> bool:
        """Whether this hook decodes `data`, which came under its own tag. False refuses the data."""
        return True

    @abc.abstractmethod
    def decode(self, data: Any) -> T:
        """The value again, from what `encode` made of it."""


class AsyncTypeHook(TypeHook[T]):
    """A hook whose values have to be fetched: they travel as a reference, and are loaded before the task runs.

    All references of one task are loaded at the same time, and equal ones once.
    """

    def decode(self, data: Any) -> T:
        """Never called: there is nothing to await here."""
        raise NeedsLoading(f"values of {self.type_key!r} are loaded by `decode_async`")

    @abc.abstractmethod
    async def decode_async(self, data: Any) -> T:
        """Load the value that `data` refers to.

        Raises:
            DeserializationError: it does not exist any more. No retry brings it back.
            Exception: any other means that it can't be loaded now; it is tried again later.
        """


class HookRegistry:
    """The hooks of one serializer."""

    def __init__(self) -> None:
        self._hooks: dict[str, TypeHook[Any]] = {}

    def register(self, hook: TypeHook[Any]) -> None:
        """Add a hook.

        Raises:
            ValueError: another hook has this `type_key`.
        """
        if hook.type_key in self._hooks:
            raise ValueError(f"a hook for {hook.type_key!r} is registered already; `unregister` it first to replace it")
        self._hooks[hook.type_key] = hook

    def unregister(self, type_key: str) -> TypeHook[Any] | None:
        """Remove a hook; None if there is none of this key."""
        return self._hooks.pop(type_key, None)

    def clear(self) -> None:
        """Remove all hooks."""
        self._hooks.clear()

    @property
    def all_hooks(self) -> list[TypeHook[Any]]:
        """All hooks, in the order in which they are asked."""
        return sorted(self._hooks.values(), key=lambda hook: -hook.priority)

    def find_encoder(self, obj: Any) -> TypeHook[Any] | None:
        """The hook that encodes values like `obj`."""
        return next((hook for hook in self.all_hooks if hook.can_encode(obj)), None)

    def get(self, type_key: str) -> TypeHook[Any] | None:
        """The hook of this key."""
        return self._hooks.get(type_key)
