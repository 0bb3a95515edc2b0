"""The built-in driver `memory`, found by its entry point like any other.

`MemoryDriver` and `drop_store` are loaded when they are asked for: the plugin module stays light.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynctasq.memory.driver import MemoryDriver
    from asynctasq.memory.stores import drop_store

__all__ = ["MemoryDriver", "drop_store"]


def __getattr__(name: str) -> Any:
    if name == "MemoryDriver":
        from asynctasq.memory.driver import MemoryDriver

        return MemoryDriver
    if name == "drop_store":
        from asynctasq.memory.stores import drop_store

        return drop_store
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
