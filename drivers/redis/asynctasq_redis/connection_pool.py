"""The connections of one driver.

redis-py opens a connection and knows the protocol; which server, how many, how long a call may take and what becomes of
a connection afterwards is decided here: nothing is sent twice, unless the server said that it did not even try.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import redis.exceptions as native

from asynctasq.driver_api import DriverUnavailable
from asynctasq_redis.addresses import Address
from asynctasq_redis.error_mapping import mapped
from asynctasq_redis.native_connection import NativeConnection, is_stale, moved_address, packed_command

Command = tuple[Any, ...]

_MOST_REDIRECTIONS = 5


class ConnectionPool:
    """Connections to the one server that an address stands for. For one event loop."""

    def __init__(self, address: Address, *, max_connections: int, command_timeout: float) -> None:
        self._address = address
        self._command_timeout = command_timeout
        self._places = asyncio.Semaphore(max_connections)
        self._idle: list[NativeConnection] = []
        self._in_use: set[NativeConnection] = set()
        self._retired: set[NativeConnection] = set()
        """In use, but to be closed afterwards: a connection to the same server has failed since they were opened."""

    async def call(self, *command: Any) -> Any:
        """Send one command and return the reply.

        Raises:
            DriverError: of the kind that the table of errors says.
            NoScriptError: redis-py's, as it is: whoever sends scripts knows what to do.
        """
        replies = await self.call_all((command,))
        return replies[0]

    async def call_all(self, commands: Sequence[Command], *, connecting: bool = False) -> list[Any]:
        """Send commands at once on one connection, and return all replies.

        Raises:
            DriverError, NoScriptError: as `call`; the first reply that is an error counts.
            ConfigurationError: if `connecting`, for what can never work.
        """
        try:
            async with asyncio.timeout(self._command_timeout), self._places:
                return await self._exchange(commands)
        except native.NoScriptError:
            raise
        except (native.RedisError, OSError, EOFError) as error:
            if isinstance(error, TimeoutError):
                self._address.forget()
                await self._close_idle()
            raise mapped(error, connecting=connecting) from error

    async def open_connections(self, number: int) -> None:
        """Open connections ahead of their use."""
        try:
            async with asyncio.timeout(self._command_timeout):
                while len(self._idle) < number:
                    connection = await self._new_connection()
                    self._in_use.discard(connection)
                    self._idle.append(connection)
        except (native.RedisError, OSError) as error:
            raise mapped(error, connecting=True) from error

    async def own_connection(self) -> NativeConnection:
        """An open connection that the pool does not know of: the caller closes it.

        Raises:
            DriverUnavailable: it can't be opened.
        """
        try:
            async with asyncio.timeout(self._command_timeout):
                connection = await self._new_connection()
        except (native.RedisError, OSError) as error:
            raise DriverUnavailable(str(mapped(error))) from error
        self._in_use.discard(connection)
        return connection

    async def close(self) -> None:
        """Close every idle connection. No call is in flight."""
        await self._close_idle()

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        packed = [packed_command(command) for command in commands]
        for _ in range(_MOST_REDIRECTIONS):
            try:
                return await self._exchange_once(packed)
            except native.MovedError as error:
                self._address.moved_to(*moved_address(error))
                await self._close_idle()
            except (native.ReadOnlyError, native.ClusterDownError, native.MasterDownError):
                self._address.forget()
                await self._close_idle()
                raise
        raise native.ClusterDownError("the nodes of the cluster send us in circles")

    async def _exchange_once(self, packed: list[bytes]) -> list[Any]:
        connection = await self._take()
        try:
            await connection.send_packed_command(packed, check_health=False)
            replies = [await _reply(connection) for _ in packed]
        except BaseException as error:
            # Whatever the reason, even our own cancellation: an answer may still come, so nobody may read here again.
            await self._discard(connection, server_failed=isinstance(error, Exception))
            raise
        await self._give_back(connection)
        for reply in replies:
            if isinstance(reply, native.ResponseError):
                raise reply
        return replies

    async def _take(self) -> NativeConnection:
        while self._idle:
            connection = self._idle.pop()
            self._in_use.add(connection)
            is_usable = False
            try:
                is_usable = connection.is_connected and not await is_stale(connection)
            finally:  # redis-py before 8 waits there, so that a cancelled call may end there
                if not is_usable:
                    await self._discard(connection, server_failed=False)
            if is_usable:
                return connection
        return await self._new_connection()

    async def _new_connection(self) -> NativeConnection:
        connection = None
        try:
            connection = await self._address.new_connection()
            await connection.connect()
        except BaseException as error:
            if connection is not None:
                await connection.disconnect(nowait=True)
            if isinstance(error, Exception):
                self._address.forget()
            raise
        self._in_use.add(connection)
        return connection

    async def _give_back(self, connection: NativeConnection) -> None:
        if connection in self._retired:
            await self._discard(connection, server_failed=False)
        else:
            self._in_use.discard(connection)
            self._idle.append(connection)

    async def _discard(self, connection: NativeConnection, *, server_failed: bool) -> None:
        self._in_use.discard(connection)
        self._retired.discard(connection)
        await connection.disconnect(nowait=True)
        if server_failed:
            self._address.forget()
            await self._close_idle()

    async def _close_idle(self) -> None:
        self._retired |= self._in_use
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.disconnect(nowait=True)


async def _reply(connection: NativeConnection) -> Any:
    try:
        return await connection.read_response()
    except native.ResponseError as refusal:
        return refusal
