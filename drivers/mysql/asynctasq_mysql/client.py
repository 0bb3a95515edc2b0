"""aiomysql, as far as this driver uses it, with types: aiomysql has none of its own."""

import asyncio
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, cast

import aiomysql  # pyright: ignore[reportMissingTypeStubs]
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


class _PatientConnection(aiomysql.Connection):  # pyright: ignore[reportUntypedBaseClass]
    """aiomysql's, but for this: cancelled, it is not closed at once, but left to its user to close."""

    def _close_on_cancel(self) -> None:
        pass


class Connection:
    """A connection whose every round trip has an end."""

    def __init__(self, native: Any, timeout: float | None) -> None:
        self._native = native
        self.timeout = timeout
        """Seconds for one round trip to be answered. None: however long it takes."""
        self.packet_limit = 1 << 20
        """Bytes that one round trip may send."""

    @property
    def is_closed(self) -> bool:
        """Whether it is known to be of no more use."""
        if self._native.closed:
            return True
        reader: asyncio.StreamReader | None = getattr(self._native, "_reader", None)
        return reader is None or reader.at_eof() or reader.exception() is not None

    async def run(self, sql: str) -> list[Result]:
        """One round trip, with any number of statements. An error ends them where it occurred."""
        async with asyncio.timeout(self.timeout):
            await self._native.query(sql.encode("ascii"))
            results = [self._result()]
            while self._last_has_next():
                await self._native.next_result()
                results.append(self._result())
        return results

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
        reader: asyncio.StreamReader | None = getattr(self._native, "_reader", None)
        writer: asyncio.StreamWriter | None = getattr(self._native, "_writer", None)
        if reader is not None and writer is not None:
            with anyio.move_on_after(grace, shield=True), suppress(*NATIVE_ERRORS):  # gone is as good as ended
                writer.write(_GOODBYE)
                while await reader.read(65_536):
                    pass

    def terminate(self) -> None:
        """Close at once. What the server says next would be the answer to a question that nobody asks any more."""
        self._native.close()

    # aiomysql's cursors ask for warnings in a round trip of their own, so the results are read where they are made.
    def _result(self) -> Result:
        native: Any = getattr(self._native, "_result")  # noqa: B009
        return Result(native.affected_rows or 0, native.rows or ())

    def _last_has_next(self) -> bool:
        native: Any = getattr(self._native, "_result")  # noqa: B009
        return bool(native.has_next)


async def connect(settings: MySQLConfig) -> Connection:
    """Open a connection."""
    native = cast("Any", _PatientConnection(**settings.connect_arguments()))
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
