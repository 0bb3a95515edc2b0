"""A caller's own connection of every kind, behind one face."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiomysql
import pymysql
from asynctasq_mysql import MySQLConfig, MySQLDriver
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from asynctasq.driver_api import EnqueueOutcome, NewTask, Settlement, SettleOutcome


class Guest:
    """A connection, and how to end and to run things on it."""

    def __init__(self, connection: Any, execute: Callable[[str], Any]) -> None:
        self.connection = connection
        self._execute = execute

    async def execute(self, statement: str) -> Any:
        """Run a statement of the caller's own."""
        return await _awaited(self._execute(statement))

    async def commit(self) -> None:
        """Commit."""
        await _awaited(self.connection.commit())

    async def rollback(self) -> None:
        """Roll back."""
        await _awaited(self.connection.rollback())

    async def enqueue(self, driver: MySQLDriver, *tasks: NewTask) -> list[EnqueueOutcome]:
        """Enqueue on this connection."""
        return await _awaited(driver.transactions.on(self.connection).enqueue_many(tasks))

    async def settle(self, driver: MySQLDriver, *settlements: Settlement) -> list[SettleOutcome]:
        """Settle on this connection."""
        return await _awaited(driver.transactions.on(self.connection).settle_many(settlements))

    async def savepoint(self) -> Any:
        """Begin a savepoint; what it gives has `rollback()`."""
        if hasattr(self.connection, "begin_nested"):
            return await _awaited(self.connection.begin_nested())
        await self.execute("SAVEPOINT guest")
        return _Savepoint(self)


class _Savepoint:
    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    async def rollback(self) -> None:
        await self._guest.execute("ROLLBACK TO SAVEPOINT guest")


async def _awaited(value: Any) -> Any:
    return await value if isinstance(value, Awaitable) else value


def arguments_of(settings: MySQLConfig, isolation: str, *, aio: bool = True, **more: Any) -> dict[str, Any]:
    """What a client library connects with."""
    used = ("host", "port", "user", "password", "charset")
    arguments = {name: value for name, value in settings.connect_arguments().items() if name in used}
    arguments["db" if aio else "database"] = settings.database_name
    return arguments | {"init_command": f"SET SESSION TRANSACTION ISOLATION LEVEL {isolation}"} | more


def _aiomysql(*, autocommit: bool) -> "Maker":
    @asynccontextmanager
    async def make(settings: MySQLConfig, isolation: str) -> AsyncGenerator[Guest]:
        connection = await aiomysql.connect(**arguments_of(settings, isolation, autocommit=autocommit))
        if autocommit:
            await connection.begin()

        async def execute(statement: str) -> Any:
            async with connection.cursor() as cursor:
                await cursor.execute(statement)
                return await cursor.fetchall()

        yield Guest(connection, execute)
        connection.close()

    return make


@asynccontextmanager
async def _pymysql(settings: MySQLConfig, isolation: str) -> AsyncGenerator[Guest]:
    connection = pymysql.connect(**arguments_of(settings, isolation, aio=False, cursorclass=pymysql.cursors.DictCursor))

    def execute(statement: str) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    yield Guest(connection, execute)
    if connection.open:
        connection.close()


def _sqlalchemy(*, of_session: bool) -> "Maker":
    @asynccontextmanager
    async def make(settings: MySQLConfig, isolation: str) -> AsyncGenerator[Guest]:
        url = _url(settings, "aiomysql")
        engine = create_async_engine(url, poolclass=NullPool, isolation_level=isolation)
        async with AsyncSession(engine) if of_session else engine.connect() as connection:
            yield Guest(connection, lambda statement: connection.execute(text(statement)))
            await connection.rollback()
        await engine.dispose()

    return make


def _sqlalchemy_sync(*, of_session: bool) -> "Maker":
    @asynccontextmanager
    async def make(settings: MySQLConfig, isolation: str) -> AsyncGenerator[Guest]:
        engine = create_engine(_url(settings, "pymysql"), poolclass=NullPool, isolation_level=isolation)
        with Session(engine) if of_session else engine.connect() as connection:
            yield Guest(connection, lambda statement: connection.execute(text(statement)))
            connection.rollback()
        engine.dispose()

    return make


def _url(settings: MySQLConfig, client: str) -> str:
    assert settings.dsn is not None
    return settings.dsn.replace("mysql:", f"mysql+{client}:", 1)


Maker = Callable[[MySQLConfig, str], AbstractAsyncContextManager[Guest]]

GUESTS: dict[str, Maker] = {
    "aiomysql": _aiomysql(autocommit=False),
    "aiomysql-begun": _aiomysql(autocommit=True),
    "pymysql": _pymysql,
    "sqlalchemy-connection": _sqlalchemy(of_session=False),
    "sqlalchemy-session": _sqlalchemy(of_session=True),
    "sqlalchemy-sync-connection": _sqlalchemy_sync(of_session=False),
    "sqlalchemy-sync-session": _sqlalchemy_sync(of_session=True),
}
