"""Twenty thousand queues: no call has a limit of names, and the order of the queues is kept over all of them."""

from typing import Any

import pytest
from asynctasq_redis.driver import RedisDriver

from asynctasq.driver_api import Delivery, NewTask

from .harness import MovableRedisDriver, RedisHarness

pytestmark = pytest.mark.anyio

QUEUES = [f"queue-{number:05}" for number in range(20_000)]


def _task(task_id: str, queue: str, **fields: Any) -> NewTask:
    return NewTask(id=task_id, queue=queue, name="n", payload=b"x", **fields)


async def _reserve(driver: RedisDriver, limit: int) -> list[Delivery]:
    return await driver.reserve(QUEUES, limit=limit, lease=60, worker="w")


async def test_all_are_paused_and_resumed(driver: RedisDriver) -> None:
    """Pausing, and what it does to a claim from all of them."""
    assert driver.pausing is not None
    await driver.enqueue_many([_task("first", QUEUES[0]), _task("last", QUEUES[-1])])
    await driver.pausing.pause(QUEUES)
    assert await driver.pausing.paused_queues() == set(QUEUES)
    assert await _reserve(driver, 10) == []
    await driver.pausing.resume(QUEUES[:-1])
    assert await driver.pausing.paused_queues() == {QUEUES[-1]}
    assert [delivery.id for delivery in await _reserve(driver, 10)] == ["first"]


async def test_a_claim_takes_them_in_order(driver: RedisDriver) -> None:
    """Over all of the names the earlier queue comes first, and the limit holds; every receipt is new."""
    places = (0, 499, 500, 9_999, 19_999)
    tasks = [_task(f"{place}-{number}", QUEUES[place]) for place in reversed(places) for number in range(2)]
    await driver.enqueue_many(tasks)
    deliveries = await _reserve(driver, 3) + await _reserve(driver, 100)
    assert [delivery.id for delivery in deliveries] == [f"{place}-{number}" for place in places for number in range(2)]
    assert [delivery.queue for delivery in deliveries] == [QUEUES[place] for place in places for _ in range(2)]
    assert len({delivery.receipt for delivery in deliveries}) == len(tasks)


async def test_a_queue_that_is_being_cleared_is_not_overtaken(
    driver: MovableRedisDriver, harness: RedisHarness
) -> None:
    """While expired heads of an early queue are cleared away, a claim does not go on to the later ones."""
    heads = [_task(f"expired-{number}", QUEUES[0], priority=9, expires_after=5) for number in range(700)]
    await driver.enqueue_many([*heads, _task("early", QUEUES[0]), _task("late", QUEUES[-1])])
    await harness.advance(10)
    found: list[str] = []
    for _ in range(10):
        found += [delivery.id for delivery in await _reserve(driver, 1)]
    assert found == ["early", "late"]


@pytest.mark.slow
async def test_all_are_counted_maintained_listed_and_purged(driver: RedisDriver) -> None:
    """With a task in each of them."""
    for start in range(0, len(QUEUES), 1000):
        await driver.enqueue_many([_task(queue, queue) for queue in QUEUES[start : start + 1000]])
    assert {stats.ready for stats in (await driver.queue_stats()).values()} == {1}
    assert set(await driver.queue_stats(QUEUES)) == set(QUEUES)
    assert not (await driver.maintain(limit=1000)).more
    listed: list[str] = []
    after: str | None = None
    while after is not None or not listed:
        page = await driver.list_tasks(limit=1000, after=after)
        listed += [task.id for task in page.tasks]
        after = page.after
    assert listed == QUEUES
    assert driver.wake_ups is not None
    async with driver.wake_ups.listen(QUEUES) as stream:
        await driver.enqueue_many([_task("one-more", QUEUES[12_345])])
        assert await stream.wait(5)
    await driver.purge(QUEUES)
    assert {stats.ready for stats in (await driver.queue_stats(QUEUES)).values()} == {0}
