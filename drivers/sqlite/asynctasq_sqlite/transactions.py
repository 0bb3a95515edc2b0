"""Transactions: enqueue and settle on a user's own connection, inside the transaction that it has open.

Every call is one savepoint, run to its end on the connection's own thread, so that neither an error nor a cancellation
leaves half of it behind. SQLite's write lock makes all others wait until the user ends the transaction.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any, TypeVar

import aiosqlite

from asynctasq.driver_api import (
    BoundDriver,
    Driver,
    EnqueueOutcome,
    InvalidArgument,
    NewTask,
    Settlement,
    SettleOutcome,
    SyncBoundDriver,
    check_new_tasks,
    check_settlements,
)
from asynctasq_sqlite.enqueueing import enqueue
from asynctasq_sqlite.error_mapping import guest_error
from asynctasq_sqlite.session import Session, session_on
from asynctasq_sqlite.settling import settle
from asynctasq_sqlite.statements import statements

_SAVEPOINT = "asynctasq_call"

T = TypeVar("T")


class SQLiteTransactions:
    """The feature `transactions`, for `aiosqlite.Connection` and, in synchronous code, `sqlite3.Connection`."""

    def __init__(self, driver: Driver, namespace: str, path: str) -> None:
        self._driver = driver
        self._namespace = namespace
        self._path = path

    def on(self, connection: Any) -> BoundDriver | SyncBoundDriver:
        """Bind to a connection to this driver's database file.

        The methods of what it gives raise `InvalidArgument` if no transaction is open then, or if the connection is to
        another file.

        Raises:
            InvalidArgument: it is a connection of another kind.
        """
        self._driver.check_open()
        guest = _Guest(self._driver, self._namespace, self._path)
        if isinstance(connection, aiosqlite.Connection):
            return _AsyncBound(guest, connection)
        if isinstance(connection, sqlite3.Connection):
            return _SyncBound(guest, connection)
        raise InvalidArgument(
            f"the connection is of type {type(connection).__module__}.{type(connection).__qualname__}; wanted "
            "aiosqlite.Connection or sqlite3.Connection (of an SQLAlchemy connection, its driver_connection)"
        )


class _Guest:
    """What both kinds of connections have in common."""

    def __init__(self, driver: Driver, namespace: str, path: str) -> None:
        self._driver = driver
        self._namespace = namespace
        self._path = path

    def check_new_tasks(self, tasks: Sequence[NewTask]) -> None:
        self._driver.check_open()
        check_new_tasks(tasks, self._driver.traits.limits)

    def check_settlements(self, settlements: Sequence[Settlement]) -> None:
        self._driver.check_open()
        check_settlements(settlements, self._driver.traits.limits)

    def _check(self, connection: sqlite3.Connection) -> None:
        """A transaction is open, on the right file."""
        if not connection.in_transaction:
            raise InvalidArgument("the connection has no transaction open; begin one first (`BEGIN IMMEDIATE`)")
        names = connection.execute("PRAGMA database_list").fetchall()
        file = next((row[2] for row in names if row[1] == "main"), "")
        if not file or not os.path.samefile(file, self._path):
            raise InvalidArgument(
                f"the connection is to {file or 'a temporary database'!r}; wanted the driver's own file, {self._path!r}"
            )

    def run(self, connection: sqlite3.Connection, work: Callable[[Session], T]) -> T:
        """Run `work` in a savepoint, on the connection's own thread."""
        row_factory, text_factory = connection.row_factory, connection.text_factory
        connection.row_factory, connection.text_factory = None, str
        try:
            try:
                self._check(connection)
                return self._in_savepoint(connection, work)
            except sqlite3.Error as error:
                raise guest_error(error, in_transaction=connection.in_transaction) from error
        finally:
            connection.row_factory, connection.text_factory = row_factory, text_factory

    def _in_savepoint(self, connection: sqlite3.Connection, work: Callable[[Session], T]) -> T:
        connection.execute(f"SAVEPOINT {_SAVEPOINT}")
        try:
            connection.execute(statements(self._namespace)["lock"])
            session = session_on(connection, self._namespace)
            value = work(session)
            session.finish()
        except BaseException:
            if connection.in_transaction:
                with suppress(sqlite3.Error):  # the error that led here is the one to report
                    connection.execute(f"ROLLBACK TO {_SAVEPOINT}")
                    connection.execute(f"RELEASE {_SAVEPOINT}")
            raise
        connection.execute(f"RELEASE {_SAVEPOINT}")
        return value


class _AsyncBound:
    """`BoundDriver` on an aiosqlite connection."""

    def __init__(self, guest: _Guest, connection: aiosqlite.Connection) -> None:
        self._guest = guest
        self._connection = connection

    async def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        """As `Driver.enqueue_many`; gone on rollback."""
        self._guest.check_new_tasks(tasks)
        return await self._run(lambda session: enqueue(session, tasks) if tasks else [])

    async def settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        """As `Driver.settle_many`; gone on rollback."""
        self._guest.check_settlements(settlements)
        return await self._run(lambda session: settle(session, settlements) if settlements else [])

    async def _run(self, work: Callable[[Session], T]) -> T:
        # Public methods would run statement by statement, with other tasks' statements and cancellation in between.
        try:
            execute: Any = getattr(self._connection, "_execute", None)
            raw: Any = getattr(self._connection, "_conn", None)
            if execute is None or raw is None:
                raise InvalidArgument(
                    f"aiosqlite {version('aiosqlite')} can't be bound to: it has no `_execute` or `_conn`"
                )
            return await execute(self._guest.run, raw, work)  # cancelled: it is carried out nevertheless, as a whole
        except ValueError as error:
            raise InvalidArgument(f"the connection is not open: {error}") from error


class _SyncBound:
    """`SyncBoundDriver` on a connection of the standard library."""

    def __init__(self, guest: _Guest, connection: sqlite3.Connection) -> None:
        self._guest = guest
        self._connection = connection

    def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        """As `Driver.enqueue_many`; gone on rollback."""
        self._guest.check_new_tasks(tasks)
        return self._guest.run(self._connection, lambda session: enqueue(session, tasks) if tasks else [])

    def settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        """As `Driver.settle_many`; gone on rollback."""
        self._guest.check_settlements(settlements)
        return self._guest.run(self._connection, lambda session: settle(session, settlements) if settlements else [])
