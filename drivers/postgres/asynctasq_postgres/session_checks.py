"""What a server must be like, looked at once per `connect()`."""

from msgspec import Struct

from asynctasq.driver_api import ConfigurationError, DriverUnavailable, Guarantee
from asynctasq_postgres.client import Connection
from asynctasq_postgres.storage_names import StorageNames

OLDEST_SERVER = 130_000


class Session(Struct, frozen=True):
    """The settings of a session that matter here, in the order of `statements/session.sql`."""

    server_version: int
    server_version_text: str
    encoding: str
    isolation: str
    read_only: bool
    synchronous_commit: str
    fsync: bool
    full_page_writes: bool

    def check(self) -> None:
        """Raise unless the driver can work in such a session.

        Raises:
            ConfigurationError: it never can.
            DriverUnavailable: the server is a standby.
        """
        if self.server_version < OLDEST_SERVER:
            raise ConfigurationError(f"the server is PostgreSQL {self.server_version_text}; wanted 13 or newer")
        if self.encoding != "UTF8":
            raise ConfigurationError(f"the database's encoding is {self.encoding}; wanted UTF8")
        if self.isolation != "read committed":
            raise ConfigurationError(
                f"the session's isolation level is {self.isolation.upper()}; wanted READ COMMITTED. "
                "Run: ALTER ROLE ... SET default_transaction_isolation = 'read committed'"
            )
        if self.read_only:
            raise DriverUnavailable(
                "the session is read-only (a standby, or default_transaction_read_only); wanted one that writes. "
                "With several hosts, set target_session_attrs=read-write"
            )

    def guarantees(self) -> frozenset[Guarantee]:
        """All four, but for durability when the server was told not to care for it."""
        is_durable = self.fsync and self.full_page_writes and self.synchronous_commit != "off"
        return frozenset(Guarantee) if is_durable else frozenset(Guarantee) - {Guarantee.DURABLE}


async def look_at_session(connection: Connection, names: StorageNames) -> Session:
    """The session that this connection has."""
    return Session(*(await connection.fetch(names.statement("session")))[0])
