"""Wake-ups: enqueued work wakes whoever listens, and so does work that becomes due."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import anyio.lowlevel

from asynctasq.contract.checks import check_identifiers
from asynctasq.memory.listener import Listener
from asynctasq.memory.store import MemoryStore
from asynctasq.memory.ticks import seconds_of


class MemoryWakeUpStream:
    """The hints for one listener."""

    def __init__(self, enter: Callable[[], MemoryStore], listener: Listener) -> None:
        self._enter = enter
        self._listener = listener

    async def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for a hint.

        Raises:
            DriverClosed: the driver was disconnected.
        """
        deadline = anyio.current_time() + timeout
        while True:
            await anyio.lowlevel.checkpoint()
            store = self._enter()
            with store as now:
                if self._listener.take():
                    return True
                next_moment = store.deadlines.next_moment()
            pause = deadline - anyio.current_time()
            if pause <= 0:
                return False
            if next_moment is not None:  # nobody may call until then: the scheduled task is promoted from here
                pause = min(pause, seconds_of(next_moment - now))
            with anyio.move_on_after(pause):
                await anyio.wait_readable(self._listener.receiver)


class MemoryWakeUps:
    """The feature `wake_ups`."""

    def __init__(self, enter: Callable[[], MemoryStore]) -> None:
        self._enter = enter

    def listen(self, queues: Sequence[str]) -> AbstractAsyncContextManager[MemoryWakeUpStream]:
        """A stream of hints for these queues, whichever driver, thread or event loop enqueues."""
        return self._listen(queues)

    @asynccontextmanager
    async def _listen(self, queues: Sequence[str]) -> AsyncGenerator[MemoryWakeUpStream, None]:
        store = self._enter()
        check_identifiers("queue", queues)
        await anyio.lowlevel.checkpoint()
        listener = Listener()
        try:
            with store:
                for name in queues:
                    store.queue(name).listeners.add(listener)
            yield MemoryWakeUpStream(self._enter, listener)
        finally:
            with store:
                for name in queues:
                    store.queue(name).listeners.discard(listener)
            listener.close()
