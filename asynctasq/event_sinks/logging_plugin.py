"""The plugin of the event sink `logging`."""

from collections.abc import Sequence

from asynctasq.contract.event_sink import EventSink
from asynctasq.event_sinks.settings import LoggingSinkSettings
from asynctasq.plugins.hookspecs import hookimpl
from asynctasq.plugins.specs import EventSinkSpec


def _open(settings: LoggingSinkSettings) -> EventSink:
    from asynctasq.event_sinks.logging_sink import LoggingSink

    return LoggingSink(settings)


@hookimpl
def asynctasq_event_sink_specs() -> Sequence[EventSinkSpec]:
    """One sink: the application's log."""
    return [EventSinkSpec(name="logging", api_version="1.0", settings_type=LoggingSinkSettings, open=_open)]
