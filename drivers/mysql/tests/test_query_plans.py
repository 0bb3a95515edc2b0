"""What a call reads does not depend on how much is stored."""

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

import anyio
import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver
from asynctasq_mysql.client import Connection, Result
from asynctasq_mysql.clock import NEVER
from asynctasq_mysql.database import Database
from msgspec.structs import replace

from asynctasq.driver_api import Complete, NewTask

from .harness import Administrator

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

T = TypeVar("T")

READY = 1_000_000
"""Tasks in the crowd, which are loaded once."""
ROWS = 200_000
"""Scheduled or expired tasks at the head."""
BATCH = 100
PASSES = 10
"""Rows read per row wanted, at most."""


@pytest.fixture
async def crowded(own_tables: MySQLConfig) -> AsyncGenerator[MySQLDriver]:
    """A driver with one connection, which has planned its statements on empty tables."""
    driver = MySQLDriver(one_connection(own_tables))
    await driver.prepare_storage()
    async with driver:
        await driver.reserve(["q"], limit=BATCH, lease=60.0, worker="worker")
        yield driver


@pytest.fixture(scope="module")
def crowd(mysql_url: str) -> Iterator[MySQLConfig]:
    """Tables with a million ready tasks, which were planned on while they were empty."""
    settings = one_connection(MySQLConfig(dsn=mysql_url, queue_table=f"test_{uuid.uuid4().hex[:20]}"))

    async def plan_on_empty_tables() -> None:
        driver = MySQLDriver(settings)
        await driver.prepare_storage()
        async with driver:
            await driver.reserve(["q"], limit=BATCH, lease=60.0, worker="worker")

    anyio.run(plan_on_empty_tables, backend="asyncio")
    load(settings, at="@now - seq", rows=READY)
    yield settings
    Administrator(settings).drop_tables()


@pytest.fixture
async def in_the_crowd(crowd: MySQLConfig) -> AsyncGenerator[MySQLDriver]:
    """A driver with one connection to a million ready tasks."""
    async with MySQLDriver(crowd) as driver:
        yield driver


def one_connection(settings: MySQLConfig) -> MySQLConfig:
    """The same tables, through one connection, whose session counts what is read."""
    return replace(settings, min_pool_size=1, max_pool_size=1)


def load(
    settings: MySQLConfig, *, at: str, rows: int = ROWS, priority_order: int = 5, expires_at: str = str(NEVER)
) -> None:
    """Store many tasks, without statistics of them."""
    now = "@now := {now}"
    begin = uuid.uuid4().hex[:10]
    Administrator(settings).run(
        f"SELECT {now}",
        "INSERT INTO {task} (namespace, queue, priority_order, at_us, enqueued_us, expires_us, special, id, name,"
        f" payload) SELECT 1, 'q', {priority_order}, {at}, @now - 10000000, {expires_at}, {expires_at} <> {NEVER},"
        f" CONCAT('{begin}-', seq), 'tests.task', '' FROM seq_1_to_{rows}",
        f"INSERT INTO {{known}} SELECT namespace, id, pk FROM {{task}} WHERE id LIKE '{begin}-%'",
        f"INSERT INTO {{agenda}} SELECT pk, namespace, 0, expires_us FROM {{task}}"
        f" WHERE id LIKE '{begin}-%' AND expires_us <> {NEVER}",
    )


async def rows_read(driver: MySQLDriver, call: Callable[[], Awaitable[Any]]) -> tuple[int, Any]:
    """How many rows the server reads for a call, and what that gives."""

    async def counted() -> int:
        [status] = await run(driver, "SHOW SESSION STATUS LIKE 'Handler_read%'")
        return sum(int(row[1]) for row in status.rows)

    before = await counted()
    value = await call()
    after = await counted()
    overhead = 2 * len((await run(driver, "SHOW SESSION STATUS LIKE 'Handler_read%'"))[0].rows)
    return after - before - overhead, value


class CountingDatabase(Database):
    """Counts the rows that the server reads for each transaction, from its first statement to its end."""

    rows_read: list[int]

    async def run(self, operation: Callable[[Connection], Awaitable[T]]) -> T:
        async def counted(connection: Connection) -> T:
            idle = await rows_read_so_far(connection)
            before = await rows_read_so_far(connection)
            result = await operation(connection)
            after = await rows_read_so_far(connection)
            self.rows_read.append((after - before) - (before - idle))  # less what the counting reads
            return result

        return await super().run(counted)


def counting(driver: MySQLDriver) -> CountingDatabase:
    """Have a connected driver's transactions counted from now on."""
    database = driver._connected
    counting = driver._database = CountingDatabase(database.settings, database.names, database._pool)
    counting._workers = database._workers  # known by now: looking one up would be a transaction, too
    counting.rows_read = []
    return counting


async def rows_read_so_far(connection: Connection) -> int:
    """How many rows the server has read for this session."""
    [status] = await connection.run("SHOW SESSION STATUS LIKE 'Handler_read%'")
    return sum(int(row[1]) for row in status.rows)


def ended(driver: MySQLDriver) -> int:
    """How many tasks are stored as dead because they expired."""
    sql = "SELECT COUNT(*) FROM {task} WHERE state = 2 AND reason = 'expired'"
    [(count,)] = Administrator(driver.settings).run(sql)
    return count


async def run(driver: MySQLDriver, sql: str) -> list[Result]:
    """Run a statement on the driver's only connection."""
    return await driver._connected.run(lambda connection: connection.run(sql))


async def test_a_cycle_among_many_ready_tasks(in_the_crowd: MySQLDriver) -> None:
    """reserve, extend and settle of a batch read at most ten rows per task among 1,000,000 ready ones."""

    async def cycle() -> int:
        deliveries = await in_the_crowd.reserve(["q"], limit=BATCH, lease=60.0, worker="worker")
        await in_the_crowd.extend_many([delivery.receipt for delivery in deliveries], lease=60.0)
        await in_the_crowd.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
        return len(deliveries)

    for _ in range(3):
        read, delivered = await rows_read(in_the_crowd, cycle)
        assert delivered == BATCH
        assert read <= PASSES * BATCH


async def test_a_claim_behind_many_scheduled_tasks(crowded: MySQLDriver) -> None:
    """200,000 scheduled tasks of the highest priority cost a claim nothing."""
    load(crowded.settings, at="@now + 3600000000", priority_order=0)
    await crowded.enqueue_many([task() for _ in range(BATCH)])
    read, deliveries = await rows_read(
        crowded, lambda: crowded.reserve(["q"], limit=BATCH, lease=60.0, worker="worker")
    )
    assert len(deliveries) == BATCH
    assert read <= PASSES * BATCH


@pytest.mark.parametrize("limit", [1, BATCH, 1000])
async def test_a_claim_behind_many_expired_tasks(crowded: MySQLDriver, limit: int) -> None:
    """With 200,000 expired tasks at the head, which use all that there is to clean up, no claim reads more than ten
    rows per task wanted (a small one: as if it wanted 100), and each call of reserve clears a thousand of them."""
    batch = max(limit, BATCH)
    load(crowded.settings, at="@now - 9000000", expires_at="@now - 1")
    Administrator(crowded.settings).run(
        "UPDATE {task} SET dedupe_key = id, worker = 1 + pk % 50",
        "INSERT INTO {dedupe} SELECT namespace, CONCAT(queue, CHAR(0), dedupe_key), pk FROM {task}",
    )
    await crowded.enqueue_many([task(priority=0) for _ in range(BATCH)])
    claims = counting(crowded).rows_read
    for call in range(1, 4):
        deliveries = await crowded.reserve(["q"], limit=limit, lease=60.0, worker="worker")
        assert max(claims) <= PASSES * batch, claims
        assert not deliveries, "tasks of a lower priority came past what may stand behind the expired ones"
        assert ended(crowded) == call * 1000
    assert len(claims) == 3 * 1000 / batch


async def test_other_calls_among_many_tasks(in_the_crowd: MySQLDriver) -> None:
    """Enqueueing, looking, cancelling, replaying, deleting, maintaining and polling read what they are asked for."""
    tasks = [task() for _ in range(BATCH)]
    ids = [each.id for each in tasks]
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "enqueue_many": lambda: in_the_crowd.enqueue_many(tasks),
        "enqueue_many, known": lambda: in_the_crowd.enqueue_many(tasks),
        "enqueue_many, with keys": lambda: in_the_crowd.enqueue_many([task(dedupe_key=id) for id in ids]),
        "get_tasks": lambda: in_the_crowd.get_tasks(ids),
        "cancel_many": lambda: in_the_crowd.cancel_many(ids),
        "replay_many": lambda: in_the_crowd.replay_many(ids),
        "delete_many": lambda: in_the_crowd.delete_many(ids),
        "maintain": lambda: in_the_crowd.maintain(limit=BATCH),
        "any_ready": lambda: in_the_crowd._connected.fetch("any_ready", queues=["q", "other"]),
    }
    for name, call in calls.items():
        read, _ = await rows_read(in_the_crowd, call)
        assert read <= PASSES * BATCH, f"{name} read {read} rows"


async def test_a_list_looks_at_a_bounded_number(in_the_crowd: MySQLDriver) -> None:
    """A page of a list looks at a window of tasks, however few of them match."""
    for filters in ({"name": "nowhere"}, {"state": "dead"}, {"state": "scheduled"}, {"queue": "other"}):
        read, _ = await rows_read(in_the_crowd, lambda filters=filters: in_the_crowd.list_tasks(limit=10, **filters))
        assert read <= 3 * 2000, f"{filters} read {read} rows"


def task(**fields: Any) -> NewTask:
    """A task with a fresh id."""
    return NewTask(**{"id": uuid.uuid4().hex, "queue": "q", "name": "tests.task", "payload": b""} | fields)


async def test_a_claim_from_many_queues(crowded: MySQLDriver) -> None:
    """A claim from 300 queues, of which three hold something, looks at the heads of all, and at the lines of three."""
    queues = [f"q{number}" for number in range(300)]
    wanted = [(queue, priority) for queue in ("q7", "q150", "q299") for priority in (9, 4, 0)]
    await crowded.enqueue_many([task(queue=queue, priority=priority) for queue, priority in wanted])
    read, deliveries = await rows_read(
        crowded, lambda: crowded.reserve(queues, limit=BATCH, lease=60.0, worker="worker")
    )
    assert [(delivery.queue, delivery.priority) for delivery in deliveries] == wanted
    assert read <= PASSES * len(queues)
