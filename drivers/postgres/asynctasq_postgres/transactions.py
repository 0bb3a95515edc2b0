"""Enqueueing and settling inside a transaction that the caller has open, on the caller's own connection."""

from collections.abc import Callable
from typing import Any

from asynctasq.driver_api import BoundDriver, InvalidArgument, Limits, SyncBoundDriver
from asynctasq_postgres.guests.bound_drivers import Binding, BoundPostgresDriver, SyncBoundPostgresDriver
from asynctasq_postgres.guests.guest import AsyncGuest, SyncGuest
from asynctasq_postgres.storage_names import StorageNames


class PostgresTransactions:
    """The feature `transactions`, for connections of asyncpg, psycopg 3 and SQLAlchemy 2."""

    def __init__(self, names: StorageNames, limits: Limits, check_open: Callable[[], None], *, notify: bool) -> None:
        self._binding = Binding(names=names, limits=limits, check_open=check_open, notify=notify)

    def on(self, connection: Any) -> BoundDriver | SyncBoundDriver:
        """Bind to a connection of asyncpg or psycopg, or to a connection or session of SQLAlchemy. Synchronous ones
        give a synchronous driver.

        Raises:
            InvalidArgument: it is no connection that this driver knows.
        """
        self._binding.check_open()
        libraries = {kind.__module__.partition(".")[0] for kind in type(connection).__mro__}
        for library, guest_of in _GUESTS.items():
            if library in libraries:
                guest = guest_of(connection)
                if isinstance(guest, SyncGuest):
                    return SyncBoundPostgresDriver(self._binding, guest)
                if isinstance(guest, AsyncGuest):
                    return BoundPostgresDriver(self._binding, guest)
        raise InvalidArgument(
            f"{type(connection)!r} is no connection that the driver postgres knows; wanted a connection of asyncpg or "
            "psycopg 3, or a connection or session of SQLAlchemy 2"
        )


# The client libraries are imported only when one of their connections is there, so none of them is a dependency.


def _asyncpg_guest(connection: object) -> AsyncGuest | None:
    from asynctasq_postgres.guests import asyncpg_guest

    return asyncpg_guest.guest_of(connection)


def _psycopg_guest(connection: object) -> AsyncGuest | SyncGuest | None:
    from asynctasq_postgres.guests import psycopg_guest

    return psycopg_guest.guest_of(connection)


def _sqlalchemy_guest(connection: object) -> AsyncGuest | SyncGuest | None:
    from asynctasq_postgres.guests import sqlalchemy_guest

    return sqlalchemy_guest.guest_of(connection)


_GUESTS: dict[str, Callable[[object], AsyncGuest | SyncGuest | None]] = {
    "asyncpg": _asyncpg_guest,
    "psycopg": _psycopg_guest,
    "sqlalchemy": _sqlalchemy_guest,
}
