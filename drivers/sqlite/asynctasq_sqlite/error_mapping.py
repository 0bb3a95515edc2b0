"""What SQLite's errors mean in terms of the contract."""

import sqlite3

from asynctasq.driver_api import (
    ConfigurationError,
    DriverError,
    DriverUnavailable,
    QueueFull,
    StorageMissing,
    TransactionAborted,
)

BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

_MESSAGES: dict[int, tuple[type[DriverError], str]] = {
    sqlite3.SQLITE_BUSY: (DriverUnavailable, "another process kept the database locked for longer than busy_timeout"),
    sqlite3.SQLITE_LOCKED: (DriverUnavailable, "another connection kept a table locked"),
    sqlite3.SQLITE_PROTOCOL: (DriverUnavailable, "the locks of the write-ahead log could not be taken"),
    sqlite3.SQLITE_INTERRUPT: (DriverUnavailable, "the statement was interrupted"),
    sqlite3.SQLITE_IOERR: (DriverUnavailable, "reading or writing the file failed"),
    sqlite3.SQLITE_NOMEM: (DriverUnavailable, "SQLite ran out of memory"),
    sqlite3.SQLITE_CANTOPEN: (DriverUnavailable, "the file can't be opened"),
    sqlite3.SQLITE_READONLY: (DriverUnavailable, "the file or its folder can't be written to"),
    sqlite3.SQLITE_PERM: (DriverUnavailable, "the file may not be accessed"),
    sqlite3.SQLITE_FULL: (QueueFull, "the disk or the database is full; nothing was stored"),
    sqlite3.SQLITE_CORRUPT: (
        DriverError,
        "the file is damaged; stop all its users, keep a copy, and restore it or run `sqlite3 FILE .recover`",
    ),
    sqlite3.SQLITE_NOTADB: (DriverError, "the file is not an SQLite database"),
    sqlite3.SQLITE_TOOBIG: (DriverError, "a value is larger than SQLite allows"),
}

_NEVER_WORKS = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_AUTH,
    }
)


def primary_code(error: BaseException) -> int:
    """The primary result code; 0 if the error does not come from SQLite."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def driver_error(error: BaseException) -> DriverError:
    """The error that a method raises. The caller chains `error` to it."""
    if isinstance(error, DriverError):
        return error
    if isinstance(error, sqlite3.OperationalError) and "no such table" in str(error):
        return StorageMissing(f"{error}. Run `asynctasq migrate` to create the tables")
    kind, meaning = _MESSAGES.get(primary_code(error), (DriverError, "SQLite failed"))
    return kind(f"{meaning} ({type(error).__name__}: {error})")


def connect_error(error: BaseException, path: str) -> Exception:
    """The error that `connect()` raises. The caller chains `error` to it."""
    if isinstance(error, ConfigurationError):
        return error
    code = primary_code(error)
    if code in _NEVER_WORKS:
        meaning = _MESSAGES.get(code, (DriverError, "access was refused"))[1]
        return ConfigurationError(f"{path!r} can't be used as the store: {meaning} ({error})")
    return driver_error(error)


def guest_error(error: BaseException, *, in_transaction: bool) -> DriverError:
    """The error of a call inside a caller's own transaction. The caller chains `error` to it."""
    mapped = driver_error(error)
    if not in_transaction or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY_SNAPSHOT:
        return TransactionAborted(f"{mapped}. The transaction can't go on: roll back, and begin again")
    return mapped
