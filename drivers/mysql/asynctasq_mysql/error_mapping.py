"""What becomes of the server's errors: one table, by number."""

import ssl
from collections.abc import Iterator
from enum import Enum, auto

from asynctasq.driver_api import (
    ConfigurationError,
    DriverError,
    DriverUnavailable,
    PayloadTooLarge,
    QueueFull,
    StorageMissing,
    TransactionAborted,
)

MIGRATE = "asynctasq migrate --driver mysql"


class Meaning(Enum):
    """What an error means to the caller."""

    RETRY = auto()
    """The server refused or undid a transaction that may just as well work the next time."""
    UNAVAILABLE = auto()
    """The server, or the connection to it, is not there, or may not write. Unknown whether applied."""
    FULL = auto()
    """No room. Undone."""
    NO_STORAGE = auto()
    """Tables are missing."""
    TOO_LARGE = auto()
    """More than the server takes in one packet."""
    REFUSED = auto()
    """Who we are or what we ask for will not do until somebody changes something."""
    OTHER = auto()
    """A defect, here or there."""


MEANINGS: dict[int, Meaning] = {
    1213: Meaning.RETRY,  # ER_LOCK_DEADLOCK: the transaction was rolled back
    1205: Meaning.RETRY,  # ER_LOCK_WAIT_TIMEOUT: only the statement was
    1020: Meaning.RETRY,  # ER_CHECKREAD: the record has changed since it was read
    1467: Meaning.RETRY,  # ER_AUTOINC_READ_FAILED: in truth a deadlock on the counter
    1412: Meaning.RETRY,  # ER_TABLE_DEF_CHANGED: after a migration
    1021: Meaning.FULL,  # ER_DISK_FULL
    1114: Meaning.FULL,  # ER_RECORD_FILE_FULL
    1040: Meaning.UNAVAILABLE,  # ER_CON_COUNT_ERROR: too many connections
    1047: Meaning.UNAVAILABLE,  # ER_UNKNOWN_COM_ERROR: a cluster's node that is not ready
    1053: Meaning.UNAVAILABLE,  # ER_SERVER_SHUTDOWN
    1079: Meaning.UNAVAILABLE,  # ER_SHUTDOWN_COMPLETE
    1080: Meaning.UNAVAILABLE,  # ER_FORCING_CLOSE
    1129: Meaning.UNAVAILABLE,  # ER_HOST_IS_BLOCKED
    1152: Meaning.UNAVAILABLE,  # ER_ABORTING_CONNECTION
    1158: Meaning.UNAVAILABLE,  # ER_NET_READ_ERROR
    1159: Meaning.UNAVAILABLE,  # ER_NET_READ_INTERRUPTED
    1160: Meaning.UNAVAILABLE,  # ER_NET_ERROR_ON_WRITE
    1161: Meaning.UNAVAILABLE,  # ER_NET_WRITE_INTERRUPTED
    1184: Meaning.UNAVAILABLE,  # ER_NEW_ABORTING_CONNECTION
    1203: Meaning.UNAVAILABLE,  # ER_TOO_MANY_USER_CONNECTIONS
    1226: Meaning.UNAVAILABLE,  # ER_USER_LIMIT_REACHED
    1290: Meaning.UNAVAILABLE,  # ER_OPTION_PREVENTS_STATEMENT: read_only, until it is promoted
    1317: Meaning.UNAVAILABLE,  # ER_QUERY_INTERRUPTED: somebody killed it
    1637: Meaning.UNAVAILABLE,  # ER_TOO_MANY_CONCURRENT_TRXS
    1792: Meaning.UNAVAILABLE,  # ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    1836: Meaning.UNAVAILABLE,  # ER_READ_ONLY_MODE
    1927: Meaning.UNAVAILABLE,  # ER_CONNECTION_KILLED (MariaDB)
    1969: Meaning.UNAVAILABLE,  # ER_STATEMENT_TIMEOUT (MariaDB): max_statement_time
    2002: Meaning.UNAVAILABLE,  # CR_CONNECTION_ERROR
    2003: Meaning.UNAVAILABLE,  # CR_CONN_HOST_ERROR
    2006: Meaning.UNAVAILABLE,  # CR_SERVER_GONE_ERROR
    2013: Meaning.UNAVAILABLE,  # CR_SERVER_LOST
    2014: Meaning.UNAVAILABLE,  # CR_COMMANDS_OUT_OF_SYNC
    2055: Meaning.UNAVAILABLE,  # CR_SERVER_LOST_EXTENDED
    3024: Meaning.UNAVAILABLE,  # ER_QUERY_TIMEOUT (MySQL): max_execution_time
    4031: Meaning.UNAVAILABLE,  # ER_CLIENT_INTERACTION_TIMEOUT (MySQL)
    1146: Meaning.NO_STORAGE,  # ER_NO_SUCH_TABLE
    1153: Meaning.TOO_LARGE,  # ER_NET_PACKET_TOO_LARGE
    1044: Meaning.REFUSED,  # ER_DBACCESS_DENIED_ERROR
    1045: Meaning.REFUSED,  # ER_ACCESS_DENIED_ERROR
    1049: Meaning.REFUSED,  # ER_BAD_DB_ERROR
    1130: Meaning.REFUSED,  # ER_HOST_NOT_PRIVILEGED
    1142: Meaning.REFUSED,  # ER_TABLEACCESS_DENIED_ERROR
    1143: Meaning.REFUSED,  # ER_COLUMNACCESS_DENIED_ERROR
    1227: Meaning.REFUSED,  # ER_SPECIFIC_ACCESS_DENIED_ERROR
    1251: Meaning.REFUSED,  # ER_NOT_SUPPORTED_AUTH_MODE
    1665: Meaning.REFUSED,  # ER_BINLOG_STMT_MODE_AND_ROW_ENGINE: READ COMMITTED can't be logged as statements
    1698: Meaning.REFUSED,  # ER_ACCESS_DENIED_NO_PASSWORD_ERROR
    1820: Meaning.REFUSED,  # ER_MUST_CHANGE_PASSWORD
    1862: Meaning.REFUSED,  # ER_MUST_CHANGE_PASSWORD_LOGIN
    2026: Meaning.REFUSED,  # CR_SSL_CONNECTION_ERROR
    2059: Meaning.REFUSED,  # CR_AUTH_PLUGIN_CANNOT_LOAD
    2061: Meaning.REFUSED,  # CR_AUTH_PLUGIN_ERR
    3118: Meaning.REFUSED,  # ER_ACCOUNT_HAS_BEEN_LOCKED
}

_STORAGE_ENGINE = frozenset({1026, 1030})
"""ER_ERROR_ON_WRITE and ER_GET_ERRNO: what they mean stands in the message, as the operating system's number."""
_NO_ROOM = ("error 28", "errno: 28", "errcode: 28", "errcode: 122")

_DUPLICATE = 1062
_MUST_NOT_BE_NULL = 1048


def code_of(error: BaseException) -> int | None:
    """The number of a client library's error, or of the one that it wraps."""
    for link in _chain(error):
        code: object = link.args[0] if link.args else None
        if type(link).__module__.startswith(("pymysql", "MySQLdb", "asyncmy")) and isinstance(code, int) and code:
            return code
    return None


def server_code(error: BaseException) -> int | None:
    """The number, if it is the server that gave it, on a connection that goes on."""
    code = code_of(error)
    if code is None or 2000 <= code < 3000 or meaning_of(code, error) is Meaning.UNAVAILABLE:
        return None
    return code


def meaning_of(code: int, error: BaseException) -> Meaning:
    """What an error means."""
    if code in _STORAGE_ENGINE:
        told = str(error).lower()
        return Meaning.FULL if any(mark in told for mark in _NO_ROOM) else Meaning.UNAVAILABLE
    return MEANINGS.get(code, Meaning.OTHER)


def is_retried(error: BaseException) -> bool:
    """Whether the transaction may be run again: the server refused it, or rolled it back."""
    code = code_of(error)
    return code is not None and meaning_of(code, error) is Meaning.RETRY


def is_duplicate(error: BaseException) -> bool:
    """Whether a unique key was taken."""
    return code_of(error) == _DUPLICATE


def is_null_refused(error: BaseException) -> bool:
    """Whether a column that must not be NULL would have been."""
    return code_of(error) == _MUST_NOT_BE_NULL


def own_error(error: BaseException) -> DriverError:
    """What a call of the driver raises for a client library's error, which becomes the `__cause__`."""
    code = code_of(error)
    if code is None:
        return DriverUnavailable(f"the server did not answer ({_told(error)}); unknown whether the call was applied")
    return _by_meaning(meaning_of(code, error), error)


def connect_error(error: BaseException) -> DriverError | ConfigurationError:
    """What `connect()` and `prepare_storage()` raise for a client library's error."""
    code = code_of(error)
    if code is None or 2002 <= code <= 2003:
        reason = error.__cause__ or error  # the client library's own words leave it out
        if isinstance(reason, ssl.SSLError):
            return ConfigurationError(f"the server is not trusted, or trusts us not: {_told(reason)}")
        return DriverUnavailable(f"the server can't be reached ({_told(reason)}); is it running, at this address?")
    if meaning_of(code, error) is Meaning.REFUSED:
        return ConfigurationError(f"the server refuses: {_told(error)}")
    return _by_meaning(meaning_of(code, error), error)


def guest_error(error: BaseException) -> DriverError:
    """What a call inside a caller's transaction raises. The caller rolls back, whichever it is."""
    code = code_of(error)
    if code is None:
        return DriverUnavailable(f"the connection does not answer ({_told(error)}); roll back, and begin again")
    meaning = meaning_of(code, error)
    if meaning is Meaning.RETRY:
        return TransactionAborted(f"the server ended the transaction: {_told(error)}. Roll back, and begin again")
    return _by_meaning(meaning, error)


def _by_meaning(meaning: Meaning, error: BaseException) -> DriverError:
    told = _told(error)
    if meaning is Meaning.FULL:
        return QueueFull(f"the server has no room: {told}. Nothing of the call was applied")
    if meaning is Meaning.NO_STORAGE:
        return StorageMissing(f"Schema missing. Run: {MIGRATE} ({told})")
    if meaning is Meaning.TOO_LARGE:
        return PayloadTooLarge(f"the server takes no packet of that size: {told}. Raise its max_allowed_packet")
    if meaning is Meaning.RETRY:
        return DriverUnavailable(f"the server undid the transaction again and again: {told}. Nothing was applied")
    if meaning in (Meaning.OTHER, Meaning.REFUSED):
        return DriverError(f"the server refuses the statement: {told}")
    return DriverUnavailable(f"the server is not available: {told}; unknown whether the call was applied")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: object = error
    while isinstance(link, BaseException) and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = getattr(link, "orig", None) or link.__cause__


def _told(error: BaseException) -> str:
    shown = str(error).strip().splitlines()
    return f"{type(error).__name__}: {shown[0][:300]}" if shown else type(error).__name__
