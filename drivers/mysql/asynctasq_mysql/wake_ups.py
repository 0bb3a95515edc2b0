"""Wake-ups. The server has no push, so a listener looks at the index: one read that locks nothing.

It looks often while work is coming in, and less often once nothing has come for a while. What this driver itself
enqueues wakes its listeners at once.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import anyio.lowlevel

from asynctasq.driver_api import check_identifiers
from asynctasq_mysql.database import Database
from asynctasq_mysql.settings import MySQLConfig

BACK_OFF = 1.1
"""How much longer each pause is than the one before, while nothing comes."""


class MySQLWakeUpStream:
    """The hints for one listener."""

    def __init__(self, open_database: Callable[[], Database], queues: Sequence[str], settings: MySQLConfig) -> None:
        self._open_database = open_database
        self._queues = sorted(set(queues))
        self._shortest = settings.poll_interval
        self._longest = max(settings.poll_interval, settings.max_poll_interval)
        self._pause = self._shortest
        self._signal = anyio.Event()

    def tell(self, queues: set[str]) -> None:
        """This driver committed ready work for these queues."""
        if not queues.isdisjoint(self._queues):
            self._signal.set()

    def interrupt(self) -> None:
        """Let `wait` look around: the driver closes."""
        self._signal.set()

    async def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for a hint.

        Raises:
            DriverClosed: the driver was disconnected.
            DriverUnavailable: the server does not answer.
        """
        await anyio.lowlevel.checkpoint()
        deadline = anyio.current_time() + timeout
        while True:
            database = self._open_database()
            if self._signal.is_set():
                self._signal = anyio.Event()
                return True
            if self._queues and await database.fetch("any_ready", queues=self._queues):
                self._pause = self._shortest
                return True
            left = deadline - anyio.current_time()
            if left <= 0:
                return False
            with anyio.move_on_after(min(left, self._pause)):
                await self._signal.wait()
            self._pause = min(self._pause * BACK_OFF, self._longest)


class MySQLWakeUps:
    """The feature `wake_ups`."""

    def __init__(self, open_database: Callable[[], Database], settings: MySQLConfig) -> None:
        self._open_database = open_database
        self._settings = settings
        self._streams: set[MySQLWakeUpStream] = set()

    def listen(self, queues: Sequence[str]) -> AbstractAsyncContextManager[MySQLWakeUpStream]:
        """A stream of hints for these queues, whoever enqueues."""
        return self._listen(queues)

    @asynccontextmanager
    async def _listen(self, queues: Sequence[str]) -> AsyncGenerator[MySQLWakeUpStream, None]:
        self._open_database()
        check_identifiers("queue", queues)
        await anyio.lowlevel.checkpoint()
        stream = MySQLWakeUpStream(self._open_database, queues, self._settings)
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)

    def tell(self, queues: set[str]) -> None:
        """Ready work of this driver's own was committed."""
        if queues:
            for stream in self._streams:
                stream.tell(queues)

    def interrupt(self) -> None:
        """The driver closes: nobody waits any longer."""
        for stream in self._streams:
            stream.interrupt()
