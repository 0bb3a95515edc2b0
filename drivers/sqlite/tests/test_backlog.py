"""A large backlog slows nothing down."""

import time
from pathlib import Path

import pytest
from asynctasq_sqlite import SQLiteDriver

from .harness import shift_time
from .tasks import completions, new_tasks, take

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MANY = 200_000


async def fill(driver: SQLiteDriver, count: int, **fields: object) -> None:
    for _ in range(count // 10_000):
        await driver.enqueue_many(new_tasks(10_000, **fields))


async def seconds_for(driver: SQLiteDriver, tasks: int) -> float:
    """The processor time that claiming and completing takes."""
    start = time.process_time()
    done = 0
    while done < tasks:
        deliveries = await take(driver)
        await driver.settle_many(completions(deliveries))
        done += len(deliveries)
    return time.process_time() - start


async def test_draining_is_as_fast_with_many_queued(driver: SQLiteDriver) -> None:
    """The claim reads the head of an index: 200,000 queued tasks cost no more than a few."""
    few, many = [], []
    for _ in range(3):
        await driver.enqueue_many(new_tasks(3_000))
        few.append(await seconds_for(driver, 3_000))
    await fill(driver, MANY)
    await fill(driver, 50_000, priority=9, delay=1000.0)
    for _ in range(3):
        many.append(await seconds_for(driver, 3_000))
    assert min(many) < 3 * min(few)


async def test_expired_heads_do_not_slow_down_a_claim(driver: SQLiteDriver, path: Path) -> None:
    """200,000 expired tasks in front are cleared a slice per call; every call is short and makes progress."""
    await fill(driver, MANY, expires_after=10.0)
    await driver.enqueue_many([*new_tasks(5, priority=0)])
    shift_time(path, "asynctasq", 20)
    longest = 0.0
    found: list[str] = []
    calls = 0
    while len(found) < 5:
        start = time.process_time()
        deliveries = await take(driver, 10)
        longest = max(longest, time.process_time() - start)
        found += [delivery.id for delivery in deliveries]
        calls += 1
        assert calls < 250
    assert longest < 0.5
    stats = (await driver.queue_stats(["q"]))["q"]
    assert (stats.dead, stats.total_dead, stats.leased) == (MANY, MANY, 5)
