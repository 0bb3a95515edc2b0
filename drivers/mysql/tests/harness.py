"""How the conformance suite reaches the MySQL driver, and how tests let time pass."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiomysql
import msgspec
import pymysql
from asynctasq_conformance import DriverHarness, GuestTransaction
from asynctasq_mysql import MySQLConfig, MySQLDriver
from asynctasq_mysql.clock import NEVER
from asynctasq_mysql.storage_names import StorageNames

SERVER_URL = os.environ.get("ASYNCTASQ_TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306/test")

SHIFTS = (
    "UPDATE {task} SET at_us = at_us - :shift, enqueued_us = enqueued_us - :shift,"
    " started_us = IF(started_us = 0, 0, started_us - :shift),"
    " finished_us = IF(finished_us = 0, 0, finished_us - :shift),"
    f" expires_us = IF(expires_us = {NEVER}, expires_us, expires_us - :shift) WHERE namespace = :namespace",
    "UPDATE {agenda} SET at_us = at_us - :shift WHERE namespace = :namespace",
    "UPDATE {journal} SET forget_us = forget_us - :shift WHERE namespace = :namespace",
    "UPDATE {report} SET reported_us = reported_us - :shift, until_us = until_us - :shift WHERE namespace = :namespace",
)
TABLES = ("task", "known", "dedupe", "agenda", "journal", "totals", "paused", "worker", "report")


class Administrator:
    """A synchronous connection of the tests' own, beside any driver."""

    def __init__(self, settings: MySQLConfig) -> None:
        arguments = settings.connect_arguments()
        arguments["database"] = arguments.pop("db")
        arguments.pop("local_infile")
        self._arguments = arguments
        self._names = StorageNames(settings)
        self._namespace = settings.namespace

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in one transaction, with `{tables}` filled in; the rows of the last one."""
        connection = pymysql.connect(**{**self._arguments, "autocommit": False})
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(self._names.fill(statement))
                rows = list(cursor.fetchall())
            connection.commit()
            return rows
        finally:
            connection.close()

    def namespace_number(self) -> int:
        """The number of the namespace; 0 if no driver has connected to it."""
        rows = self.run(f"SELECT number FROM {{namespace}} WHERE name = '{self._namespace}'")
        return rows[0][0] if rows else 0

    def let_pass(self, seconds: float) -> None:
        """Move every stored time of the namespace into the past."""
        shift = round(seconds * 1e6)
        number = self.namespace_number()
        failures = []
        for pk, stored in self.run(
            f"SELECT pk, failures FROM {{task}} WHERE namespace = {number} AND failures IS NOT NULL"
        ):
            moved = [[*failure[:-1], failure[-1] - shift] for failure in msgspec.msgpack.decode(stored)]
            failures.append(f"UPDATE {{task}} SET failures = X'{msgspec.msgpack.encode(moved).hex()}' WHERE pk = {pk}")
        shifts = [sql.replace(":shift", str(shift)).replace(":namespace", str(number)) for sql in SHIFTS]
        self.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", *shifts, *failures)

    def drop_namespace(self) -> None:
        """Remove everything of the namespace."""
        number = self.namespace_number()
        self.run(
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            *[f"DELETE FROM {{{table}}} WHERE namespace = {number}" for table in TABLES],
            f"DELETE FROM {{namespace}} WHERE number = {number}",
        )

    def drop_tables(self) -> None:
        """Remove all tables of this queue table."""
        for table in (*TABLES, "namespace", "migrations"):
            self.run(f"DROP TABLE IF EXISTS {{{table}}}")


class AiomysqlTransaction(GuestTransaction):
    """A user's own aiomysql connection."""

    has_savepoints = True

    def __init__(self, connection: aiomysql.Connection) -> None:
        self.connection = connection

    async def commit(self) -> None:
        await self.connection.commit()

    async def rollback(self) -> None:
        await self.connection.rollback()

    async def savepoint(self) -> None:
        await self.connection.query("SAVEPOINT suite")

    async def rollback_to_savepoint(self) -> None:
        await self.connection.query("ROLLBACK TO SAVEPOINT suite")


class MySQLHarness(DriverHarness):
    """One server, at a URL."""

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

    def __init__(self, url: str = SERVER_URL, *, isolation: str = "REPEATABLE READ") -> None:
        self._url = urlsplit(url)
        self._isolation = isolation
        self.address = (self._url.hostname or "127.0.0.1", self._url.port or 3306)

    def settings(self, namespace: str) -> MySQLConfig:
        """The settings of a driver for this namespace."""
        assert self.address is not None
        host, port = self.address
        credentials = self._url.netloc.rpartition("@")[0]
        dsn = f"mysql://{credentials}{'@' if credentials else ''}{host}:{port}{self._url.path}"
        return MySQLConfig(dsn=dsn, namespace=namespace, command_timeout=5.0)

    async def open_driver(self, namespace: str) -> MySQLDriver:
        """A driver that is not connected."""
        return MySQLDriver(self.settings(namespace))

    async def drop(self, namespace: str) -> None:
        """Remove the namespace's rows."""
        Administrator(self.settings(namespace)).drop_namespace()

    async def advance(self, seconds: float) -> None:
        """Shift the stored times."""
        Administrator(self.settings(self.namespace)).let_pass(seconds)

    async def describe_backend(self) -> str:
        """Which server it is."""
        [(version,)] = Administrator(self.settings(self.namespace)).run("SELECT VERSION()")
        number, _, flavour = version.partition("-")
        return f"MariaDB {number}" if "mariadb" in flavour.lower() else f"MySQL {number}"

    def begin_transaction(self) -> AbstractAsyncContextManager[GuestTransaction]:
        """A connection of its own, in a transaction."""
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[GuestTransaction]:
        connection = await aiomysql.connect(**self.settings(self.namespace).connect_arguments())
        try:
            await connection.query(f"SET SESSION TRANSACTION ISOLATION LEVEL {self._isolation}")
            await connection.begin()
            yield AiomysqlTransaction(connection)
        finally:
            connection.close()
