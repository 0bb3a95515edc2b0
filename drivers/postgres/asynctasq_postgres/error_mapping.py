"""What becomes of PostgreSQL's errors: one table, by SQLSTATE.

The table is searched for the whole code first, and then for its class, the first two characters.
"""

import ssl
from collections.abc import Iterator
from enum import Enum, auto

from asynctasq.driver_api import (
    ConfigurationError,
    DriverError,
    DriverUnavailable,
    QueueFull,
    StorageMissing,
    TransactionAborted,
)

MIGRATE = "asynctasq migrate --driver postgres"


class Meaning(Enum):
    """What an error means to the caller."""

    RETRY = auto()
    """The server refused or undid a transaction that may just as well work the next time."""
    UNAVAILABLE = auto()
    """The server, or the connection to it, is not there. Unknown whether applied."""
    CANCELLED = auto()
    """The server gave up on one statement, and undid it: a time-out of its own."""
    FULL = auto()
    """No room. Undone."""
    NO_STORAGE = auto()
    """Tables or functions are missing."""
    REFUSED = auto()
    """Who we are or what we ask for will not do until somebody changes something."""
    ABORTED = auto()
    """The transaction was over before this statement."""
    OTHER = auto()
    """A defect, here or there."""


MEANINGS: dict[str, Meaning] = {
    "40001": Meaning.RETRY,  # serialization_failure
    "40P01": Meaning.RETRY,  # deadlock_detected
    "55P03": Meaning.RETRY,  # lock_not_available: somebody set lock_timeout
    "26000": Meaning.RETRY,  # invalid_sql_statement_name: a pooler handed on another server session
    "08": Meaning.UNAVAILABLE,  # connection_exception
    "53300": Meaning.UNAVAILABLE,  # too_many_connections
    "53": Meaning.UNAVAILABLE,  # insufficient_resources: memory, configured limits
    "53100": Meaning.FULL,  # disk_full
    "57014": Meaning.CANCELLED,  # query_canceled: statement_timeout, or an administrator
    "57": Meaning.UNAVAILABLE,  # operator_intervention: shutdown, crash, cannot_connect_now, idle_session_timeout
    "25P03": Meaning.UNAVAILABLE,  # idle_in_transaction_session_timeout
    "25006": Meaning.UNAVAILABLE,  # read_only_sql_transaction: a standby, until it is promoted
    "25P02": Meaning.ABORTED,  # in_failed_sql_transaction
    "40": Meaning.ABORTED,  # transaction_rollback, of other kinds
    "58": Meaning.UNAVAILABLE,  # system_error: input/output
    "XX001": Meaning.UNAVAILABLE,  # data_corrupted
    "XX002": Meaning.UNAVAILABLE,  # index_corrupted
    "42P01": Meaning.NO_STORAGE,  # undefined_table
    "42883": Meaning.NO_STORAGE,  # undefined_function
    "3F000": Meaning.NO_STORAGE,  # invalid_schema_name
    "28": Meaning.REFUSED,  # invalid_authorization_specification: user, password
    "3D000": Meaning.REFUSED,  # invalid_catalog_name: the database
    "42501": Meaning.REFUSED,  # insufficient_privilege
}


def meaning_of(sqlstate: str) -> Meaning:
    """What this SQLSTATE means."""
    return MEANINGS.get(sqlstate) or MEANINGS.get(sqlstate[:2]) or Meaning.OTHER


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE of a client library's error, or of the one that it wraps."""
    for link in _chain(error):
        for name in ("sqlstate", "pgcode"):
            value: object = getattr(link, name, None)
            if isinstance(value, str) and len(value) == 5:
                return value
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: object = error
    while isinstance(link, BaseException) and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = getattr(link, "orig", None) or link.__cause__


def own_error(error: BaseException) -> DriverError:
    """What a call of the driver raises for a client library's error. It becomes the `__cause__`."""
    sqlstate = sqlstate_of(error)
    if sqlstate is None:
        return DriverUnavailable(f"PostgreSQL did not answer ({_told(error)}); unknown whether the call was applied")
    return _by_meaning(meaning_of(sqlstate), error, sqlstate)


def connect_error(error: BaseException) -> DriverError | ConfigurationError:
    """What `connect()` and `prepare_storage()` raise for a client library's error."""
    sqlstate = sqlstate_of(error)
    if sqlstate is None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return ConfigurationError(
                f"the certificate of the PostgreSQL server was not accepted ({_told(error)}). Set `sslrootcert` to the "
                "authority that signed it, and the host to the name that it was made for"
            )
        if isinstance(error, OSError | TimeoutError):
            return DriverUnavailable(f"PostgreSQL can't be reached ({_told(error)}); is it running, at this address?")
        return ConfigurationError(f"PostgreSQL can't be connected to as configured: {_told(error)}")
    if meaning_of(sqlstate) is Meaning.REFUSED:
        return ConfigurationError(f"PostgreSQL refuses: {_told(error)} (SQLSTATE {sqlstate})")
    return _by_meaning(meaning_of(sqlstate), error, sqlstate)


def guest_error(error: BaseException) -> DriverError:
    """What a call inside a caller's transaction raises. There, every error of the server ends the transaction."""
    sqlstate = sqlstate_of(error)
    if sqlstate is None:
        return DriverUnavailable(f"the connection does not answer ({_told(error)}); roll back, and begin again")
    meaning = meaning_of(sqlstate)
    if meaning in (Meaning.FULL, Meaning.NO_STORAGE):
        return _by_meaning(meaning, error, sqlstate)
    return TransactionAborted(
        f"PostgreSQL ended the transaction: {_told(error)} (SQLSTATE {sqlstate}). Roll back, and begin again"
    )


def _by_meaning(meaning: Meaning, error: BaseException, sqlstate: str) -> DriverError:
    told = f"{_told(error)} (SQLSTATE {sqlstate})"
    if meaning is Meaning.FULL:
        return QueueFull(f"PostgreSQL has no room: {told}. Nothing of the call was applied")
    if meaning is Meaning.NO_STORAGE:
        return StorageMissing(f"Schema missing. Run: {MIGRATE} ({told})")
    if meaning in (Meaning.OTHER, Meaning.REFUSED, Meaning.ABORTED):
        return DriverError(f"PostgreSQL refuses the statement: {told}")
    return DriverUnavailable(f"PostgreSQL is not available: {told}; unknown whether the call was applied")


def _told(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:300]}" if text else type(error).__name__
