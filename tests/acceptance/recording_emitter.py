"""An application's own event emitter, which keeps what it hears."""

from asynctasq import EventEmitter
from asynctasq.contract.events import Event


class Recording(EventEmitter):
    """An application's own emitter."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed = False

    async def emit(self, event: Event) -> None:
        self.events.append(event)

    async def close(self) -> None:
        self.closed = True
