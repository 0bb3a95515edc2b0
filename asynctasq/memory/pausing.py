"""Pausing: queues that `reserve` leaves out."""

from collections.abc import Callable, Sequence

import anyio.lowlevel

from asynctasq.contract.checks import check_identifiers
from asynctasq.memory.store import MemoryStore


class MemoryPausing:
    """The feature `pausing`."""

    def __init__(self, enter: Callable[[], MemoryStore]) -> None:
        self._enter = enter

    async def pause(self, queues: Sequence[str]) -> None:
        """Deliver nothing from these queues from now on."""
        store = self._enter()
        check_identifiers("queue", queues)
        await anyio.lowlevel.checkpoint()
        with store:
            store.paused.update(queues)

    async def resume(self, queues: Sequence[str]) -> None:
        """Deliver from these queues again, and wake who listens for them."""
        store = self._enter()
        check_identifiers("queue", queues)
        await anyio.lowlevel.checkpoint()
        with store:
            for name in store.paused.intersection(queues):
                store.paused.discard(name)
                if (queue := store.queues.get(name)) is not None and queue.ready:
                    queue.notify_listeners()

    async def paused_queues(self) -> frozenset[str]:
        """The names of all paused queues."""
        store = self._enter()
        await anyio.lowlevel.checkpoint()
        with store:
            return frozenset(store.paused)
