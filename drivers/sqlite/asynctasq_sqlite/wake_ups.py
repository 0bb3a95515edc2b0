"""Wake-ups: within this driver directly after the commit, across drivers and processes by a watch on the file.

A write to the log tells that a transaction is being committed, not that it is: the listener then asks SQLite until the
commit shows, and looks whether it brought work for its queues. So a listener costs next to nothing at rest, is never
woken before the commit, and is not woken by the work of other queues.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, nullcontext

import anyio
import anyio.lowlevel

from asynctasq.driver_api import DriverUnavailable, check_identifiers
from asynctasq_sqlite.file_watch import FileWatch, watch_file
from asynctasq_sqlite.session import Session, to_json
from asynctasq_sqlite.settings import SQLiteConfig
from asynctasq_sqlite.store import Store

_SHORTEST_PAUSE = 0.001
_LONGEST_PAUSE = 0.02
_SLOWER = 1.4
"""From one look to the next, the pause grows by this."""

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
        self._has_news = True
        """There were writes since the last look."""
        self._look_until = 0.0
        """While a commit may be under way."""
        self._next_look = 0.0
        self._pause = _SHORTEST_PAUSE
        """Until the next look, if this one is too early."""
        self._least_pause = _SHORTEST_PAUSE
        """Grows with every commit that brought nothing, so that busy neighbours cost little."""

    async def begin(self) -> None:
        """From here on no commit is missed."""
        self._seen = await self._open_store().reader.run(_version)
        self._next_look = anyio.current_time()
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
            self._take_news()
            now = anyio.current_time()
            if self._next_look <= now < self._look_until:
                self._is_told |= await self._look(store)
                now = anyio.current_time()
            if self._is_told:
                self._is_told = False
                return True
            if deadline <= now:
                return False
            pause = min(deadline - now, self._watch.seconds_to_next_look())
            if now < self._look_until:
                pause = min(pause, max(self._next_look - now, 0))
            await self._rest(pause)

    def _take_news(self) -> None:
        try:
            if self._watch.take_change():
                self._expect_commit()
        except OSError as error:
            raise DriverUnavailable(f"the database's log can't be watched any more: {error}. Listen again") from error

    def _expect_commit(self) -> None:
        now = anyio.current_time()
        if now >= self._look_until:
            self._least_pause = _SHORTEST_PAUSE
        self._has_news = True
        self._look_until = now + _COMMIT_SHOWS_WITHIN
        self._next_look += self._least_pause - self._pause
        self._pause = self._least_pause

    async def _look(self, store: Store) -> bool:
        def look(session: Session) -> tuple[int, bool]:
            version = _version(session)
            if version == self._seen:
                return version, False
            return version, bool(session.value("any_ready", self._wanted, session.now))

        self._has_news = False
        version, has_work = await store.reader.run(look)
        if has_work:
            self._least_pause = self._pause = _SHORTEST_PAUSE
        else:
            if version != self._seen:
                self._least_pause = min(self._least_pause * 2, _LONGEST_PAUSE)
            self._pause = min(max(self._pause * _SLOWER, self._least_pause), _LONGEST_PAUSE)
        self._seen = version
        self._next_look = anyio.current_time() + self._pause
        return has_work

    async def _rest(self, seconds: float) -> None:
        is_notified = not self._has_news or anyio.current_time() >= self._look_until
        with self._watch.signalling(self._signal.set) if is_notified else nullcontext():
            with anyio.move_on_after(seconds):
                await self._signal.wait()
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
        with ExitStack() as stack:
            settings = self._settings
            watch = watch_file(log, notified=settings.watch_files, poll_interval=settings.poll_interval)
            try:
                stream = SQLiteWakeUpStream(self._open_store, queues, stack.enter_context(watch))
            except OSError as error:
                raise DriverUnavailable(f"{log!r} can't be watched: {error}") from error
            self._streams.add(stream)
            stack.callback(self._streams.discard, stream)
            await stream.begin()
            yield stream

    def tell(self, queues: frozenset[str]) -> None:
        """Ready work of this driver's own was committed."""
        for stream in self._streams:
            stream.tell(queues)

    def interrupt(self) -> None:
        """The driver closes: nobody waits any longer."""
        for stream in self._streams:
            stream.interrupt()
