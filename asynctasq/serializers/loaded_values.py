"""Values that stored bytes only refer to, loaded at the same time."""

from typing import Any

import anyio

from asynctasq.serializers.type_hooks import AsyncTypeHook


class _Reference:
    """One value, to be loaded. It stands in for the value until then."""

    def __init__(self, hook: AsyncTypeHook[Any], data: Any) -> None:
        self._hook = hook
        self._data = data
        self.value: Any = self
        self.error: Exception | None = None

    async def load(self) -> None:
        try:
            self.value = await self._hook.decode_async(self._data)
        except Exception as error:  # raised below, once all others have come to an end
            self.error = error


class LoadedValues:
    """The values of one decoding. Equal references are loaded once."""

    def __init__(self) -> None:
        self._references: dict[tuple[str, str], _Reference] = {}

    def value(self, hook: AsyncTypeHook[Any], data: Any) -> Any:
        """The loaded value; before `load()` something that stands in for it."""
        key = (hook.type_key, repr(data))
        if key not in self._references:
            self._references[key] = _Reference(hook, data)
        return self._references[key].value

    async def load(self) -> None:
        """Load all values that were asked for.

        Raises:
            Exception: what the hook of the first one raised that could not be loaded.
        """
        async with anyio.create_task_group() as group:
            for reference in self._references.values():
                group.start_soon(reference.load)
        for reference in self._references.values():
            if reference.error is not None:
                raise reference.error
