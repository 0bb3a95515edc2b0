"""What is stored: the version mark, how much memory a task takes, and what is left when all is done."""

import uuid
from typing import Any

import pytest
from asynctasq_redis.driver import LAYOUT, RedisDriver
from asynctasq_redis.server_report import ServerReport, check_version
from asynctasq_redis.settings import RedisConfig
from redis import Redis

from asynctasq.driver_api import Complete, ConfigurationError, Failure, NewTask, Retry, StorageTooNew

from .harness import MovableRedisDriver, RedisHarness
from .servers import RedisServer


def _task(**fields: Any) -> NewTask:
    return NewTask(id=str(uuid.uuid4()), queue="q", name="app.tasks.work", payload=b"x" * 100, **fields)


@pytest.mark.anyio
async def test_storage_is_prepared_once(settings: RedisConfig) -> None:
    """`prepare_storage` says what it does, does nothing when asked only to say, and nothing the second time."""
    driver = RedisDriver(settings)
    statements = await driver.prepare_storage(dry_run=True)
    assert statements == [f"SET asynctasq:{{{settings.namespace}}}:layout {LAYOUT}"]
    assert await driver.prepare_storage() == statements
    assert await driver.prepare_storage() == []


@pytest.mark.anyio
async def test_a_newer_layout_is_refused(harness: RedisHarness, redis_url: str, settings: RedisConfig) -> None:
    """A driver does not touch what a later one has written."""
    with Redis.from_url(redis_url) as client:
        client.set(f"asynctasq:{{{settings.namespace}}}:layout", LAYOUT + 1)
    with pytest.raises(StorageTooNew, match="Upgrade asynctasq-redis"):
        await RedisDriver(settings).connect()
    with pytest.raises(StorageTooNew):
        await RedisDriver(settings).prepare_storage()


@pytest.mark.parametrize(
    ("report", "wait_aof", "message"),
    [
        (ServerReport(version=(6, 2, 14)), False, "wanted Redis 7.0"),
        (ServerReport(version=(7, 0, 15), has_aof=True), True, "WAITAOF wants Redis 7.2"),
        (ServerReport(version=(7, 2, 0), has_aof=False), True, "appendonly yes"),
    ],
)
def test_a_server_that_can_not_do_it_is_refused(report: ServerReport, wait_aof: bool, message: str) -> None:
    """What can never work is told with what was found and what was wanted."""
    with pytest.raises(ConfigurationError, match=message):
        check_version(report, wait_aof=wait_aof)


@pytest.mark.anyio
async def test_a_waiting_task_is_small(server: RedisServer) -> None:
    """A plain task with 100 bytes of payload takes at most 600 bytes, and a remembered id at most 120."""
    server.start()
    number = 20_000
    async with RedisDriver(RedisConfig(url=server.url)) as driver:
        with Redis(port=server.port) as client:
            before = client.info("memory")["used_memory"]
            for _ in range(0, number, 1000):
                await driver.enqueue_many([_task() for _ in range(1000)])
            waiting = (client.info("memory")["used_memory"] - before) / number
            while deliveries := await driver.reserve(["q"], limit=1000, lease=60, worker="w"):
                await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
            remembered = (client.info("memory")["used_memory"] - before) / number
    assert waiting < 600
    assert remembered < 120


@pytest.mark.anyio
async def test_nothing_is_left_of_what_is_forgotten(harness: RedisHarness, redis_url: str, driver: RedisDriver) -> None:
    """After completion, its retention and one `maintain()`, only counters and names remain."""
    tasks = [
        _task(),
        _task(keep_for=60),
        _task(dedupe_key="k", expires_after=30),
        _task(priority=9),
        _task(expires_after=5, remember_for=600),
    ]
    await driver.enqueue_many(tasks)
    first = await driver.reserve(["q"], limit=4, lease=60, worker="w")
    await driver.settle_many([Retry(receipt=it.receipt, failure=Failure(type="t", message="m")) for it in first])
    await driver.cancel_many([tasks[3].id])
    for delivery in await driver.reserve(["q"], limit=10, lease=60, worker="w"):
        await driver.settle_many([Complete(receipt=delivery.receipt, result=b"r")])
    await harness.advance(2000)  # what is remembered for 600 s goes with its neighbours, within 1,200 s
    while (await driver.maintain(limit=100)).more:
        pass
    await driver.purge(["q"])
    prefix = f"asynctasq:{{{harness.namespace}}}:"
    with Redis.from_url(redis_url) as client:
        left = {key.decode().removeprefix(prefix) for key in client.scan_iter(f"{prefix}*")}
    assert left == {"layout", "sequence", "totals", "queues", "test-offset"}


@pytest.mark.anyio
async def test_forgetting_is_bounded(harness: RedisHarness, driver: RedisDriver) -> None:
    """Of the ids that may be forgotten about `limit` are, whole hashes of them; the rest is left to the next calls."""
    for duration in (100, 1000, 10_000):
        await driver.enqueue_many([_task(remember_for=duration) for _ in range(3)])
    deliveries = await driver.reserve(["q"], limit=9, lease=60, worker="w")
    await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
    await harness.advance(30_000)
    reports = [await driver.maintain(limit=4) for _ in range(3)]
    assert [(report.removed, report.more) for report in reports] == [(6, True), (3, False), (0, False)]


@pytest.mark.anyio
async def test_dead_retention_drops_what_died_long_ago(harness: RedisHarness, settings: RedisConfig) -> None:
    """With `dead_retention` a dead letter goes after that time; without, it stays."""
    task = _task(expires_after=1)
    driver_settings = RedisConfig(url=settings.url, namespace=settings.namespace, dead_retention=100)
    async with MovableRedisDriver(driver_settings) as driver:
        await driver.enqueue_many([task])
        await harness.advance(50)
        while (await driver.maintain(limit=100)).more:
            pass
        assert task.id in await driver.get_tasks([task.id])
        await harness.advance(100)
        while (await driver.maintain(limit=100)).more:
            pass
        assert await driver.get_tasks([task.id]) == {}
        assert (await driver.queue_stats(["q"]))["q"].total_dead == 1


@pytest.mark.anyio
async def test_a_record_that_was_deleted_by_hand_stands_in_nobodys_way(
    harness: RedisHarness, redis_url: str, driver: RedisDriver
) -> None:
    """Whoever deletes keys by hand loses those tasks, and no other."""
    prefix = f"asynctasq:{{{harness.namespace}}}:"
    tasks = [NewTask(id=f"t{number}", queue="q", name="n", payload=b"x") for number in range(4)]
    await driver.enqueue_many(tasks)
    with Redis.from_url(redis_url) as client:
        client.hdel(f"{prefix}meta", "t0")
        client.hdel(f"{prefix}body", "t2")
    assert {task.id for task in (await driver.list_tasks()).tasks} >= {"t1", "t3"}
    deliveries = await driver.reserve(["q"], limit=2, lease=60, worker="w")
    deliveries += await driver.reserve(["q"], limit=2, lease=60, worker="w")
    assert [delivery.id for delivery in deliveries] == ["t1", "t3"]
