"""Events of a process that is no worker: the sinks run on the background loop, started with the first event."""

import threading
from collections.abc import Sequence

from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event
from asynctasq.runtime.background_loop import BackgroundLoop
from asynctasq.runtime.event_dispatcher import EventDispatcher


class ClientEvents:
    """Hands a client's events to its sinks, from any thread."""

    def __init__(self, sinks: Sequence[EventSink], loop: BackgroundLoop) -> None:
        """`sinks` are not open yet."""
        self._dispatcher = EventDispatcher(sinks)
        self._loop = loop
        self._lock = threading.Lock()
        self._is_started = False
        self.active = self._dispatcher.active

    def emit(self, event: Event) -> None:
        """Take an event, without waiting."""
        with self._lock:
            if not self._is_started:
                self._is_started = True
                self._loop.start_soon(self._dispatcher.run)
        self._loop.start_soon(self._dispatcher.emit, event)

    async def close(self) -> None:
        """On the background loop: let the sinks take what is left."""
        self._dispatcher.close()
