"""Wake-ups: NOTIFY after an enqueue was committed, and LISTEN on one connection of its own.

A notification is a hint and carries nothing: what was lost with a connection is found by the next poll.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from asynctasq.driver_api import DriverClosed, DriverError, DriverUnavailable, check_identifiers
from asynctasq_postgres.client import NATIVE_ERRORS, Connection
from asynctasq_postgres.connections import close_connection, open_connection
from asynctasq_postgres.database import Database
from asynctasq_postgres.error_mapping import own_error

PAUSE_BETWEEN_NOTIFICATIONS = 0.002
"""Seconds: a flood of enqueues is told of at most 500 times a second."""
SILENCE_BEFORE_CHECK = 15.0
"""Seconds without a word from the server after which `wait` asks whether it is still there."""

logger = logging.getLogger("asynctasq.postgres")


class NotificationSender:
    """Tells of committed enqueues, from a task of its own: NOTIFY takes a database-wide lock at commit, which would
    make producers wait for one another. What is announced while one statement is under way goes with the next."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: set[str] = set()
        self._announced = asyncio.Event()
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin sending. `stop()` waits for the task that this starts."""
        self._task = asyncio.create_task(self._run(), name="asynctasq-postgres notifications")

    def announce(self, queues: set[str]) -> None:
        """There is work in these queues. Returns at once."""
        if queues:
            self._pending.update(self._database.names.channel(queue) for queue in queues)
            self._announced.set()

    async def stop(self) -> None:
        """Send what is pending, and end."""
        task, self._task = self._task, None
        if task is not None:
            self._is_stopping = True
            self._announced.set()
            await task

    async def _run(self) -> None:
        while not self._is_stopping:
            await self._announced.wait()
            self._announced.clear()
            if self._pending:
                await self._send_pending()
                await asyncio.sleep(PAUSE_BETWEEN_NOTIFICATIONS)
        if self._pending:
            await self._send_pending()

    async def _send_pending(self) -> None:
        channels, self._pending = sorted(self._pending), set()
        calls = ", ".join(f"pg_notify('{channel}', '')" for channel in channels)
        try:
            # Nothing durable is written, so nobody has to wait for the disk.
            await self._database.execute_script(f"BEGIN; SET LOCAL synchronous_commit = off; SELECT {calls}; COMMIT")
        except DriverError as error:
            logger.debug("wake-ups were lost, and the next poll makes up for them: %s", error)


class PostgresWakeUpStream:
    """The hints for one listener."""

    def __init__(self, listener: "Listener", channels: frozenset[str]) -> None:
        self._listener = listener
        self.channels = channels
        self.hint = asyncio.Event()
        self.ended: DriverError | None = None

    def end(self, error: DriverError) -> None:
        """From now on `wait` raises."""
        self.ended = error
        self.hint.set()

    async def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for a hint.

        Raises:
            DriverUnavailable: the listening connection broke.
            DriverClosed: the driver was disconnected.
        """
        if self.ended is None and not self.hint.is_set():
            await self._listener.check_if_silent()
        try:
            async with asyncio.timeout(timeout):
                await self.hint.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(0)
        if self.ended is not None:
            raise self.ended
        self.hint.clear()
        return True


class Listener:
    """One connection that listens for all streams of a driver; open while there are any."""

    def __init__(self, database: Database, check_open: Callable[[], None]) -> None:
        self._database = database
        self._check_open = check_open
        self._connection: Connection | None = None
        self._streams: set[PostgresWakeUpStream] = set()
        self._listening_to: set[str] = set()
        self._changing = asyncio.Lock()
        self._heard_at = 0.0

    def listen(self, queues: Sequence[str]) -> AbstractAsyncContextManager[PostgresWakeUpStream]:
        """A stream of hints for these queues, whoever enqueues."""
        return self._listen(queues)

    @asynccontextmanager
    async def _listen(self, queues: Sequence[str]) -> AsyncGenerator[PostgresWakeUpStream, None]:
        self._check_open()
        check_identifiers("queue", queues)
        stream = PostgresWakeUpStream(self, frozenset(map(self._database.names.channel, queues)))
        async with self._changing:
            await self._add(stream)
        try:
            yield stream
        finally:
            await self._remove(stream)

    async def close(self) -> None:
        """End all streams."""
        async with self._changing:
            for stream in list(self._streams):
                stream.end(DriverClosed("the driver was disconnected, and its wake-ups ended with it"))
            self._streams.clear()
            await self._close_connection()

    async def check_if_silent(self) -> None:
        """Make sure that a connection that has been silent for long is still there: a dead peer says nothing."""
        now = asyncio.get_running_loop().time()
        if now - self._heard_at < SILENCE_BEFORE_CHECK or self._changing.locked():
            return
        async with self._changing:
            if self._connection is None:
                return
            self._heard_at = now
            try:
                await self._connection.execute("SELECT 1")
            except NATIVE_ERRORS as error:
                self._break(error)

    async def _add(self, stream: PostgresWakeUpStream) -> None:
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await open_connection(self._database.settings)
                self._listening_to.clear()
                self._connection.add_termination_listener(self._on_termination)
            self._streams.add(stream)
            for channel in stream.channels - self._listening_to:
                await self._connection.add_listener(channel, self._on_notification)
                self._listening_to.add(channel)
            self._heard_at = asyncio.get_running_loop().time()
        except NATIVE_ERRORS as error:
            self._streams.discard(stream)
            self._break(error)
            raise own_error(error) from error
        except BaseException:
            self._streams.discard(stream)
            self._break(ConnectionError("a call on the listening connection was cancelled"))
            raise

    async def _remove(self, stream: PostgresWakeUpStream) -> None:
        self._streams.discard(stream)
        if not self._streams:
            async with self._changing:
                if not self._streams:
                    await self._close_connection()

    def _break(self, error: BaseException) -> None:
        """Whatever state the connection is in: end all streams, and begin anew with the next one."""
        self._end_streams(error)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _close_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await close_connection(connection)

    def _end_streams(self, error: BaseException) -> None:
        for stream in self._streams:
            ended = DriverUnavailable("the connection that carries wake-ups broke; listen again, and poll at once")
            ended.__cause__ = error
            stream.end(ended)
        self._streams.clear()

    def _on_notification(self, connection: object, process: int, channel: str, payload: object) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        for stream in self._streams:
            if channel in stream.channels:
                stream.hint.set()

    def _on_termination(self, connection: object) -> None:
        if connection is self._connection:
            self._connection = None
            self._end_streams(ConnectionError("PostgreSQL closed the connection"))
