"""What a session and a server must be like."""

import re

from msgspec import Struct

from asynctasq.driver_api import ConfigurationError, Guarantee
from asynctasq_mysql.client import Connection
from asynctasq_mysql.storage_names import ROOM_FOR_REST, read

OLDEST_MYSQL = (8, 0, 1)
OLDEST_MARIADB = (10, 6, 0)

_version = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class Session(Struct, frozen=True, kw_only=True):
    """The settings of a session that matter here."""

    version: str
    is_mariadb: bool
    isolation: str
    max_allowed_packet: int
    flush_log_at_commit: int
    logs_statements: bool
    """The binary log holds statements, rather than rows."""
    look: str
    """The statement that asks a session for its isolation level, and for whether it minds changed records."""

    def check(self, max_payload_bytes: int) -> None:
        """Raise unless the driver can work with such a server.

        Raises:
            ConfigurationError: it never can.
        """
        found = _version.match(self.version)
        numbers = tuple(map(int, found.groups())) if found else (0, 0, 0)
        if numbers < (OLDEST_MARIADB if self.is_mariadb else OLDEST_MYSQL) or "TiDB" in self.version:
            raise ConfigurationError(
                f"the server is {'MariaDB' if self.is_mariadb else 'MySQL'} {self.version}, which has no SKIP LOCKED; "
                "wanted MySQL 8.0.1 or newer, or MariaDB 10.6 or newer"
            )
        wanted = 2 * max_payload_bytes + ROOM_FOR_REST
        if self.max_allowed_packet < wanted:
            raise ConfigurationError(
                f"the server's max_allowed_packet is {self.max_allowed_packet}; wanted {wanted} or more, so that a "
                f"payload of max_payload_bytes={max_payload_bytes} fits into a statement"
            )
        if self.logs_statements:
            raise ConfigurationError(
                "the server's binlog_format is STATEMENT, which can't log READ COMMITTED transactions; "
                "wanted ROW or MIXED"
            )

    def guarantees(self) -> frozenset[Guarantee]:
        """All four, but for durability when commits are not written at once."""
        return frozenset(Guarantee) if self.flush_log_at_commit else frozenset(Guarantee) - {Guarantee.DURABLE}


async def begin_session(connection: Connection) -> Session:
    """Set what the driver needs of a session, and read back that it is so.

    Raises:
        ConfigurationError: the isolation level is not READ COMMITTED nevertheless.
    """
    results = await connection.run(read("statements", "session.sql").strip())
    found = {str(name).lower(): str(value) for name, value in results[-1].rows}
    isolation = "transaction_isolation" if "transaction_isolation" in found else "tx_isolation"
    snapshots = "@@innodb_snapshot_isolation" if "innodb_snapshot_isolation" in found else "0"
    session = Session(
        version=found["version"],
        is_mariadb="mariadb" in found["version"].lower(),
        isolation=found[isolation],
        max_allowed_packet=int(found["max_allowed_packet"]),
        flush_log_at_commit=int(found["innodb_flush_log_at_trx_commit"]),
        logs_statements=found.get("log_bin") == "ON" and found.get("binlog_format") == "STATEMENT",
        look=f"SELECT @@{isolation}, {snapshots}",
    )
    if session.isolation != "READ-COMMITTED":
        raise ConfigurationError(
            f"the session's isolation level is {session.isolation}; wanted READ-COMMITTED. Does a proxy change it?"
        )
    connection.packet_limit = session.max_allowed_packet - ROOM_FOR_REST // 8
    return session
