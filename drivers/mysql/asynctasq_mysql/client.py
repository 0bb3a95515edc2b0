"""aiomysql, as far as this driver uses it: many statements in one round trip, and an end to each."""

import asyncio
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import aiomysql
import anyio
import pymysql

from asynctasq_mysql.error_mapping import server_code
from asynctasq_mysql.settings import MySQLConfig

Row = Sequence[Any]
"""One row, its columns by number."""

MySQLError = pymysql.err.MySQLError
"""The server answered with an error, or the client library found one."""

NATIVE_ERRORS: tuple[type[BaseException], ...] = (MySQLError, OSError, EOFError, TimeoutError, struct.error)
"""Everything that aiomysql raises on its own."""

_GOODBYE = b"\x01\x00\x00\x00\x01"
"""The packet that asks the server to hang up."""

IN_TRANSACTION = 0x0001
AUTOCOMMIT = 0x0002
"""Bits of the status that the server sends with every answer."""


class Result(NamedTuple):
    """What one statement gave."""

    affected: int
    rows: Sequence[Row]


class NativeConnection(aiomysql.Connection):
    """aiomysql's own, and public names for what its cursors use of it.

    Those cursors ask for warnings in a round trip of their own, and make Python's of them, so this driver reads the
    results where they are made.
    """

    is_interrupted = False
    """A command was cancelled, and its answer would be taken for that of the next one."""

    def _close_on_cancel(self) -> None:
        self.is_interrupted = True  # left to `Connection.leave`, which waits until the server has ended the command

    @property
    def is_at_end(self) -> bool:
        """Whether the server is known to have hung up."""
        return self._reader is None or self._reader.at_eof() or self._reader.exception() is not None

    async def say_goodbye(self) -> None:
        """Ask the server to hang up, and read on until it does."""
        if self._reader is not None and self._writer is not None:
            self._writer.write(_GOODBYE)
            while await self._reader.read(65_536):
                continue

    @staticmethod
    def result_of(connection: aiomysql.Connection) -> tuple[Result, bool]:
        """What the last statement of any connection gave, and whether another one's result follows."""
        result = connection._result
        if result is None:
            raise pymysql.err.InterfaceError("the connection was closed while it was used")
        return Result(result.affected_rows or 0, result.rows or ()), bool(result.has_next)


async def run_statements(native: aiomysql.Connection, sql: str) -> list[Result]:
    """Run any number of statements, in one round trip. An error ends them where it occurred."""
    await native.query(sql.encode("ascii"))
    result, has_next = NativeConnection.result_of(native)
    results = [result]
    while has_next:
        await native.next_result()
        result, has_next = NativeConnection.result_of(native)
        results.append(result)
    return results


class Connection:
    """A connection of the driver's own, whose every round trip has an end."""

    def __init__(self, native: NativeConnection, timeout: float | None) -> None:
        self._native = native
        self.timeout = timeout
        """Seconds for one round trip to be answered. None: however long it takes."""
        self.packet_limit = 1 << 20
        """Bytes that one round trip may send."""

    @property
    def is_closed(self) -> bool:
        """Whether it is known to be of no more use."""
        return self._native.closed or self._native.is_interrupted or self._native.is_at_end

    async def run(self, sql: str) -> list[Result]:
        """One round trip, with any number of statements. An error ends them where it occurred."""
        async with asyncio.timeout(self.timeout):
            return await run_statements(self._native, sql)

    async def run_all(self, statements: Sequence[str]) -> list[Result]:
        """Any number of statements, in as few round trips as the server's limit of their size allows."""
        results: list[Result] = []
        batch: list[str] = []
        size = 0
        for statement in statements:
            if batch and size + len(statement) > self.packet_limit:
                results += await self.run(";".join(batch))
                batch, size = [], 0
            batch.append(statement)
            size += len(statement) + 1
        if batch:
            results += await self.run(";".join(batch))
        return results

    async def close(self, timeout: float) -> None:
        """Say goodbye, and close whatever the answer."""
        try:
            async with asyncio.timeout(timeout):
                await self._native.ensure_closed()
        except NATIVE_ERRORS:
            self.terminate()
        except BaseException:
            self.terminate()
            raise

    async def leave(self, grace: float) -> None:
        """Let the server end what it was told last, at most `grace` seconds long, and hang up.

        After a cancelled command, so that what it did is done when its caller goes on, and no lock of it is left: the
        server reads the goodbye once it has ended the command, and then hangs up.
        """
        with anyio.move_on_after(grace, shield=True), suppress(*NATIVE_ERRORS):  # gone is as good as ended
            await self._native.say_goodbye()

    def terminate(self) -> None:
        """Close at once. What the server says next would be the answer to a question that nobody asks any more."""
        self._native.close()


async def connect(settings: MySQLConfig) -> Connection:
    """Open a connection."""
    native = NativeConnection(**settings.connect_arguments())
    try:
        async with asyncio.timeout(settings.connect_timeout):
            await native.ping(reconnect=True)
    except BaseException:
        native.close()
        raise
    return Connection(native, settings.command_timeout)


def answered(error: BaseException) -> bool:
    """Whether the server itself reported the error, so that the connection is in order."""
    return isinstance(error, MySQLError) and server_code(error) is not None
