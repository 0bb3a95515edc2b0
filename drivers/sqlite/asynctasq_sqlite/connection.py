"""Opens connections to the file, prepares its tables, and takes its locks with patience."""

import os
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from asynctasq.driver_api import ConfigurationError, StorageMissing
from asynctasq_sqlite.error_mapping import BUSY, connect_error, primary_code
from asynctasq_sqlite.migrations import Migration, all_migrations, pending_statements, stored_version
from asynctasq_sqlite.settings import SQLiteConfig

OLDEST_SQLITE = (3, 37, 0)
"""The first with STRICT tables; everything else that the statements use is older."""

_STATEMENTS_CACHED = 256
_PAUSE = 0.001

T = TypeVar("T")
C = TypeVar("C", bound=sqlite3.Connection)


def absolute_path(path: str) -> str:
    """Where the file is, whatever becomes of the working directory."""
    return os.path.abspath(os.path.expanduser(path))


def patiently(work: Callable[[], T], timeout: float) -> T:
    """Do `work`, again and again while the database is locked, for at most `timeout` seconds.

    SQLite's own busy handler pauses longer and longer, so that of many waiting processes the last comer wins and the
    first may starve. Equal short pauses with some jitter are fair enough.
    """
    deadline: float | None = None
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            if primary_code(error) not in BUSY:
                raise
            if deadline is None:
                deadline = time.monotonic() + timeout
            elif time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE * (0.5 + random.random()))


def roll_back(connection: sqlite3.Connection) -> None:
    """End the open transaction, if SQLite has not done so already."""
    if connection.in_transaction:
        with suppress(sqlite3.Error):  # the error that led here is the one to report
            connection.execute("ROLLBACK")


def open_connection(
    settings: SQLiteConfig, path: str, *, factory: Callable[..., C], migrations: tuple[Migration, ...] | None = None
) -> C:
    """A connection that is set up and whose store is prepared. Runs on the thread that will use it.

    Raises:
        ConfigurationError: the file can't be used as a store.
        DriverUnavailable: it is locked for too long.
        StorageMissing, StorageTooNew: the tables are not what this driver works with.
    """
    _check_place(path)
    try:
        connection = factory(path, timeout=0, isolation_level=None, cached_statements=_STATEMENTS_CACHED)
        try:
            patiently(lambda: _set_up(connection, settings), settings.busy_timeout)
            _check_tables(connection, settings, all_migrations() if migrations is None else migrations)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise connect_error(error, path) from error
    return connection


def prepare_storage(settings: SQLiteConfig, path: str, *, dry_run: bool) -> list[str]:
    """Create or upgrade the tables; gives the statements that it ran, or would run."""
    _check_place(path)
    migrations = all_migrations()
    if dry_run and not os.path.exists(path):
        with sqlite3.connect(":memory:") as nothing:
            found = pending_statements(nothing, settings.namespace, migrations)
        nothing.close()
        return found
    try:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            if dry_run:
                return patiently(
                    lambda: pending_statements(connection, settings.namespace, migrations), settings.busy_timeout
                )
            patiently(lambda: _set_up(connection, settings), settings.busy_timeout)
            return _migrate(connection, settings, migrations)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise connect_error(error, path) from error


def _check_place(path: str) -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise ConfigurationError(
            f"this Python has SQLite {sqlite3.sqlite_version}; wanted {wanted} or newer. Use a newer Python build"
        )
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise ConfigurationError(f"the folder {folder!r} of the database file does not exist; create it first")
    if os.path.isdir(path):
        raise ConfigurationError(f"{path!r} is a folder; wanted the name of a database file")


def _set_up(connection: sqlite3.Connection, settings: SQLiteConfig) -> None:
    mode = _pragma(connection, "journal_mode = WAL")
    connection.text_factory = _text
    if mode != "wal":
        raise ConfigurationError(
            f"SQLite keeps this file's journal in mode {mode!r}; wanted 'wal', which needs a local file system"
        )
    encoding = _pragma(connection, "encoding")
    if encoding != "UTF-8":
        raise ConfigurationError(f"the database has the encoding {encoding}; wanted UTF-8. Use a file of its own")
    for setting in (
        f"synchronous = {settings.synchronous.upper()}",
        "temp_store = MEMORY",
        "cache_size = -16000",
        f"secure_delete = {'ON' if settings.secure_delete else 'OFF'}",
        "foreign_keys = OFF",
    ):
        _pragma(connection, setting)
    wanted = {"full": 2, "normal": 1}[settings.synchronous]
    if (found := _pragma(connection, "synchronous")) != wanted:
        raise ConfigurationError(f"PRAGMA synchronous reads back as {found}; wanted {wanted}")


def _text(stored: bytes) -> str:
    """Text that somebody has damaged is shown as it is, instead of failing every call that comes across it."""
    return stored.decode(errors="replace")


def _pragma(connection: sqlite3.Connection, text: str) -> Any:
    row = connection.execute(f"PRAGMA {text}").fetchone()
    return None if row is None else row[0]


def _check_tables(connection: sqlite3.Connection, settings: SQLiteConfig, migrations: tuple[Migration, ...]) -> None:
    namespace, patience = settings.namespace, settings.busy_timeout
    if not patiently(lambda: pending_statements(connection, namespace, migrations), patience):
        patiently(lambda: connection.execute("BEGIN IMMEDIATE"), patience)  # refused where nothing can be written
        connection.execute("ROLLBACK")
    elif settings.prepare:
        _migrate(connection, settings, migrations)
    else:
        found = stored_version(connection, namespace)
        raise StorageMissing(
            f"the tables of namespace {namespace!r} have version {found} (0: there are none); wanted "
            f"{len(migrations)}. Run `asynctasq migrate`, or leave the setting `prepare` on"
        )


def _migrate(connection: sqlite3.Connection, settings: SQLiteConfig, migrations: tuple[Migration, ...]) -> list[str]:
    patiently(lambda: connection.execute("BEGIN IMMEDIATE"), settings.busy_timeout)
    try:
        statements = pending_statements(connection, settings.namespace, migrations)
        for statement in statements:
            connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise
    return statements
