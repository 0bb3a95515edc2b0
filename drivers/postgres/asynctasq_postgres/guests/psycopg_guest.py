"""psycopg 3's connections."""

from collections.abc import Sequence
from typing import Any, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from asynctasq_postgres.client import Row
from asynctasq_postgres.guests.guest import AsyncGuest, SyncGuest, no_transaction, with_placeholders


class PsycopgAsyncGuest(AsyncGuest):
    """An `AsyncConnection`."""

    def __init__(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        self._connection = connection

    async def enter(self) -> None:
        """psycopg begins a transaction with the first statement, unless it commits automatically."""
        _refuse_autocommit(self._connection)

    async def fetch(self, statement: str, arguments: Sequence[Any]) -> Sequence[Row]:
        """Run one statement."""
        async with psycopg.AsyncCursor(self._connection, row_factory=tuple_row) as cursor:
            await cursor.execute(*_query(statement, arguments), prepare=False)
            return await cursor.fetchall()


class PsycopgGuest(SyncGuest):
    """A `Connection`."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def enter(self) -> None:
        """As `PsycopgAsyncGuest.enter`."""
        _refuse_autocommit(self._connection)

    def fetch(self, statement: str, arguments: Sequence[Any]) -> Sequence[Row]:
        """Run one statement."""
        with psycopg.Cursor(self._connection, row_factory=tuple_row) as cursor:
            cursor.execute(*_query(statement, arguments), prepare=False)
            return cursor.fetchall()


def _refuse_autocommit(connection: "psycopg.AsyncConnection[Any] | psycopg.Connection[Any]") -> None:
    if connection.autocommit and connection.info.transaction_status is TransactionStatus.IDLE:
        raise no_transaction("this connection commits automatically and has no transaction open")


def _query(statement: str, arguments: Sequence[Any]) -> tuple[bytes, dict[str, Any]]:
    text = with_placeholders(statement, r"%(p\1)s::\2")
    return text.encode(), {f"p{number}": value for number, value in enumerate(arguments, start=1)}


def guest_of(connection: object) -> PsycopgAsyncGuest | PsycopgGuest | None:
    """The guest for this connection, if it is one of psycopg."""
    if isinstance(connection, psycopg.AsyncConnection):
        return PsycopgAsyncGuest(cast("psycopg.AsyncConnection[Any]", connection))
    if isinstance(connection, psycopg.Connection):
        return PsycopgGuest(cast("psycopg.Connection[Any]", connection))
    return None
