"""Callers' own connections, as far as this driver uses them: one statement at a time, and whether one has begun."""

import sys
from typing import Any, Protocol

import aiomysql
import pymysql
import pymysql.cursors

from asynctasq.driver_api import InvalidArgument
from asynctasq_mysql.client import AUTOCOMMIT, IN_TRANSACTION, Result, run_statements


class AsyncGuest(Protocol):
    """A connection that awaits."""

    async def run(self, sql: str) -> Result:
        """Run one statement."""
        ...

    async def begun(self) -> bool:
        """Whether a transaction is open, or opens with the next statement."""
        ...


class SyncGuest(Protocol):
    """A synchronous connection."""

    def run(self, sql: str) -> Result:
        """Run one statement."""
        ...

    def begun(self) -> bool:
        """Whether a transaction is open, or opens with the next statement."""
        ...


# Whoever has a connection of SQLAlchemy has imported it.


def async_guest_of(connection: Any) -> AsyncGuest | None:
    """Bind to a caller's connection, if it is one that awaits."""
    if isinstance(connection, aiomysql.Connection):
        return _AiomysqlGuest(connection)
    sqlalchemy: Any = sys.modules.get("sqlalchemy.ext.asyncio")
    if sqlalchemy is not None and isinstance(connection, sqlalchemy.AsyncConnection | sqlalchemy.AsyncSession):
        return _AsyncSqlalchemyGuest(connection, is_session=isinstance(connection, sqlalchemy.AsyncSession))
    return None


def sync_guest_of(connection: Any) -> SyncGuest:
    """Bind to a caller's connection, which must be a synchronous one.

    Raises:
        InvalidArgument: it is none that this driver knows.
    """
    if isinstance(connection, pymysql.connections.Connection):
        return _PyMySQLGuest(connection)
    engine: Any = sys.modules.get("sqlalchemy.engine")
    if engine is not None and isinstance(connection, engine.Connection):
        return _SqlalchemyGuest(connection, is_session=False)
    orm: Any = sys.modules.get("sqlalchemy.orm")
    if orm is not None and isinstance(connection, orm.Session):
        return _SqlalchemyGuest(connection, is_session=True)
    raise InvalidArgument(
        f"the connection is of type {type(connection).__module__}.{type(connection).__qualname__}; wanted a connection "
        "of aiomysql or PyMySQL, or a connection or session of SQLAlchemy"
    )


def _is_begun(native: Any) -> bool:
    """By the status that the server has sent last. Without autocommit, whatever comes next begins a transaction."""
    status = getattr(native, "server_status", IN_TRANSACTION)
    return bool(status & IN_TRANSACTION) or not status & AUTOCOMMIT


class _AiomysqlGuest:
    def __init__(self, connection: aiomysql.Connection) -> None:
        self._native = connection

    async def begun(self) -> bool:
        if self._native.closed:
            raise InvalidArgument("the connection is closed; wanted one with a transaction open")
        return _is_begun(self._native)

    async def run(self, sql: str) -> Result:
        return (await run_statements(self._native, sql))[0]


class _PyMySQLGuest:
    def __init__(self, connection: Any) -> None:
        self._native = connection

    def begun(self) -> bool:
        if not self._native.open:
            raise InvalidArgument("the connection is closed; wanted one with a transaction open")
        return _is_begun(self._native)

    def run(self, sql: str) -> Result:
        with self._native.cursor(pymysql.cursors.Cursor) as cursor:
            affected = cursor.execute(sql)
            return Result(affected, cursor.fetchall())


class _AsyncSqlalchemyGuest:
    def __init__(self, given: Any, *, is_session: bool) -> None:
        self._given = given
        self._is_session = is_session

    async def _connection(self) -> Any:
        # Of a session: asked each time, since only that sends a SAVEPOINT that the caller has begun.
        return await self._given.connection() if self._is_session else self._given

    async def begun(self) -> bool:
        connection = await self._connection()
        return _is_begun((await connection.get_raw_connection()).driver_connection)

    async def run(self, sql: str) -> Result:
        result = await (await self._connection()).exec_driver_sql(sql)
        return Result(result.rowcount, result.fetchall() if result.returns_rows else ())


class _SqlalchemyGuest:
    def __init__(self, given: Any, *, is_session: bool) -> None:
        self._given = given
        self._is_session = is_session

    def _connection(self) -> Any:
        return self._given.connection() if self._is_session else self._given

    def begun(self) -> bool:
        return _is_begun(self._connection().connection.driver_connection)

    def run(self, sql: str) -> Result:
        result = self._connection().exec_driver_sql(sql)
        return Result(result.rowcount, result.fetchall() if result.returns_rows else ())
