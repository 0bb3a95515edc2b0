"""How the conformance suite reaches the SQLite driver, and how tests let time pass."""

import sqlite3
import tempfile
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path

import aiosqlite
import anyio.to_thread
import msgspec
from asynctasq_conformance import DriverHarness, GuestTransaction
from asynctasq_sqlite import SQLiteConfig, SQLiteDriver
from asynctasq_sqlite.session import NEVER
from asynctasq_sqlite.statements import in_namespace, table_prefix

from asynctasq.driver_api import DriverClosed

SHIFTS = (
    "UPDATE ns_task SET at = at - :shift, enqueued_at = enqueued_at - :shift",
    "UPDATE ns_waiting SET at = at - :shift",
    "UPDATE ns_leased SET until = until - :shift, started_at = started_at - :shift",
    "UPDATE ns_extra SET at = at - :shift, expires_at = expires_at - :shift, started_at = started_at - :shift",
    "UPDATE ns_ended SET finished_at = finished_at - :shift, drop_at = drop_at - :shift",
    "UPDATE ns_remembered SET forget_at = forget_at - :shift",
    "UPDATE ns_report SET reported_at = reported_at - :shift, until = until - :shift",
    f"UPDATE ns_meta SET next_lapse = next_lapse - :shift WHERE next_lapse < {NEVER}",
)


@contextmanager
def connection_to(path: Path) -> Iterator[sqlite3.Connection]:
    """A patient connection, in autocommit mode."""
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as connection:
        yield connection


def shift_time(path: Path, namespace: str, seconds: float) -> None:
    """Let `seconds` pass for everything that is stored: every stored time moves into the past."""
    shift = round(seconds * 1000)
    with connection_to(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in SHIFTS:
            connection.execute(in_namespace(statement, namespace), {"shift": shift})
        failures = in_namespace("SELECT seq, failures FROM ns_extra WHERE failures IS NOT NULL", namespace)
        for seq, stored in connection.execute(failures).fetchall():
            moved = [[*failure[:-1], failure[-1] - shift] for failure in msgspec.json.decode(stored)]
            update = in_namespace("UPDATE ns_extra SET failures = ? WHERE seq = ?", namespace)
            connection.execute(update, (msgspec.json.encode(moved).decode(), seq))
        connection.execute("COMMIT")


def drop_tables(path: Path, namespace: str) -> None:
    """Remove a namespace from the file."""
    with connection_to(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, ?) = ?"
        prefix = table_prefix(namespace) + ":"
        for (name,) in connection.execute(query, (len(prefix), prefix)).fetchall():
            connection.execute(f'DROP TABLE "{name}"')
        connection.execute("COMMIT")


class SQLiteTransaction(GuestTransaction):
    """A user's own aiosqlite connection."""

    has_savepoints = True

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self.connection = connection

    async def commit(self) -> None:
        await self.connection.execute("COMMIT")

    async def rollback(self) -> None:
        await self.connection.execute("ROLLBACK")

    async def savepoint(self) -> None:
        await self.connection.execute("SAVEPOINT suite")

    async def rollback_to_savepoint(self) -> None:
        await self.connection.execute("ROLLBACK TO suite")


def _is_open(driver: SQLiteDriver) -> bool:
    try:
        driver.check_open()
    except DriverClosed:
        return False
    return True


class SQLiteHarness(DriverHarness):
    """One file, shared by all namespaces."""

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

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="asynctasq-")
        self.path = Path(self._folder.name) / "suite.db"
        self.backend = f"SQLite {sqlite3.sqlite_version}"
        self._drivers: weakref.WeakSet[SQLiteDriver] = weakref.WeakSet()

    async def open_driver(self, namespace: str) -> SQLiteDriver:
        """A driver that is not connected."""
        driver = SQLiteDriver(SQLiteConfig(path=str(self.path), namespace=namespace))
        self._drivers.add(driver)
        return driver

    async def restart_backend(self) -> None:
        """Crash: what the files hold at this moment is all that is left; whoever was connected comes back to that."""
        files = [self.path, self.path.with_name(f"{self.path.name}-wal")]
        held = {file: await anyio.to_thread.run_sync(file.read_bytes) for file in files}
        connected = [driver for driver in self._drivers if _is_open(driver)]
        for driver in connected:
            await driver.disconnect()
        await anyio.to_thread.run_sync(self._leave_only, held)
        for driver in connected:
            await driver.connect()

    def _leave_only(self, held: Mapping[Path, bytes]) -> None:
        self.path.with_name(f"{self.path.name}-shm").unlink(missing_ok=True)
        for file, content in held.items():
            file.write_bytes(content)

    async def drop(self, namespace: str) -> None:
        """Drop the namespace's tables."""
        await anyio.to_thread.run_sync(drop_tables, self.path, namespace)

    async def advance(self, seconds: float) -> None:
        """Shift the stored times."""
        await anyio.to_thread.run_sync(shift_time, self.path, self.namespace, seconds)

    def begin_transaction(self) -> AbstractAsyncContextManager[GuestTransaction]:
        """A connection of its own, in a transaction."""
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[GuestTransaction]:
        async with aiosqlite.connect(self.path, isolation_level=None) as connection:
            await connection.execute("BEGIN")
            yield SQLiteTransaction(connection)
