"""What an operator should change in this database."""

from asynctasq.driver_api import DriverError, Finding
from asynctasq_mysql.database import Database

LONG_HISTORY = 1_000_000
"""Undone changes that the server keeps for old snapshots, above which every claim becomes slow."""
SMALL_BUFFER_POOL = 128 << 20


async def diagnose(database: Database) -> list[Finding]:
    """Look at what makes a queue slow or forgetful."""
    found = {str(name).lower(): str(value) for name, value in await database.fetch("diagnosis")}
    findings = [*_durability(found)]
    if int(found.get("innodb_buffer_pool_size", SMALL_BUFFER_POOL)) < SMALL_BUFFER_POOL:
        findings.append(
            Finding(
                code="small-buffer-pool",
                severity="warning",
                message=f"innodb_buffer_pool_size is {found['innodb_buffer_pool_size']} bytes",
                cure=f"set innodb_buffer_pool_size to {SMALL_BUFFER_POOL} or more: the live tasks should fit in",
            )
        )
    return findings + await _old_snapshots(database)


def _durability(found: dict[str, str]) -> list[Finding]:
    findings: list[Finding] = []
    if found.get("innodb_flush_log_at_trx_commit") != "1":
        findings.append(
            Finding(
                code="commits-not-flushed",
                severity="warning",
                message=f"innodb_flush_log_at_trx_commit is {found.get('innodb_flush_log_at_trx_commit')}: "
                "tasks may be lost when the machine crashes",
                cure="set innodb_flush_log_at_trx_commit = 1",
            )
        )
    if found.get("log_bin") == "ON" and found.get("sync_binlog") != "1":
        findings.append(
            Finding(
                code="binary-log-not-flushed",
                severity="warning",
                message=f"sync_binlog is {found.get('sync_binlog')}: after a crash of the machine, replicas may differ",
                cure="set sync_binlog = 1",
            )
        )
    if found.get("innodb_doublewrite", "ON").upper() in ("OFF", "0"):
        findings.append(
            Finding(
                code="no-doublewrite",
                severity="warning",
                message="innodb_doublewrite is off: a crash of the machine may leave half-written pages",
                cure="set innodb_doublewrite = ON, unless the file system writes pages atomically",
            )
        )
    return findings


async def _old_snapshots(database: Database) -> list[Finding]:
    try:
        rows = await database.fetch("history_length")
    except DriverError:
        return []  # the user may not look at the engine's metrics, which harms nothing
    length = int(rows[0][0]) if rows else 0
    if length < LONG_HISTORY:
        return []
    return [
        Finding(
            code="old-snapshots",
            severity="warning",
            message=f"the server keeps {length} old changes, because a transaction has been open for long",
            cure="find it in information_schema.INNODB_TRX, and end it",
        )
    ]
