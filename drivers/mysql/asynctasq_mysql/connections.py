"""A small pool of aiomysql connections.

It is ours because a connection whose call was cancelled, timed out or broke must go at once, and because each must be
at READ COMMITTED before anybody uses it: at REPEATABLE READ a poll of an empty queue would lock the gap that producers
insert into.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from asynctasq_mysql.client import Connection, answered, connect
from asynctasq_mysql.session_checks import begin_session
from asynctasq_mysql.settings import MySQLConfig

T = TypeVar("T")

IDLE_LIFETIME = 300.0
"""Seconds after which an idle connection above `min_pool_size` is closed."""
GRACE = 1.0
"""Seconds for a cancelled command to end."""
CLOSING = 2.0
"""Seconds for a connection to say goodbye."""


async def open_connection(settings: MySQLConfig) -> Connection:
    """A new connection, in a session as this driver needs it.

    Raises:
        ConfigurationError: the server does not give such a session.
    """
    connection = await connect(settings)
    try:
        await begin_session(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


class ConnectionPool:
    """Connections, opened when needed and used last in, first out."""

    def __init__(self, settings: MySQLConfig) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.max_pool_size)
        self._idle: deque[tuple[float, Connection]] = deque()
        self._is_closed = False
        self._clock = asyncio.get_running_loop().time

    async def warm_up(self, count: int) -> None:
        """Open `count` connections."""
        for _ in range(count - len(self._idle)):
            self._idle.append((self._clock(), await open_connection(self._settings)))

    async def close(self) -> None:
        """Close all connections; those in use, if any, as soon as they are given back."""
        self._is_closed = True
        while self._idle:
            await self._idle.pop()[1].close(CLOSING)

    async def run(self, operation: Callable[[Connection], Awaitable[T]]) -> T:
        """Run one operation on a connection of its own. If it fails, its transaction is rolled back."""
        connection = await self._take()
        try:
            result = await operation(connection)
        except BaseException as error:
            await self._take_back_failed(connection, error)
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
                if not connection.is_closed:
                    return connection
                connection.terminate()
            return await open_connection(self._settings)
        except BaseException:
            self._slots.release()
            raise

    async def _take_back_failed(self, connection: Connection, error: BaseException) -> None:
        if answered(error):
            try:
                await connection.run("ROLLBACK")  # of a lock waited for in vain, only the statement was undone
            except BaseException:
                self._discard(connection)
                raise
            self._give_back(connection)
            return
        try:
            if isinstance(error, asyncio.CancelledError):
                await connection.leave(GRACE)
        finally:
            self._discard(connection)

    def _give_back(self, connection: Connection) -> None:
        if self._is_closed:
            connection.terminate()
        elif not connection.is_closed:
            self._idle.append((self._clock(), connection))
        self._slots.release()

    def _discard(self, connection: Connection) -> None:
        connection.terminate()
        self._slots.release()

    async def _close_surplus(self) -> None:
        since, connection = self._idle[0]
        if self._clock() - since > IDLE_LIFETIME:
            self._idle.popleft()
            await connection.close(CLOSING)
