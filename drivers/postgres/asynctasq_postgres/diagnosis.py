"""What an operator should change in this database."""

from collections.abc import Iterator

from msgspec import Struct

from asynctasq.driver_api import Finding
from asynctasq_postgres.database import Database

OLD_SNAPSHOT = 60.0
"""Seconds after which a transaction that keeps its snapshot is a finding: a claim went from 8 to 34 ms in 25 s."""
MANY_DEAD_ROWS = 1_000_000


class _Observed(Struct, frozen=True):
    """The columns of `statements/diagnose.sql`."""

    fsync: bool
    full_page_writes: bool
    synchronous_commit: str
    autovacuum: bool
    connections: int
    oldest_snapshot: float | None
    oldest_prepared: float | None
    idle_slots: str | None
    dead_rows: int | None
    unvacuumed_tables: str | None


async def diagnose(database: Database) -> list[Finding]:
    """Look at the settings and the sessions that make a queue forgetful or slow."""
    observed = _Observed(*(await database.fetch("diagnose"))[0])
    return [*_forgetful(observed), *_slow(observed, database.settings.max_pool_size)]


def _forgetful(observed: _Observed) -> Iterator[Finding]:
    for setting, is_on in (("fsync", observed.fsync), ("full_page_writes", observed.full_page_writes)):
        if not is_on:
            yield Finding(
                code=f"postgres.{setting}_off",
                severity="error",
                message=f"{setting} is off: a crash of the server or the machine may lose or corrupt tasks",
                cure=f"ALTER SYSTEM SET {setting} = on; SELECT pg_reload_conf()",
            )
    if observed.synchronous_commit == "off":
        yield Finding(
            code="postgres.synchronous_commit_off",
            severity="warning",
            message="synchronous_commit is off: a crash may lose tasks that were acknowledged in its last moments",
            cure="ALTER ROLE ... SET synchronous_commit = on, for the role that asynctasq connects as",
        )


def _slow(observed: _Observed, pool_size: int) -> Iterator[Finding]:
    if not observed.autovacuum or observed.unvacuumed_tables:
        yield Finding(
            code="postgres.autovacuum_off",
            severity="error",
            message=f"autovacuum is off for {observed.unvacuumed_tables or 'this server'}: claims get slower for ever",
            cure="ALTER SYSTEM SET autovacuum = on, and reset autovacuum_enabled of the tables",
        )
    if observed.oldest_snapshot is not None and observed.oldest_snapshot > OLD_SNAPSHOT:
        yield Finding(
            code="postgres.old_snapshot",
            severity="warning",
            message=f"a transaction has kept its snapshot for {observed.oldest_snapshot:.0f} s: until it ends no dead "
            "row can be removed, and every claim walks over them",
            cure="find it in pg_stat_activity by backend_xmin; set idle_in_transaction_session_timeout",
        )
    if observed.oldest_prepared is not None and observed.oldest_prepared > OLD_SNAPSHOT:
        yield Finding(
            code="postgres.prepared_transaction",
            severity="warning",
            message=f"a prepared transaction has been open for {observed.oldest_prepared:.0f} s, and holds up vacuum",
            cure="COMMIT PREPARED or ROLLBACK PREPARED what pg_prepared_xacts shows",
        )
    if observed.idle_slots:
        yield Finding(
            code="postgres.idle_replication_slot",
            severity="warning",
            message=f"replication slots without a consumer hold up vacuum: {observed.idle_slots}",
            cure="start their consumers, or pg_drop_replication_slot",
        )
    if observed.dead_rows is not None and observed.dead_rows > MANY_DEAD_ROWS:
        yield Finding(
            code="postgres.dead_rows",
            severity="warning",
            message=f"the live table has {observed.dead_rows} dead rows: vacuum does not keep up",
            cure="look for what holds it up, then VACUUM the table by hand once",
        )
    if pool_size + 1 > observed.connections:
        yield Finding(
            code="postgres.few_connections",
            severity="warning",
            message=f"one process may open {pool_size + 1} connections, and the server allows {observed.connections} "
            "in all",
            cure="lower max_pool_size, raise max_connections, or put PgBouncer in between",
        )
