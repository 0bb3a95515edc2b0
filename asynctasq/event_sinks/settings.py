"""The settings of the built-in event sinks."""

from typing import Annotated, Literal

from msgspec import Meta

from asynctasq.plugins.settings import PluginSettings


class LoggingSinkSettings(PluginSettings, frozen=True, kw_only=True):
    """Settings of the sink `logging`."""

    logger: Annotated[str, Meta(min_length=1)] = "asynctasq.events"
    """The logger that events are written to."""
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The level of events; failures are at least warnings."""


class JsonlSinkSettings(PluginSettings, frozen=True, kw_only=True):
    """Settings of the sink `jsonl`."""

    path: Annotated[str, Meta(min_length=1)] = "asynctasq-events.jsonl"
    """The file that events are appended to, one JSON object per line. It may be rotated at any time."""
    format: Literal["plain", "cloudevents"] = "plain"
    """The fields of an event as they are, or wrapped as CloudEvents 1.0."""
    source: Annotated[str, Meta(min_length=1)] = "asynctasq"
    """The `source` of CloudEvents: a URI reference that names this application."""
