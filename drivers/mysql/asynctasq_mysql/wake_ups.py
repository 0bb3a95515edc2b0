"""Wake-ups. The server has no push, so a listener looks at the index: one read that locks nothing.

It looks often while work is coming in, half as often once it stops, and ever more seldom in the half minute after
that. What this driver itself enqueues wakes its listeners at once.
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
RESTING = 2.0
"""Shortest pauses between two looks, once nothing comes any more."""
PATIENCE = 30.0
"""Seconds in which nothing has come, after which the pauses are the longest."""


def next_pause(pause: float, idle: float, *, shortest: float, longest: float) -> float:
    """Seconds until the next look, behind a pause and after so many seconds in which nothing has come."""
    resting = min(pause * BACK_OFF, shortest * RESTING, longest)
    return resting + (longest - resting) * min(idle / PATIENCE, 1.0)


class MySQLWakeUpStream:
    """The hints for one listener."""

    def __init__(self, open_database: Callable[[], Database], queues: Sequence[str], settings: MySQLConfig) -> None:
        self._open_database = open_database
        self._queues = sorted(set(queues))
        self._shortest = settings.poll_interval
        self._longest = max(settings.poll_interval, settings.max_poll_interval)
        self._pause = self._shortest
        self._worked_at = anyio.current_time()
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
                return self._has_work()
            if self._queues and await self._sees_work(database):
                return self._has_work()
            now = anyio.current_time()
            if now >= deadline:
                return False
            with anyio.move_on_after(min(deadline - now, self._pause)):
                await self._signal.wait()
            self._pause = next_pause(self._pause, now - self._worked_at, shortest=self._shortest, longest=self._longest)

    async def _sees_work(self, database: Database) -> bool:
        # Told by a number, since rows are dearer to read: an idle worker does little else.
        return (await database.execute("any_ready", queues=self._queues))[-1].affected > 0

    def _has_work(self) -> bool:
        self._pause = self._shortest
        self._worked_at = anyio.current_time()
        return True


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
