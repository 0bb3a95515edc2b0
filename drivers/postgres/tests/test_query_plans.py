"""No call looks at more than a few rows for each that it moves: counted by the server, on tables of 1,000,000 rows
(which load in about 6 s), with plans that were made while they were empty, and never made again."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
import pytest
from asynctasq_postgres.client import Connection
from asynctasq_postgres.database import Database
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.reserving import CLEARED_PER_CALL, CLEARED_PER_CLAIM, claims_of
from asynctasq_postgres.settings import PostgresConfig
from asynctasq_postgres.storage_names import StorageNames
from msgspec import Struct
from msgspec.structs import replace

from asynctasq.driver_api import (
    Bury,
    CancelOutcome,
    Complete,
    Delivery,
    Failure,
    NewTask,
    Release,
    ReplayStatus,
    SettleOutcome,
    TaskState,
)

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

T = TypeVar("T")

ROWS = 1_000_000
IN_THE_WAY = 200_000
"""Tasks of the highest priority that are not due, expired ones at the head, dead letters."""
BATCH = 100
ROWS_EACH = 10
"""Rows that a call may look at for each one of its batch."""
PAGES_EACH = 100
"""Pages of tables and indexes likewise: finding a row in an index of 1,000,000 takes four."""

LOAD = """
WITH new AS (
    SELECT nextval('{sequence}') AS seq, number FROM generate_series(1, %(rows)s) AS n (number)
), remembered AS (
    INSERT INTO {known} (namespace, seq, id) SELECT %(namespace)s, seq, %(prefix)s || number FROM new
)
INSERT INTO {task} (namespace, seq, line, ready_at, enqueued_at, expires_at, expires_after, priority, queue, id, name,
    payload)
SELECT %(namespace)s, seq, %(line)s, clock_timestamp() + %(due)s, clock_timestamp() - interval '1 hour',
    clock_timestamp() + %(expires)s, CASE WHEN %(expires)s IS NOT NULL THEN 1800 END, %(priority)s, 'q',
    %(prefix)s || number, 'n', 'payload'
FROM new
"""
TABLES = ("task", "known", "finished", "journal", "totals", "paused", "reports")
COUNTERS = """
SELECT
    coalesce(sum(seq_tup_read), 0) + coalesce(sum(idx_tup_fetch), 0),
    (
        SELECT sum(pg_stat_get_xact_blocks_fetched(oid)) FROM pg_class
        WHERE relnamespace = to_regnamespace($1::text) AND relkind IN ('r', 'i')
    )
FROM pg_stat_xact_all_tables
WHERE schemaname = $1::text
"""


class Looked(Struct, frozen=True):
    """What the server looked at for one call."""

    rows: int
    pages: int
    """Of tables and of indexes, each as often as it was looked at: an index that is walked shows here alone."""

    def is_much(self, moved: int) -> bool:
        """Whether that is too much for a call that moved so many tasks."""
        return self.rows > ROWS_EACH * moved or self.pages > PAGES_EACH * moved


class CountingDatabase(Database):
    """Counts what the server looks at, which the server keeps per transaction."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.settings, database.names, database._pool)
        self._looked: list[Looked] = []

    async def run(self, operation: Callable[[Connection], Awaitable[T]]) -> T:
        async def run_counting(connection: Connection) -> T:
            async with connection.transaction():
                before = await self._counters(connection)
                result = await operation(connection)
                try:
                    after = await self._counters(connection)
                except asyncpg.InFailedSQLTransactionError:
                    after = before  # the fast enqueue met a known id: rolled back, and the general one follows
            self._looked.append(Looked(after[0] - before[0], after[1] - before[1]))
            return result

        return await super().run(run_counting)

    def take(self) -> list[Looked]:
        """What was counted since this was asked last, transaction by transaction."""
        looked, self._looked = self._looked, []
        return looked

    async def _counters(self, connection: Connection) -> tuple[int, int]:
        rows = await connection.fetch(COUNTERS, self.settings.schema)
        return int(rows[0][0]), int(rows[0][1])


@pytest.fixture(params=["no statistics"])
async def driver(
    settings: PostgresConfig, schema: str, connection: asyncpg.Connection, request: pytest.FixtureRequest
) -> AsyncGenerator[PostgresDriver]:
    """A driver on one session, on tables of its own, whose plans were all made while they were empty, or nearly so."""
    driver = PostgresDriver(
        replace(settings, schema=schema, min_pool_size=1, max_pool_size=1, notify=False, command_timeout=60.0)
    )
    await driver.prepare_storage()
    names = StorageNames(driver.settings)
    async with driver:
        driver._database = CountingDatabase(driver._connected)
        if request.param == "few rows":
            await driver.enqueue_many([NewTask(id="few", queue="few", name="n", payload=b"", dedupe_key="few")])
        if request.param != "no statistics":
            for table in TABLES:
                await connection.execute(names.fill(f"VACUUM ANALYZE {{{table}}}"))
        for number in range(7):
            await one_of_each(driver, 1, f"warm{number}-")
        looked(driver)
        yield driver


def transactions(driver: PostgresDriver) -> list[Looked]:
    """What the server looked at in each transaction since this was asked last."""
    assert isinstance(driver._database, CountingDatabase)
    return driver._database.take()


def looked(driver: PostgresDriver) -> Looked:
    """What the server looked at for the calls since this was asked last."""
    each = transactions(driver)
    return Looked(sum(one.rows for one in each), sum(one.pages for one in each))


of_all_statistics = pytest.mark.parametrize("driver", ["no statistics", "no rows", "few rows"], indirect=True)
"""What the planner knows of the tables when it makes its plans: nothing, that they are empty, that they are small."""


async def load(connection: asyncpg.Connection, settings: PostgresConfig, prefix: str, **options: Any) -> None:
    """Put rows in behind the driver's back, without ANALYZE."""
    names = StorageNames(settings)
    priority = options.get("priority", 4)
    values = {
        "rows": options.get("rows", ROWS),
        "namespace": names.namespace,
        "line": names.line("q", priority),
        "priority": priority,
        "prefix": f"'{prefix}'",
        "due": f"interval '{options.get('due', '-1 minute')}'",
        "expires": f"interval '{options['expires']}'" if "expires" in options else "NULL::interval",
    }
    await connection.execute(names.fill(LOAD) % values, timeout=120)


async def one_of_each(driver: PostgresDriver, batch: int, prefix: str) -> dict[str, Looked]:
    """Every call once, and what it made the server look at."""
    seen: dict[str, Looked] = {}
    looked(driver)

    async def measure(name: str, call: Awaitable[T]) -> T:
        result = await call
        seen[name] = looked(driver)
        return result

    tasks = [NewTask(id=f"{prefix}{number}", queue="mine", name="n", payload=b"") for number in range(batch)]
    ids = [task.id for task in tasks]
    assert all(o.accepted for o in await measure("enqueue", driver.enqueue_many(tasks)))
    assert not any(o.accepted for o in await measure("enqueue known ids", driver.enqueue_many(tasks)))
    keyed = [
        NewTask(id=f"k{task.id}", queue="keyed", name="n", payload=b"", dedupe_key=task.id, expires_after=60.0)
        for task in tasks
    ]
    assert all(o.accepted for o in await measure("enqueue with everything", driver.enqueue_many(keyed)))
    deliveries = await measure("reserve", driver.reserve(["mine"], limit=batch, lease=60.0, worker="w"))
    assert len(deliveries) == batch
    receipts = [delivery.receipt for delivery in deliveries]
    assert all(o.applied for o in await measure("extend", driver.extend_many(receipts, lease=60.0)))
    released = [Release(receipt=receipt) for receipt in receipts]
    assert set(await measure("settle", driver.settle_many(released))) == {SettleOutcome.APPLIED}
    deliveries = await driver.reserve(["mine"], limit=batch, lease=60.0, worker="w")
    completed = [Complete(receipt=delivery.receipt) for delivery in deliveries]
    assert set(await measure("settle plain", driver.settle_many(completed))) == {SettleOutcome.APPLIED}
    keyed_ids = [task.id for task in keyed]
    await measure("get", driver.get_tasks(keyed_ids))
    deliveries = await driver.reserve(["keyed"], limit=batch, lease=60.0, worker="w")
    buried = [Bury(receipt=d.receipt, failure=Failure(type="E", message="m")) for d in deliveries]
    assert set(await measure("bury", driver.settle_many(buried))) == {SettleOutcome.APPLIED}
    assert {o.status for o in await measure("replay", driver.replay_many(keyed_ids))} == {ReplayStatus.REPLAYED}
    assert set(await measure("cancel", driver.cancel_many(keyed_ids))) == {CancelOutcome.CANCELLED}
    assert set(await measure("cancel ended ones", driver.cancel_many(ids))) == {CancelOutcome.TOO_LATE}
    assert all(await measure("delete", driver.delete_many(keyed_ids)))
    await measure("list dead", driver.list_tasks(state=TaskState.DEAD, limit=batch))
    return seen


@of_all_statistics
async def test_every_call_walks_its_index(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """1,000,000 tasks of another queue, half of them due, and 200,000 dead letters cost nobody anything; neither is any
    call quadratic in its batch."""
    await load(connection, driver.settings, "due", rows=ROWS // 2)
    await load(connection, driver.settings, "later", rows=ROWS // 2, due="1 day")
    await load(connection, driver.settings, "dead", rows=IN_THE_WAY, expires="-1 minute", due="-2 hours")
    names = StorageNames(driver.settings)
    await connection.execute(
        names.fill("SELECT {store_ended}($1, ARRAY(SELECT seq FROM {task} WHERE expires_at < now()), now(), false)"),
        names.namespace,
        timeout=120,
    )
    for batch in (BATCH, 10 * BATCH):
        seen = await one_of_each(driver, batch, f"measured{batch}-")
        listed = seen.pop("list dead")
        assert listed.rows <= 2 * (batch + 1_000)  # what it may look at in each table
        assert {name: it for name, it in seen.items() if it.is_much(batch)} == {}


@of_all_statistics
async def test_a_claim_from_a_large_queue(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """A backlog of 1,000,000, and 200,000 scheduled tasks of the highest priority: only what is claimed is read."""
    await load(connection, driver.settings, "backlog")
    await load(connection, driver.settings, "later", rows=IN_THE_WAY, priority=9, due="1 day")
    for _ in range(3):
        deliveries = await driver.reserve(["q"], limit=BATCH, lease=60.0, worker="w")
        assert [d.id[:7] for d in deliveries] == ["backlog"] * BATCH
        assert not looked(driver).is_much(BATCH)


@pytest.mark.parametrize("limit", [1, BATCH, 10 * BATCH])
async def test_expired_heads_cost_a_claim_nothing(
    driver: PostgresDriver, connection: asyncpg.Connection, limit: int
) -> None:
    """200,000 expired tasks before the first live one: a claim reads no more than a few rows for each task wanted, and
    a call makes as many claims as clear a thousand of them, no more."""
    await load(connection, driver.settings, "expired", rows=IN_THE_WAY, expires="-1 minute", due="-2 hours")
    names = StorageNames(driver.settings)
    cleared_until_now = names.fill("SELECT coalesce(sum(dead), 0) FROM {journal} WHERE namespace = $1 AND queue = 'q'")
    batch = max(limit, CLEARED_PER_CLAIM)
    cleared = 0
    for _ in range(3):
        transactions(driver)
        assert await driver.reserve(["q"], limit=limit, lease=60.0, worker="w") == []
        claims = transactions(driver)
        before, cleared = cleared, await connection.fetchval(cleared_until_now, names.namespace)
        assert len(claims) == claims_of(limit)
        assert cleared - before == CLEARED_PER_CALL
        assert not [claim for claim in claims if claim.is_much(batch)]


async def test_what_stands_behind_expired_heads_comes(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """A few calls come to what is live behind thousands of expired tasks, each of which is dead and counted once."""
    expired = 5 * CLEARED_PER_CALL
    await load(connection, driver.settings, "expired", rows=expired, expires="-1 minute", due="-2 hours")
    await load(connection, driver.settings, "live", rows=BATCH)
    found: list[Delivery] = []
    for _ in range(6):
        found += await driver.reserve(["q"], limit=BATCH, lease=60.0, worker="w")
    assert [delivery.id[:4] for delivery in found] == ["live"] * BATCH
    stats = (await driver.queue_stats(["q"]))["q"]
    assert (stats.dead, stats.total_dead, stats.leased) == (expired, expired, BATCH)


async def test_a_poll_of_an_empty_queue(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """Idle workers cost next to nothing, however much waits for its time."""
    await load(connection, driver.settings, "later", due="1 day")
    for _ in range(3):
        assert await driver.reserve(["q", "r", "s"], limit=BATCH, lease=60.0, worker="w") == []
        assert not looked(driver).is_much(3)  # each queue has ten lines to be looked into


@of_all_statistics
async def test_maintenance_is_bounded(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """One call reads about `limit` rows, whatever else is there."""
    await load(connection, driver.settings, "later", rows=IN_THE_WAY, due="1 day")
    await load(connection, driver.settings, "expired", rows=5_000, expires="-1 minute", due="-2 hours")
    report = await driver.maintain(limit=BATCH)
    assert (report.removed, report.more) == (BATCH, True)
    assert not looked(driver).is_much(BATCH)
