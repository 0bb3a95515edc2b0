"""Objects of the older shape `async emit(event)` as event sinks."""

import inspect
from collections.abc import Sequence
from typing import Any

from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event
from asynctasq.errors import ConfigurationError
from asynctasq.runtime.background_loop import BackgroundLoop
from asynctasq.runtime.client_events import ClientEvents


class EmitterSink(EventSink):
    """An event sink that hands events to an emitter, one by one."""

    def __init__(self, emitter: Any) -> None:
        self._emitter = emitter

    async def emit_many(self, events: Sequence[Event]) -> None:
        """Emit a batch, oldest first."""
        for event in events:
            await self._emitter.emit(event)

    async def close(self) -> None:
        """Close the emitter, if it can be closed."""
        close = getattr(self._emitter, "close", None)
        if close is not None:
            await close()


def as_event_sink(candidate: object) -> EventSink:
    """A sink as it is, and an emitter as a sink.

    Raises:
        ConfigurationError: it is neither.
    """
    if isinstance(candidate, EventSink):
        return candidate
    if inspect.iscoroutinefunction(getattr(candidate, "emit", None)):
        return EmitterSink(candidate)
    raise ConfigurationError(
        f"{type(candidate).__name__} is no event sink; wanted an EventSink, or an object with `async def emit(event)`"
    )


def as_event_emitter(candidate: Any) -> Any:
    """What a dispatcher tells of events: an emitter that never waits as it is; a sink, or an emitter of the older
    shape, on an event loop apart.

    Raises:
        ConfigurationError: it is none of them.
    """
    if hasattr(candidate, "active"):
        return candidate

    async def close() -> None:
        await events.close()

    events = ClientEvents(lambda: [as_event_sink(candidate)], BackgroundLoop(on_stop=close))
    return events
