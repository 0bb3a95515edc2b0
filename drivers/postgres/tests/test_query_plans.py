"""No call looks at more rows than it moves: counted by the server, on large tables, with plans made on empty ones."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.settings import PostgresConfig
from asynctasq_postgres.storage_names import StorageNames
from msgspec.structs import replace

from asynctasq.driver_api import Complete, NewTask, Release, SettleOutcome, TaskState

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROWS = 200_000
BATCH = 100

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
COUNTERS = """
SELECT coalesce(sum(seq_tup_read), 0) + coalesce(sum(idx_tup_fetch), 0) FROM pg_stat_xact_all_tables
WHERE schemaname = $1
"""


class Counting(PostgresDriver):
    """Counts the rows that the server reads for each call, which it keeps per transaction."""

    rows_read = 0

    async def counted(self, call: Any) -> Any:
        """The result of one call; `rows_read` says how many rows the server looked at."""
        run = self._connected.run
        total = 0

        async def run_counting(operation: Any) -> Any:
            async def inside(connection: Any) -> Any:
                nonlocal total
                transaction = connection.transaction()
                await transaction.start()
                before = int(await connection.fetchval(COUNTERS, self.settings.schema))  # not yet reported ones
                result = await operation(connection)
                try:
                    total += int(await connection.fetchval(COUNTERS, self.settings.schema)) - before
                except asyncpg.InFailedSQLTransactionError:
                    await transaction.rollback()  # the fast enqueue met a known id: the general one follows
                else:
                    await transaction.commit()
                return result

            return await run(inside)

        self._connected.run = run_counting  # type: ignore[method-assign]
        try:
            return await call
        finally:
            self._connected.run = run  # type: ignore[method-assign]
            self.rows_read = total


@pytest.fixture
async def driver(settings: PostgresConfig, schema: str) -> AsyncGenerator[Counting]:
    """A driver on one session, on tables of its own, whose plans were all made while they were empty."""
    driver = Counting(
        replace(settings, schema=schema, min_pool_size=1, max_pool_size=1, notify=False, command_timeout=60.0)
    )
    await driver.prepare_storage()
    async with driver:
        for number in range(7):
            await one_of_each(driver, 1, f"warm{number}-")
        yield driver


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


async def one_of_each(driver: Counting, batch: int, prefix: str) -> dict[str, int]:
    """Every call once, and the rows that it made the server read."""
    read: dict[str, int] = {}

    async def measure(name: str, call: Any) -> Any:
        result = await driver.counted(call)
        read[name] = driver.rows_read
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
    await measure("cancel", driver.cancel_many([*ids, *keyed_ids]))
    await measure("replay", driver.replay_many(keyed_ids))
    assert all(await measure("delete", driver.delete_many(keyed_ids)))
    await measure("list dead", driver.list_tasks(state=TaskState.DEAD, limit=batch))
    return read


async def test_every_call_walks_its_index(driver: Counting, connection: asyncpg.Connection) -> None:
    """200,000 waiting tasks of another queue and as many dead letters cost nobody anything."""
    await load(connection, driver.settings, "other")
    await load(connection, driver.settings, "dead", expires="-1 minute", due="-2 hours")
    names = StorageNames(driver.settings)
    await connection.execute(
        names.fill("SELECT {store_ended}($1, ARRAY(SELECT seq FROM {task} WHERE expires_at < now()), now(), false)"),
        names.namespace,
        timeout=120,
    )
    read = await one_of_each(driver, BATCH, "measured")
    too_many = {name: rows for name, rows in read.items() if rows > 10 * BATCH}
    # A list looks at up to `limit` + 1,000 rows of each table.
    assert too_many.keys() <= {"list dead"}, too_many
    assert read["list dead"] <= 10 * BATCH + 2_000


async def test_a_claim_from_a_large_queue(driver: Counting, connection: asyncpg.Connection) -> None:
    """A backlog of 200,000 and 200,000 scheduled tasks of the highest priority: only what is claimed is read."""
    await load(connection, driver.settings, "backlog")
    await load(connection, driver.settings, "later", priority=9, due="1 day")
    for _ in range(3):
        deliveries = await driver.counted(driver.reserve(["q"], limit=BATCH, lease=60.0, worker="w"))
        assert [d.id[:7] for d in deliveries] == ["backlog"] * BATCH
        assert driver.rows_read <= 10 * BATCH


async def test_expired_heads_are_cleared_in_slices(driver: Counting, connection: asyncpg.Connection) -> None:
    """200,000 expired tasks before the first live one: each call does bounded work and makes progress."""
    await load(connection, driver.settings, "expired", expires="-1 minute", due="-2 hours")
    await load(connection, driver.settings, "live", rows=BATCH)
    calls = 0
    deliveries: list[Any] = []
    while not deliveries:
        deliveries = await driver.counted(driver.reserve(["q"], limit=BATCH, lease=60.0, worker="w"))
        assert driver.rows_read <= 50_000
        calls += 1
        assert calls <= ROWS / 2_000 + 2
    assert [delivery.id[:4] for delivery in deliveries] == ["live"] * BATCH
    stats = (await driver.queue_stats(["q"]))["q"]
    assert (stats.dead, stats.total_dead, stats.leased) == (ROWS, ROWS, BATCH)


async def test_a_poll_of_an_empty_queue(driver: Counting, connection: asyncpg.Connection) -> None:
    """Idle workers cost next to nothing, however much waits elsewhere."""
    await load(connection, driver.settings, "later", due="1 day")
    for _ in range(3):
        assert await driver.counted(driver.reserve(["q", "r", "s"], limit=BATCH, lease=60.0, worker="w")) == []
        assert driver.rows_read <= 10


async def test_maintenance_is_bounded(driver: Counting, connection: asyncpg.Connection) -> None:
    """One call reads about `limit` rows, whatever else is there."""
    await load(connection, driver.settings, "later", due="1 day")
    await load(connection, driver.settings, "expired", rows=5_000, expires="-1 minute", due="-2 hours")
    report = await driver.counted(driver.maintain(limit=BATCH))
    assert (report.removed, report.more) == (BATCH, True)
    assert driver.rows_read <= 20 * BATCH
