"""How the conformance suite reaches the PostgreSQL driver."""

import weakref
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from asynctasq_conformance import DriverHarness
from asynctasq_conformance.harness import GuestTransaction
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.settings import PostgresConfig
from asynctasq_postgres.storage_names import StorageNames

from asynctasq.driver_api import Driver

from .servers import PostgresServer, server_url, skip_without_binary

SCHEMA = "asynctasq_tests"
TABLES = ("task", "finished", "journal", "known", "totals", "paused", "reports")

SHIFT = """
UPDATE {task} SET ready_at = ready_at - $2, enqueued_at = enqueued_at - $2, started_at = started_at - $2,
    expires_at = expires_at - $2, failures = ARRAY(
        SELECT jsonb_set(f::jsonb, '{at}', to_jsonb((f::jsonb ->> 'at')::bigint - $3))::text
        FROM unnest(failures) WITH ORDINALITY AS u (f, place) ORDER BY place
    )
WHERE namespace = $1;
UPDATE {finished} SET forget_at = forget_at - $2, finished_at = finished_at - $2, ready_at = ready_at - $2,
    enqueued_at = enqueued_at - $2, started_at = started_at - $2, failures = ARRAY(
        SELECT jsonb_set(f::jsonb, '{at}', to_jsonb((f::jsonb ->> 'at')::bigint - $3))::text
        FROM unnest(failures) WITH ORDINALITY AS u (f, place) ORDER BY place
    )
WHERE namespace = $1;
UPDATE {journal} SET forget_at = forget_at - $2 WHERE namespace = $1;
UPDATE {reports} SET reported_at = reported_at - $2, gone_at = gone_at - $2 WHERE namespace = $1
"""


class AsyncpgTransaction(GuestTransaction):
    """A transaction on a connection of asyncpg."""

    has_savepoints = True

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self._transaction = connection.transaction()

    async def begin(self) -> None:
        await self._transaction.start()

    async def commit(self) -> None:
        await self._transaction.commit()

    async def rollback(self) -> None:
        await self._transaction.rollback()

    async def savepoint(self) -> None:
        await self.connection.execute("SAVEPOINT here")

    async def rollback_to_savepoint(self) -> None:
        await self.connection.execute("ROLLBACK TO SAVEPOINT here")


class PostgresHarness(DriverHarness):
    """A real server; time moves by shifting the stored timestamps."""

    expected_traits = frozenset(
        {
            "wake_ups",
            "transactions",
            "pausing",
            "worker_reports",
            "strict_order",
            "durable",
            "exact_stats",
            "shared_between_processes",
        }
    )

    def __init__(self, url: str | None = None) -> None:
        self._url = url or server_url()
        parts = urlsplit(self._url)
        self.address = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._drivers: weakref.WeakSet[PostgresDriver] = weakref.WeakSet()

    def settings(self, namespace: str) -> PostgresConfig:
        """The settings of one namespace, at the address that the suite wants."""
        parts = urlsplit(self._url)
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        assert self.address is not None
        host, port = self.address
        dsn = urlunsplit(parts._replace(netloc=f"{user}{host}:{port}"))
        return PostgresConfig(dsn=dsn, namespace=namespace, schema=SCHEMA)

    async def open_driver(self, namespace: str) -> Driver:
        driver = PostgresDriver(self.settings(namespace))
        self._drivers.add(driver)
        return driver

    async def drop(self, namespace: str) -> None:
        names = StorageNames(self.settings(namespace))
        async with self._connection() as connection:
            if await connection.fetchval(names.fill("SELECT to_regclass('{task}') IS NULL")):
                return
            for table in TABLES:
                await connection.execute(names.fill(f"DELETE FROM {{{table}}} WHERE namespace = $1"), names.namespace)
            await connection.execute(names.fill("DELETE FROM {namespaces} WHERE key = $1"), names.namespace)

    async def advance(self, seconds: float) -> None:
        names = StorageNames(self.settings(self.namespace))
        async with self._connection() as connection, connection.transaction():
            interval = f"interval '{round(seconds * 1e6)} microseconds'"
            script = SHIFT.replace("$1", str(names.namespace)).replace("$2", interval)
            script = script.replace("$3", str(round(seconds * 1e6))).replace("'{at}'", "ARRAY['at']")
            await connection.execute(names.fill(script))
        for driver in list(self._drivers):
            driver.forget_floors()

    async def describe_backend(self) -> str:
        async with self._connection() as connection:
            return f"PostgreSQL {await connection.fetchval('SHOW server_version')}"

    def begin_transaction(self) -> AbstractAsyncContextManager[GuestTransaction]:
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[GuestTransaction]:
        async with self._connection() as connection:
            transaction = AsyncpgTransaction(connection)
            await transaction.begin()
            yield transaction

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self._url)
        try:
            yield connection
        finally:
            await connection.close()


class PrivatePostgresHarness(PostgresHarness):
    """A server of its own, started with the first use, which is killed and started again as a test of the suite
    likes it."""

    def __init__(self) -> None:
        super().__init__()
        self._server: PostgresServer | None = None

    def start(self) -> None:
        """Start the server."""
        skip_without_binary()
        self._server = PostgresServer()
        self._server.start()
        self._url = self._server.url
        self.address = ("127.0.0.1", self._server.port)

    def stop(self) -> None:
        """Remove the server."""
        if self._server is not None:
            self._server.remove()

    async def restart_backend(self) -> None:
        assert self._server is not None
        self._server.kill()
        self._server.start()
