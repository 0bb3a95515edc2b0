"""A large backlog slows nothing down: what a call does depends on its batch, not on what is stored.

Work is counted in instructions of SQLite's virtual machine, which no other load on the computer changes. The driver's
statements are prepared while its tables are empty, and nobody runs ANALYZE.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
import pytest
from asynctasq_sqlite import SQLiteDriver
from asynctasq_sqlite.group_commit import CallQueue
from asynctasq_sqlite.listing import LOOKED_AT
from asynctasq_sqlite.statements import in_namespace
from asynctasq_sqlite.time_ends import SLICE

from asynctasq.driver_api import Delivery, TaskState

from .harness import connection_to
from .tasks import completions, new_tasks, take

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MANY = 1_000_000
BATCH = 100
SLIGHTLY_MORE = 1.2
"""Of the work of the same call on an empty store."""

COUNTED_BY = 10
"""Instructions from one count to the next."""

T = TypeVar("T")


@pytest.fixture
async def used_driver(driver: SQLiteDriver) -> SQLiteDriver:
    """A driver that has prepared its statements on empty tables."""
    await work_on(driver)
    return driver


TASKS = """
INSERT INTO ns_task (id, queue, rank, at, enqueued_at, remember_for, name, payload)
WITH RECURSIVE
  numbers (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM numbers WHERE value < {many}),
  clock (now) AS (SELECT CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
SELECT 'many-' || value, 'q', {rank}, now + ({due_in}), now - 100000, 60000, 'work', x'' FROM clock, numbers
"""
WAITING = """
INSERT INTO ns_waiting (queue, rank, at, seq, attempt, special)
SELECT queue, rank, at, seq, 0, {special} FROM ns_task WHERE id GLOB 'many-*'
"""
EXPIRED = """
INSERT INTO ns_extra (seq, expires_after, expires_at)
SELECT seq, 1000, enqueued_at + 1000 FROM ns_task WHERE id GLOB 'many-*'
"""


def load(path: Path, *, rank: int = 5, due_in: str = "-value", expired: bool = False) -> None:
    """Store a million waiting tasks behind those that are there. `due_in`: milliseconds, by the number of the task."""
    with connection_to(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN IMMEDIATE")
        for text in (TASKS, WAITING, EXPIRED) if expired else (TASKS, WAITING):
            statement = text.format(many=MANY, rank=rank, due_in=due_in, special=int(expired))
            connection.execute(in_namespace(statement, "asynctasq"))
        connection.execute("COMMIT")


async def counted(queue: CallQueue, call: Callable[[], Awaitable[T]]) -> tuple[int, T]:
    """The instructions that a call costs, and what it gives."""
    count = 0

    def note() -> int:
        nonlocal count
        count += COUNTED_BY
        return 0

    await queue.run(lambda _: queue._raw.set_progress_handler(note, COUNTED_BY))
    try:
        value = await call()
    finally:
        await queue.run(lambda _: queue._raw.set_progress_handler(None, COUNTED_BY))
    return count, value


async def work_on(driver: SQLiteDriver, **fields: Any) -> dict[str, int]:
    """Enqueue, claim, prolong and complete a batch; the instructions that each of them costs."""
    writer = driver._open_store().writer
    costs: dict[str, int] = {}
    costs["enqueue"], _ = await counted(writer, lambda: driver.enqueue_many(new_tasks(BATCH, **fields)))
    costs["reserve"], deliveries = await counted(writer, lambda: take(driver, BATCH))
    assert len(deliveries) == BATCH
    receipts = [delivery.receipt for delivery in deliveries]
    costs["extend"], _ = await counted(writer, lambda: driver.extend_many(receipts, lease=60.0))
    costs["settle"], _ = await counted(writer, lambda: driver.settle_many(completions(deliveries)))
    return costs


def assert_no_dearer(costs: dict[str, int], few: dict[str, int]) -> None:
    assert {name: cost for name, cost in costs.items() if cost > SLIGHTLY_MORE * few[name]} == {}, few


async def test_a_cycle_among_a_million_ready_tasks(used_driver: SQLiteDriver, path: Path) -> None:
    """Every step of a plain task's way costs the same with a million ready tasks as with none."""
    few = await work_on(used_driver)
    await anyio.to_thread.run_sync(load, path)
    for _ in range(3):
        assert_no_dearer(await work_on(used_driver), few)


async def test_the_count_shows_a_walk_through_the_table(used_driver: SQLiteDriver, path: Path) -> None:
    """A statement that looked at every row would be noticed."""
    writer = used_driver._open_store().writer
    await anyio.to_thread.run_sync(load, path)
    walk = in_namespace("SELECT max(attempt) FROM ns_waiting", "asynctasq")
    cost, _ = await counted(writer, lambda: writer.run(lambda session: session.run_sql(walk, ()).fetchone()))
    assert cost > MANY


async def test_a_cycle_behind_a_million_scheduled_tasks(used_driver: SQLiteDriver, path: Path) -> None:
    """A million tasks of the highest priority that are not due cost a claim nothing."""
    few = await work_on(used_driver)
    await anyio.to_thread.run_sync(lambda: load(path, rank=0, due_in="3600000 + value"))
    for _ in range(3):
        assert_no_dearer(await work_on(used_driver), few)


async def test_a_claim_behind_a_million_expired_tasks(used_driver: SQLiteDriver, path: Path) -> None:
    """Expired tasks in front are cleared a bounded slice per call, and every call makes progress."""
    writer = used_driver._open_store().writer
    await used_driver.enqueue_many(new_tasks(SLICE, priority=9, expires_after=0.0))
    one_slice, _ = await counted(writer, lambda: used_driver.maintain(limit=SLICE))
    await anyio.to_thread.run_sync(lambda: load(path, rank=0, expired=True))
    await used_driver.enqueue_many(new_tasks(5, priority=0))
    for calls in range(1, 4):
        cost, deliveries = await counted(writer, lambda: take(used_driver, BATCH))
        assert deliveries == []
        assert cost < 3 * one_slice
        assert ended(path) >= SLICE * (1 + calls)
    found: list[Delivery] = []
    while not found and (await used_driver.maintain(limit=10_000)).more:
        found = await take(used_driver, 10)
    found = found or await take(used_driver, 10)
    assert [delivery.priority for delivery in found] == [0] * 5
    stats = (await used_driver.queue_stats(["q"]))["q"]
    assert (stats.dead, stats.total_dead, stats.leased) == (MANY + SLICE, MANY + SLICE, 5)


def ended(path: Path) -> int:
    with connection_to(path) as connection:
        return connection.execute(in_namespace("SELECT count(*) FROM ns_ended", "asynctasq")).fetchone()[0]


async def test_looking_at_some_of_a_million(used_driver: SQLiteDriver, path: Path) -> None:
    """Records by id, and pages of lists, also those on which nothing matches, cost no more than their size."""
    reader, writer = used_driver._open_store().reader, used_driver._open_store().writer
    await used_driver.enqueue_many(new_tasks(LOOKED_AT))
    page, _ = await counted(reader, lambda: used_driver.list_tasks(queue="q", state=TaskState.DEAD, limit=BATCH))
    page = max(page, (await counted(reader, lambda: used_driver.list_tasks(queue="none", limit=BATCH)))[0])
    ids = [f"many-{number}" for number in range(1, BATCH + 1)]
    missing, _ = await counted(reader, lambda: used_driver.get_tasks(ids))
    await anyio.to_thread.run_sync(load, path)
    cost, records = await counted(reader, lambda: used_driver.get_tasks(ids))
    assert len(records) == BATCH
    assert cost < missing + 200 * BATCH
    for wanted in ({"queue": "none"}, {"name": "none"}, {"correlation_id": "none"}, {"older_than": 10_000.0}):
        cost, found = await counted(reader, partial(used_driver.list_tasks, limit=BATCH, **wanted))
        assert found.tasks == ()
        assert found.after is not None
        assert cost < SLIGHTLY_MORE * page
    cancelled, outcomes = await counted(writer, lambda: used_driver.cancel_many(ids))
    assert {outcome.value for outcome in outcomes} == {"cancelled"}
    assert cancelled < 500 * BATCH
