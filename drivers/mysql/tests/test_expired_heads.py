"""Claims of queues whose first tasks have expired: they are ended on the way, once, and overtaken by nobody."""

import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from asynctasq_mysql import MySQLDriver, reserving
from asynctasq_mysql.client import Connection, Result
from asynctasq_mysql.connections import open_connection

from asynctasq.driver_api import NewTask, TaskState

from .harness import Administrator

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

WORKERS = 8
WAITS = 4.0
"""Seconds, less than the 5 that the server waits for a lock."""


class LeftOpen(Connection):
    """A driver's connection that leaves its transaction open at the end."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection._native, connection.timeout)

    async def run_all(self, statements: Sequence[str]) -> list[Result]:
        *others, last = statements
        rest = last.removesuffix("COMMIT").rstrip(";\n")
        return await super().run_all([*others, rest] if rest else others)


def new_task(**fields: Any) -> NewTask:
    """A task with a fresh id."""
    return NewTask(**{"id": uuid.uuid4().hex, "queue": "q", "name": "tests.task", "payload": b""} | fields)


async def enqueue_expired(driver: MySQLDriver, administrator: Administrator, *tasks: NewTask, count: int) -> None:
    """Store `count` tasks of the highest priority that have expired, and then these."""
    await driver.enqueue_many([new_task(priority=9, expires_after=10.0) for _ in range(count)])
    administrator.let_pass(10.0)
    await driver.enqueue_many(tasks)


async def reserve(driver: MySQLDriver, limit: int, *queues: str) -> list[str]:
    """The ids of what one call takes."""
    taken = await driver.reserve(queues or ["q"], limit=limit, lease=60.0, worker="worker")
    return [delivery.id for delivery in taken]


@asynccontextmanager
async def open_claim(driver: MySQLDriver, limit: int) -> AsyncGenerator[None]:
    """A claim that has met nothing but expired tasks, and has ended them, but for its COMMIT; undone at the end."""
    connection = await open_connection(driver.settings)
    try:
        claim = reserving._Claim(driver._names, LeftOpen(connection), limit)
        assert await reserving._reserve(claim, ["q"], 60.0, 1) == ([], True)
        yield
        await connection.run("ROLLBACK")
    finally:
        await connection.close(1.0)


@pytest.mark.parametrize("limit", [1, 100])
async def test_nothing_overtakes_what_stands_behind_expired_tasks(
    driver: MySQLDriver, administrator: Administrator, limit: int
) -> None:
    """With more expired tasks at the head than one call ends, a call gives nothing, and the next one the first live
    task: not one of a lower priority, nor one of a later queue."""
    first, lower, later = new_task(priority=9), new_task(priority=0), new_task(queue="later", priority=9)
    await enqueue_expired(driver, administrator, lower, later, first, count=1050)
    assert await reserve(driver, limit, "q", "later") == []
    taken: list[str] = []
    for _ in range(3):
        taken += await reserve(driver, limit, "q", "later")
    assert taken == [first.id, lower.id, later.id]


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_a_call_comes_to_the_live_ones_by_itself(
    driver: MySQLDriver, administrator: Administrator, limit: int
) -> None:
    """With fewer expired tasks at the head than a call ends, the first call delivers, whatever its limit."""
    live = [new_task(priority=priority) for priority in (9, 5, 0)]
    await enqueue_expired(driver, administrator, *live, count=300)
    assert await reserve(driver, limit) == [task.id for task in live][:limit]
    await driver.maintain(limit=1000)
    stats = (await driver.queue_stats(["q"]))["q"]
    assert (stats.dead, stats.total_dead) == (300, 300)


async def test_expired_tasks_among_live_ones(driver: MySQLDriver, administrator: Administrator) -> None:
    """Live tasks come once and in order from among expired ones, which are dead, for that reason, and counted once."""
    tasks = [new_task(expires_after=10.0 if number % 3 else None) for number in range(300)]
    await driver.enqueue_many(tasks)
    administrator.let_pass(10.0)
    taken: list[str] = []
    while part := await reserve(driver, 20):
        taken += part
    assert taken == [task.id for task in tasks if task.expires_after is None]
    records = await driver.get_tasks([task.id for task in tasks if task.expires_after is not None])
    assert {(record.state, record.reason) for record in records.values()} == {(TaskState.DEAD, "expired")}
    await driver.maintain(limit=1000)
    assert (await driver.queue_stats(["q"]))["q"].total_dead == len(records) == 200


@pytest.mark.parametrize("limit", [1, 50])
async def test_many_workers_clear_a_head_at_once(driver: MySQLDriver, administrator: Administrator, limit: int) -> None:
    """Workers that meet the same expired tasks end each once, and take what stands behind them once."""
    live = [new_task(priority=4) for _ in range(100)]
    await enqueue_expired(driver, administrator, *live, count=2000)
    taken: list[str] = []

    async def work() -> None:
        while len(taken) < len(live):
            taken.extend(await reserve(driver, limit))

    with anyio.fail_after(60.0):
        async with anyio.create_task_group() as group:
            for _ in range(WORKERS):
                group.start_soon(work)
    assert sorted(taken) == sorted(task.id for task in live)
    while (await driver.maintain(limit=1000)).more:
        continue
    stats = (await driver.queue_stats(["q"]))["q"]
    assert (stats.dead, stats.total_dead) == (2000, 2000)


@pytest.mark.parametrize("limit", [10, 100])
async def test_a_claim_that_ends_tasks_keeps_nobody_waiting(
    driver: MySQLDriver, administrator: Administrator, limit: int
) -> None:
    """Beside a claim that has ended expired tasks and is not committed, others enqueue, and claim what it left."""
    live = [new_task(priority=9) for _ in range(20)]
    await enqueue_expired(driver, administrator, *live, count=limit)
    async with open_claim(driver, limit):
        with anyio.fail_after(WAITS):
            more = [new_task(priority=priority) for priority in range(10)]
            await driver.enqueue_many(more)
            assert len(await reserve(driver, 100)) == len(live) + len(more)
    assert await reserve(driver, 100) == []
    await driver.maintain(limit=1000)
    assert (await driver.queue_stats(["q"]))["q"].total_dead == limit
