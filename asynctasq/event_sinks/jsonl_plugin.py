"""The plugin of the event sink `jsonl`."""

from collections.abc import Sequence

from asynctasq.contract.event_sink import EventSink
from asynctasq.event_sinks.settings import JsonlSinkSettings
from asynctasq.plugins.hookspecs import hookimpl
from asynctasq.plugins.specs import EventSinkSpec


def _open(settings: JsonlSinkSettings) -> EventSink:
    from asynctasq.event_sinks.jsonl_sink import JsonlSink

    return JsonlSink(settings)


@hookimpl
def asynctasq_event_sink_specs() -> Sequence[EventSinkSpec]:
    """One sink: a file of JSON lines."""
    return [EventSinkSpec(name="jsonl", api_version="1.0", settings_type=JsonlSinkSettings, open=_open)]
