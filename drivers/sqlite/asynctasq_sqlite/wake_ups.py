"""Wake-ups: within this driver directly after the commit, across drivers and processes by a watch on the file.

A write to the log tells that a transaction is being committed, not that it is: the listener then asks SQLite until the
commit shows, and looks whether it brought work for its queues. So a listener costs next to nothing at rest, is never
woken before the commit, and is not woken by the work of other queues.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import anyio.lowlevel

from asynctasq.driver_api import DriverUnavailable, check_identifiers
from asynctasq_sqlite.file_watch import FileWatch, watch_file
from asynctasq_sqlite.session import Session, to_json
from asynctasq_sqlite.settings import SQLiteConfig
from asynctasq_sqlite.store import Store

_SHORTEST_PAUSE = 0.001
_LONGEST_PAUSE = 0.02
_COMMIT_SHOWS_WITHIN = 0.25
"""Seconds after a write in which its commit is waited for."""


class SQLiteWakeUpStream:
    """The hints for one listener."""

    def __init__(self, open_store: Callable[[], Store], queues: Sequence[str], watch: FileWatch) -> None:
        self._open_store = open_store
        self._queues = frozenset(queues)
        self._wanted = to_json(tuple(queues))
        self._watch = watch
        self._seen = 0
        """The last version of the database that was looked at."""
        self._is_told = False
        self._signal = anyio.Event()
        self._look_until = 0.0
        self._pause = _SHORTEST_PAUSE

    async def begin(self) -> None:
        """From here on no commit is missed."""
        self._seen = await self._open_store().reader.run(_version)
        self._expect_commit()

    def tell(self, queues: frozenset[str]) -> None:
        """This driver committed ready work for these queues."""
        if not self._queues.isdisjoint(queues):
            self._is_told = True
            self._signal.set()

    def interrupt(self) -> None:
        """Let `wait` look around: the driver closes."""
        self._signal.set()

    async def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for a hint.

        Raises:
            DriverClosed: the driver was disconnected.
            DriverUnavailable: the file can't be watched any more.
        """
        await anyio.lowlevel.checkpoint()
        deadline = anyio.current_time() + timeout
        while True:
            store = self._open_store()
            if self._is_told or await self._sees_work(store):
                self._is_told = False
                return True
            left = deadline - anyio.current_time()
            if left <= 0:
                return False
            await self._rest(min(left, self._pause_now()))

    async def _sees_work(self, store: Store) -> bool:
        try:
            if self._watch.take_change():
                self._expect_commit()
        except OSError as error:
            raise DriverUnavailable(f"the database's log can't be watched any more: {error}. Listen again") from error
        if anyio.current_time() >= self._look_until:
            return False

        def look(session: Session) -> tuple[int, bool]:
            version = _version(session)
            if version == self._seen:
                return version, False
            return version, bool(session.value("any_ready", self._wanted, session.now))

        self._seen, has_work = await store.reader.run(look)
        return has_work

    def _expect_commit(self) -> None:
        now = anyio.current_time()
        if now >= self._look_until:
            self._pause = _SHORTEST_PAUSE
        self._look_until = now + _COMMIT_SHOWS_WITHIN

    def _pause_now(self) -> float:
        pause = self._watch.seconds_to_next_look()
        if anyio.current_time() < self._look_until:
            pause = min(pause, self._pause)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return pause

    async def _rest(self, seconds: float) -> None:
        # While a commit is awaited, further writes are no news: they would only have the same looked at more often.
        is_looking = anyio.current_time() < self._look_until
        if not is_looking:
            self._watch.signal_changes(self._signal.set)
        try:
            with anyio.move_on_after(seconds):
                await self._signal.wait()
        finally:
            if not is_looking:
                self._watch.signal_changes(None)
        if self._signal.is_set():
            self._signal = anyio.Event()


def _version(session: Session) -> int:
    """A number that changes when another connection has committed."""
    return session.value("data_version")


class SQLiteWakeUps:
    """The feature `wake_ups`."""

    def __init__(self, settings: SQLiteConfig, open_store: Callable[[], Store]) -> None:
        self._settings = settings
        self._open_store = open_store
        self._streams: set[SQLiteWakeUpStream] = set()

    def listen(self, queues: Sequence[str]) -> AbstractAsyncContextManager[SQLiteWakeUpStream]:
        """A stream of hints for these queues, whichever driver or process enqueues."""
        return self._listen(queues)

    @asynccontextmanager
    async def _listen(self, queues: Sequence[str]) -> AsyncGenerator[SQLiteWakeUpStream, None]:
        store = self._open_store()
        check_identifiers("queue", queues)
        log = f"{store.path}-wal"
        try:
            watch = watch_file(log, notified=self._settings.watch_files, poll_interval=self._settings.poll_interval)
        except OSError as error:
            raise DriverUnavailable(f"{log!r} can't be watched: {error}") from error
        stream = SQLiteWakeUpStream(self._open_store, queues, watch)
        self._streams.add(stream)
        try:
            await stream.begin()
            yield stream
        finally:
            self._streams.discard(stream)
            watch.close()

    def tell(self, queues: frozenset[str]) -> None:
        """Ready work of this driver's own was committed."""
        for stream in self._streams:
            stream.tell(queues)

    def interrupt(self) -> None:
        """The driver closes: nobody waits any longer."""
        for stream in self._streams:
            stream.interrupt()
