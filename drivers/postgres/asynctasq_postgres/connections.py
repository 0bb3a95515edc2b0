"""A small pool of asyncpg connections.

It is ours for two reasons: asyncpg's own resets a session with a statement per use (65 us), and a connection whose
call was cancelled, timed out or broke is never used again: what it says next would be the answer to a question that
nobody asks any more.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from asynctasq.driver_api import ConfigurationError
from asynctasq_postgres.client import NATIVE_ERRORS, Connection, PostgresError, connect
from asynctasq_postgres.settings import PostgresConfig

T = TypeVar("T")

IDLE_LIFETIME = 300.0
"""Seconds after which an idle connection above `min_pool_size` is closed."""
CLOSING = 2.0
"""Seconds for a connection to say goodbye."""


async def open_connection(settings: PostgresConfig) -> Connection:
    """A new connection.

    Raises:
        ConfigurationError: the address can't be read, or a file of the TLS settings is missing.
    """
    try:
        return await connect(**settings.connect_arguments())
    except FileNotFoundError:
        settings.check_files()  # a Unix socket may be what is missing, and that is an outage
        raise
    except ValueError as error:
        if isinstance(error, NATIVE_ERRORS):
            raise
        # Without the native error, which quotes what it could not read: a password, if somebody left it unescaped.
        raise ConfigurationError(
            "the `dsn` can't be read; wanted postgresql://user:password@host:port/database, with every special "
            "character of user and password as %XX, and a number as the port (`PGPORT` as well)"
        ) from None


async def close_connection(connection: Connection) -> None:
    """Say goodbye, and close whatever the answer."""
    try:
        await connection.close(timeout=CLOSING)
    except NATIVE_ERRORS:
        connection.terminate()
    except BaseException:
        connection.terminate()
        raise


class ConnectionPool:
    """Connections, opened when needed and used last in, first out."""

    def __init__(self, settings: PostgresConfig) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.max_pool_size)
        self._idle: deque[tuple[float, Connection]] = deque()
        self._is_closed = False
        self._closing: set[asyncio.Task[None]] = set()
        self._clock = asyncio.get_running_loop().time

    async def warm_up(self, count: int) -> None:
        """Open `count` connections."""
        for _ in range(count - len(self._idle)):
            self._idle.append((self._clock(), await open_connection(self._settings)))

    async def close(self) -> None:
        """Close all connections; those in use, if any, as soon as they are given back."""
        self._is_closed = True
        while self._idle:
            await close_connection(self._idle.pop()[1])
        if self._closing:
            await asyncio.wait(self._closing)

    async def run(self, operation: Callable[[Connection], Awaitable[T]]) -> T:
        """Run one operation on a connection of its own."""
        connection = await self._take()
        try:
            result = await operation(connection)
        except PostgresError:
            self._give_back(connection)  # the server answered: the connection is in order, or known to be closed
            raise
        except asyncio.CancelledError:
            await self._withdraw(connection)
            raise
        except BaseException:
            self._discard(connection)
            raise
        self._give_back(connection)
        if len(self._idle) > self._settings.min_pool_size:
            await self._close_surplus()
        return result

    async def _take(self) -> Connection:
        if self._slots.locked():
            async with asyncio.timeout(self._settings.command_timeout):
                await self._slots.acquire()
        else:
            await self._slots.acquire()
        try:
            while self._idle:
                _, connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
            return await open_connection(self._settings)
        except BaseException:
            self._slots.release()
            raise

    def _give_back(self, connection: Connection) -> None:
        if self._is_closed:
            connection.terminate()
        elif not connection.is_closed():
            self._idle.append((self._clock(), connection))
        self._slots.release()

    async def _withdraw(self, connection: Connection) -> None:
        """The caller was cancelled: asyncpg has asked the server to cancel the statement. Once that is over, the call
        has been applied or has not, and nothing happens behind the caller's back."""
        try:
            with anyio.move_on_after(CLOSING, shield=True):
                await close_connection(connection)
        finally:
            connection.terminate()
            self._slots.release()

    def _discard(self, connection: Connection) -> None:
        """Nobody waits for a connection that did not answer; the server is asked all the same to cancel the statement,
        or it would wait for its locks for ever."""
        closing = asyncio.create_task(self._close_in_time(connection))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._slots.release()

    async def _close_in_time(self, connection: Connection) -> None:
        with anyio.move_on_after(CLOSING):
            await close_connection(connection)
        connection.terminate()

    async def _close_surplus(self) -> None:
        since, connection = self._idle[0]
        if self._clock() - since > IDLE_LIFETIME:
            self._idle.popleft()
            await close_connection(connection)
