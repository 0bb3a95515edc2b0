"""A caller's own connection of every kind, behind one face."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import psycopg
from asynctasq_postgres.driver import PostgresDriver
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

    async def _await(self, value: Any) -> Any:
        return await value if isinstance(value, Awaitable) else value

    async def execute(self, statement: str) -> Any:
        """Run a statement of the caller's own."""
        return await self._await(self._execute(statement))

    async def end(self, how: str) -> None:
        """`commit` or `rollback`."""
        if isinstance(self.connection, asyncpg.Connection):
            await self.connection.execute(how.upper())
        else:
            await self._await(getattr(self.connection, how)())

    async def enqueue(self, driver: PostgresDriver, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        """Enqueue on this connection."""
        return await self._await(driver.transactions.on(self.connection).enqueue_many(tasks))

    async def settle(self, driver: PostgresDriver, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        """Settle on this connection."""
        return await self._await(driver.transactions.on(self.connection).settle_many(settlements))


@asynccontextmanager
async def _asyncpg(url: str, isolation: str | None) -> AsyncGenerator[Guest]:
    connection = await asyncpg.connect(url)
    await connection.execute(f"BEGIN ISOLATION LEVEL {isolation or 'READ COMMITTED'}")
    yield Guest(connection, connection.execute)
    await connection.close()


@asynccontextmanager
async def _psycopg(url: str, isolation: str | None) -> AsyncGenerator[Guest]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        if isolation:
            await connection.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        yield Guest(connection, connection.execute)
        await connection.rollback()


@asynccontextmanager
async def _psycopg_sync(url: str, isolation: str | None) -> AsyncGenerator[Guest]:
    with psycopg.connect(url) as connection:
        if isolation:
            connection.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        yield Guest(connection, connection.execute)
        connection.rollback()


def _sqlalchemy(client: str, of_session: bool) -> "Maker":
    @asynccontextmanager
    async def make(url: str, isolation: str | None) -> AsyncGenerator[Guest]:
        options = {"isolation_level": isolation} if isolation else {}
        engine = create_async_engine(url.replace("postgresql:", f"postgresql+{client}:"), poolclass=NullPool, **options)
        async with AsyncSession(engine) if of_session else engine.connect() as connection:
            yield Guest(connection, lambda statement: connection.execute(text(statement)))
            await connection.rollback()
        await engine.dispose()

    return make


def _sqlalchemy_sync(of_session: bool) -> "Maker":
    @asynccontextmanager
    async def make(url: str, isolation: str | None) -> AsyncGenerator[Guest]:
        options = {"isolation_level": isolation} if isolation else {}
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool, **options)
        with Session(engine) if of_session else engine.connect() as connection:
            yield Guest(connection, lambda statement: connection.execute(text(statement)))
            connection.rollback()
        engine.dispose()

    return make


Maker = Callable[[str, str | None], Any]

GUESTS: dict[str, Maker] = {
    "asyncpg": _asyncpg,
    "psycopg": _psycopg,
    "psycopg-sync": _psycopg_sync,
    "sqlalchemy-asyncpg-connection": _sqlalchemy("asyncpg", of_session=False),
    "sqlalchemy-asyncpg-session": _sqlalchemy("asyncpg", of_session=True),
    "sqlalchemy-psycopg-connection": _sqlalchemy("psycopg", of_session=False),
    "sqlalchemy-psycopg-session": _sqlalchemy("psycopg", of_session=True),
    "sqlalchemy-sync-connection": _sqlalchemy_sync(of_session=False),
    "sqlalchemy-sync-session": _sqlalchemy_sync(of_session=True),
}
