"""Events of a process that is no worker: the sinks run on the background loop, started with the first event."""

import logging
import threading
from collections.abc import Callable, Sequence

from anyio.lowlevel import checkpoint

from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event
from asynctasq.runtime.background_loop import BackgroundLoop
from asynctasq.runtime.event_dispatcher import EventDispatcher

_logger = logging.getLogger("asynctasq.events")


class _Here(threading.local):
    """What belongs to one run of the background loop."""

    dispatcher: EventDispatcher | None = None
    is_closed: bool = False


class ClientEvents:
    """Hands a client's events to its sinks, from any thread.

    The background loop may end and start again meanwhile, with a cleanup or a fork: each of its runs has a thread and
    sinks of its own.
    """

    def __init__(self, make_sinks: Callable[[], Sequence[EventSink]], loop: BackgroundLoop) -> None:
        """`make_sinks` gives sinks that are not open yet. It is called at once, so that it complains here."""
        self._make_sinks = make_sinks
        self._unused: Sequence[EventSink] | None = make_sinks()
        self._loop = loop
        self._here = _Here()
        self.active = bool(self._unused)

    def emit(self, event: Event) -> None:
        """Take an event, without waiting. Never raises."""
        try:
            self._loop.start_soon(self._take, event)
        except RuntimeError as error:  # the loop is being stopped just now
            _logger.warning("an event of the kind %s is dropped: %s", event.event_type, error)

    async def close(self) -> None:
        """On the background loop, before it ends: let the sinks take what is left."""
        self._here.is_closed = True
        if self._here.dispatcher is not None:
            self._here.dispatcher.close()
        await checkpoint()

    async def _take(self, event: Event) -> None:
        here = self._here
        if not here.is_closed:  # else this run of the loop is about to end
            if here.dispatcher is None:
                sinks, self._unused = self._unused, None
                here.dispatcher = EventDispatcher(self._make_sinks() if sinks is None else sinks)
                self._loop.start_soon(here.dispatcher.run)
            here.dispatcher.emit(event)
        await checkpoint()
