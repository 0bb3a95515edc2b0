"""Finding and loading other people's code. What loads plugins is imported when it is first used, because most imports
of asynctasq never load one."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynctasq.plugins.driver_factory import DriverFactory, LoadedDriver
    from asynctasq.plugins.event_sink_factory import EventSinkFactory, LoadedEventSink
    from asynctasq.plugins.plugin_registry import PluginRegistry
    from asynctasq.plugins.serializer_factory import SerializerFactory

__all__ = [
    "DriverFactory",
    "EventSinkFactory",
    "LoadedDriver",
    "LoadedEventSink",
    "PluginRegistry",
    "SerializerFactory",
]

_MODULES = {
    "DriverFactory": "driver_factory",
    "EventSinkFactory": "event_sink_factory",
    "LoadedDriver": "driver_factory",
    "LoadedEventSink": "event_sink_factory",
    "PluginRegistry": "plugin_registry",
    "SerializerFactory": "serializer_factory",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found
