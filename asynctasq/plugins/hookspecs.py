"""The six hooks of a plugin. Hooks return descriptions; the core decides. None of them is on a hot path."""

from collections.abc import Sequence
from typing import Any

import pluggy

from asynctasq.plugins.specs import DecodedValue, DriverSpec, EventSinkSpec, SerializerSpec, TaggedValue

PROJECT = "asynctasq"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's function as the implementation of a hook."""


@hookspec
def asynctasq_driver_specs() -> Sequence[DriverSpec]:
    """The drivers that this plugin offers: exactly one per entry point's module."""
    return ()


@hookspec
def asynctasq_serializer_specs() -> Sequence[SerializerSpec]:
    """The serializers that this plugin offers: exactly one per entry point's module."""
    return ()


@hookspec
def asynctasq_event_sink_specs() -> Sequence[EventSinkSpec]:
    """The event sinks that this plugin offers: exactly one per entry point's module."""
    return ()


@hookspec(firstresult=True)
def asynctasq_encode_extension(value: object) -> TaggedValue | None:
    """Who knows this type? Asked once per type; the answering hook is kept."""


@hookspec(firstresult=True)
def asynctasq_decode_extension(tag: str, data: Any) -> DecodedValue | None:
    """Who knows this tag? None means "not mine"; a decoded None is `DecodedValue(value=None)`."""


@hookspec(historic=True)
def asynctasq_plugin_loaded(plugin: object) -> None:
    """A plugin was loaded and accepted. Plugins that are registered later hear of the earlier ones too."""
