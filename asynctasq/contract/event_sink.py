"""What an event sink promises."""

import abc
from collections.abc import Sequence

import anyio.lowlevel

from asynctasq.contract.events import Event


class EventSink(abc.ABC):
    """A place that events go to. Whatever it does, it never delays or fails a task: it stands behind a bounded queue,
    and what does not fit is dropped and counted."""

    async def open(self) -> None:
        """Called on the event loop that `emit_many` will run on, before any event; and again after `close()`, if the
        process goes on. The default does nothing."""
        await anyio.lowlevel.checkpoint()

    @abc.abstractmethod
    async def emit_many(self, events: Sequence[Event]) -> None:
        """Take a batch of events, oldest first. An exception is logged once per kind, and the batch is dropped."""

    async def close(self) -> None:
        """Called at the end, within a few seconds of grace. The default does nothing."""
        await anyio.lowlevel.checkpoint()
