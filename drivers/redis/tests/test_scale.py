"""Work per call does not grow with what is stored: counted in the commands that the server carries out."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asynctasq_redis.driver import RedisDriver
from asynctasq_redis.settings import RedisConfig
from redis import Redis

from asynctasq.driver_api import Complete, NewTask, TaskState

from .harness import MovableRedisDriver, RedisHarness
from .servers import RedisServer, skip_without_binary

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MANY = 200_000
BATCH = 100


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for the module; each test has its own namespace."""
    skip_without_binary()
    folder: Path = tmp_path_factory.mktemp("redis")
    with RedisServer(folder) as private:
        yield private


async def _load(driver: RedisDriver, number: int, **fields: Any) -> None:
    for start in range(0, number, 1000):
        tasks = range(start, min(start + 1000, number))
        await driver.enqueue_many(
            [NewTask(id=str(uuid.uuid4()), queue="q", name="n", payload=b"x", **fields) for _ in tasks]
        )


class _Meter:
    """What the server does between two moments."""

    def __init__(self, server: RedisServer) -> None:
        self._client: Any = Redis(port=server.port)
        self._client.execute_command("CONFIG", "RESETSTAT")

    def commands(self) -> int:
        """Commands, those of scripts included."""
        stats = self._client.info("commandstats")
        return sum(row["calls"] for row in stats.values())

    def commands_per_script(self) -> float:
        """How many commands a script carried out, on average."""
        stats = self._client.info("commandstats")
        scripts = sum(row["calls"] for name, row in stats.items() if name in ("cmdstat_evalsha", "cmdstat_eval"))
        return self.commands() / scripts


async def _claim_and_settle(driver: RedisDriver) -> int:
    deliveries = await driver.reserve(["q"], limit=BATCH, lease=60, worker="w")
    await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
    return len(deliveries)


async def test_a_claim_does_not_see_the_backlog(server: RedisServer, namespace: str) -> None:
    """With 200,000 ready tasks a claim does the same commands as with 1,000."""
    async with RedisDriver(RedisConfig(url=server.url, namespace=namespace)) as driver:
        counts: list[int] = []
        for number in (1000, MANY):
            await _load(driver, number)
            meter = _Meter(server)
            assert await _claim_and_settle(driver) == BATCH
            counts.append(meter.commands())
    assert counts[1] <= counts[0] + 2


async def test_scheduled_tasks_of_the_highest_priority_cost_nothing(server: RedisServer, namespace: str) -> None:
    """200,000 tasks that are not due stand before the ready ones in the sorted set, and are not looked at."""
    async with RedisDriver(RedisConfig(url=server.url, namespace=namespace)) as driver:
        await _load(driver, MANY, priority=9, delay=3600)
        await _load(driver, 1000)
        meter = _Meter(server)
        assert await _claim_and_settle(driver) == BATCH
        assert meter.commands() < 60


async def test_expired_heads_are_cleared_in_slices(server: RedisServer, namespace: str) -> None:
    """200,000 expired tasks at the head: every claim is short and makes progress, and the ready task comes."""
    harness = RedisHarness(server.url)
    harness.namespace = namespace
    async with MovableRedisDriver(harness.settings(namespace)) as driver:
        await _load(driver, MANY, priority=9, expires_after=60)
        await _load(driver, 1)
        await harness.advance(61)
        stats = (await driver.queue_stats(["q"]))["q"]
        assert (stats.ready, stats.dead) == (1, MANY)
        meter = _Meter(server)
        calls = 0
        while await _claim_and_settle(driver) == 0:
            calls += 1
            assert calls <= MANY // BATCH
        assert meter.commands_per_script() < 60


async def test_a_page_of_a_list_is_bounded_work(server: RedisServer, namespace: str) -> None:
    """Pages of 200,000 tasks, also those on which nothing matches, are short calls; all tasks come exactly once."""
    async with RedisDriver(RedisConfig(url=server.url, namespace=namespace)) as driver:
        await _load(driver, MANY // 10)
        meter = _Meter(server)
        seen: set[str] = set()
        after: str | None = None
        while True:
            page = await driver.list_tasks(limit=1000, after=after)
            assert seen.isdisjoint(task.id for task in page.tasks)
            seen |= {task.id for task in page.tasks}
            after = page.after
            if after is None:
                break
        assert len(seen) == MANY // 10
        nothing = await driver.list_tasks(name="nothing has this name")
        assert (nothing.tasks, nothing.after is None) == ((), False)
        assert await driver.list_tasks(state=TaskState.DEAD) is not None
        await driver.queue_stats()
        assert meter.commands_per_script() < 4 * 200
