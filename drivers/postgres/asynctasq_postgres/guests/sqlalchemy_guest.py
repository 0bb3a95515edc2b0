"""SQLAlchemy 2's connections and sessions, over asyncpg or psycopg."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import BigInteger, Connection, Double, Integer, SmallInteger, String, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.types import TypeEngine

from asynctasq.driver_api import InvalidArgument
from asynctasq_postgres.client import Row
from asynctasq_postgres.guests.guest import (
    AsyncGuest,
    SyncGuest,
    no_transaction,
    placeholder_types,
    with_placeholders,
)

_TYPES: dict[str, TypeEngine[Any]] = {
    "bigint": BigInteger(),
    "integer": Integer(),
    "smallint": SmallInteger(),
    "double precision": Double(),
    "text": String(),
    "bytea": BYTEA(),
    "timestamptz": TIMESTAMP(timezone=True),
}


class SQLAlchemyAsyncGuest(AsyncGuest):
    """An `AsyncConnection`, an `AsyncSession`, or a scoped one."""

    def __init__(self, connectable: "AsyncConnection | AsyncSession | async_scoped_session[Any]") -> None:
        self._connectable = connectable

    async def enter(self) -> None:
        """SQLAlchemy begins a transaction with the first statement, unless it commits automatically."""
        connection = await self._connection()
        await connection.run_sync(_refuse_autocommit)

    async def fetch(self, statement: str, arguments: Sequence[Any]) -> Sequence[Row]:
        """Run one statement."""
        connection = await self._connection()
        result = await connection.execute(*_query(statement, arguments))
        return [tuple(row) for row in result.fetchall()]

    async def _connection(self) -> AsyncConnection:
        if isinstance(self._connectable, AsyncConnection):
            return self._connectable
        return await self._connectable.connection()


class SQLAlchemyGuest(SyncGuest):
    """A `Connection`, a `Session`, or a scoped one."""

    def __init__(self, connectable: "Connection | Session | scoped_session[Any]") -> None:
        self._connectable = connectable

    def enter(self) -> None:
        """As `SQLAlchemyAsyncGuest.enter`."""
        _refuse_autocommit(self._connection())

    def fetch(self, statement: str, arguments: Sequence[Any]) -> Sequence[Row]:
        """Run one statement."""
        result = self._connection().execute(*_query(statement, arguments))
        return [tuple(row) for row in result.fetchall()]

    def _connection(self) -> Connection:
        return self._connectable if isinstance(self._connectable, Connection) else self._connectable.connection()


def _refuse_autocommit(connection: Connection) -> None:
    if connection.dialect.name != "postgresql":
        raise InvalidArgument(f"this connection speaks to {connection.dialect.name}; wanted one to PostgreSQL")
    if getattr(connection.connection.dbapi_connection, "autocommit", False):
        raise no_transaction("this connection commits automatically")


def _query(statement: str, arguments: Sequence[Any]) -> tuple[TextClause, dict[str, Any]]:
    parameters = [
        bindparam(f"p{number}", type_=_type(name)) for number, name in enumerate(placeholder_types(statement), start=1)
    ]
    clause = text(with_placeholders(statement, r"CAST(:p\1 AS \2)")).bindparams(*parameters)
    return clause, {f"p{number}": value for number, value in enumerate(arguments, start=1)}


def _type(name: str) -> TypeEngine[Any]:
    element = _TYPES[name.removesuffix("[]")]
    return ARRAY(element) if name.endswith("[]") else element


def guest_of(connection: object) -> SQLAlchemyAsyncGuest | SQLAlchemyGuest | None:
    """The guest for this connection or session, if it is one of SQLAlchemy."""
    if isinstance(connection, AsyncConnection | AsyncSession | async_scoped_session):
        return SQLAlchemyAsyncGuest(cast("AsyncConnection | AsyncSession | async_scoped_session[Any]", connection))
    if isinstance(connection, Connection | Session | scoped_session):
        return SQLAlchemyGuest(cast("Connection | Session | scoped_session[Any]", connection))
    return None
