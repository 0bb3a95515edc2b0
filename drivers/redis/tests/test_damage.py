"""Rows that somebody has damaged: they get out of the way, and no other task suffers."""

from collections.abc import Callable
from typing import Any

import pytest
from asynctasq_redis.driver import RedisDriver
from asynctasq_redis.task_keys import key_of
from redis import Redis

from asynctasq.driver_api import Complete, Failure, NewTask, Retry, SettleOutcome

from .harness import MovableRedisDriver, RedisHarness

pytestmark = pytest.mark.anyio

Damage = Callable[[bytes], bytes | None]
DAMAGE_TO_FIELDS: dict[str, Damage] = {
    "deleted": lambda blob: None,
    "empty": lambda blob: b"",
    "cut": lambda blob: blob[:20],
    "cut at its end": lambda blob: blob[:-1],
    "another type": lambda blob: b"x" * 10,
}
DAMAGE_TO_BODIES: dict[str, Damage] = {
    "empty": lambda blob: b"",
    "cut": lambda blob: blob[:3],
    "no text": lambda blob: b"\x02\xff\xfe\x01\xff" + blob,
    "lengths beyond its end": lambda blob: b"\xff" + blob,
}


def _task(id: str, **fields: Any) -> NewTask:
    return NewTask(id=id, queue="q", name="app.work", payload=b"x", **fields)


# Waiting, about to expire in the queue, about to expire before it is due, cancelled, and one that stays whole.
TASKS = [
    _task("plain"),
    _task("keeping", keep_for=60.0, dedupe_key="k"),
    _task("expiring", expires_after=5.0),
    _task("doomed", expires_after=5.0, delay=30.0),
    _task("cancelled"),
    _task("whole", priority=0),
]
DAMAGED = [task.id for task in TASKS[:-1]]


def _damage(url: str, namespace: str, field: str, ids: list[str], damage: Damage) -> None:
    key = f"asynctasq:{{{namespace}}}:{field}"
    with Redis.from_url(url) as client:
        for id in ids:
            blob = client.hget(key, key_of(id).decode())
            assert isinstance(blob, bytes)
            damaged = damage(blob)
            if damaged is None:
                client.hdel(key, id)
            else:
                client.hset(key, id, damaged)


@pytest.mark.parametrize("damage", DAMAGE_TO_FIELDS.values(), ids=DAMAGE_TO_FIELDS.keys())
async def test_damaged_fields_are_taken_out(
    redis_url: str, namespace: str, harness: RedisHarness, driver: MovableRedisDriver, damage: Damage
) -> None:
    """Every call goes on; after maintenance and a claim nothing of the damaged tasks is left in the store."""
    await driver.enqueue_many(TASKS)
    await driver.cancel_many(["cancelled"])
    _damage(redis_url, namespace, "meta", DAMAGED, damage)
    await driver.get_tasks(DAMAGED)
    await driver.list_tasks(queue="q", limit=100)
    await driver.list_tasks(queue="q", name="app.work", limit=100)
    await driver.cancel_many(DAMAGED)
    await driver.replay_many(DAMAGED)
    await driver.delete_many(DAMAGED)
    await driver.enqueue_many([_task("another", dedupe_key="k", priority=0)])
    await harness.advance(61.0)
    await driver.maintain(limit=100)
    deliveries = await driver.reserve(["q"], limit=100, lease=60, worker="w")
    assert [delivery.id for delivery in deliveries] == ["whole", "another"]
    await driver.maintain(limit=100)
    stats = (await driver.queue_stats(["q"]))["q"]
    assert (stats.ready, stats.scheduled, stats.leased, stats.dead) == (0, 0, 2, 0)
    await driver.purge(["q"])
    with Redis.from_url(redis_url) as client:
        assert not client.exists(f"asynctasq:{{{namespace}}}:meta", f"asynctasq:{{{namespace}}}:body")


@pytest.mark.parametrize("damage", DAMAGE_TO_FIELDS.values(), ids=DAMAGE_TO_FIELDS.keys())
async def test_a_purge_takes_damaged_fields_along(
    redis_url: str, namespace: str, driver: RedisDriver, damage: Damage
) -> None:
    """A queue full of damaged tasks is empty afterwards."""
    await driver.enqueue_many(TASKS)
    _damage(redis_url, namespace, "meta", DAMAGED, damage)
    await driver.purge(["q"])
    with Redis.from_url(redis_url) as client:
        assert not client.exists(f"asynctasq:{{{namespace}}}:queue:q")


@pytest.mark.parametrize("damage", DAMAGE_TO_FIELDS.values(), ids=DAMAGE_TO_FIELDS.keys())
async def test_a_damaged_lease_is_stale(redis_url: str, namespace: str, driver: RedisDriver, damage: Damage) -> None:
    """Of one batch, the deliveries whose fields are whole are settled and extended."""
    await driver.enqueue_many([_task("damaged", keep_for=60.0), _task("whole", keep_for=60.0)])
    first, second = await driver.reserve(["q"], limit=2, lease=60, worker="w")
    _damage(redis_url, namespace, "meta", ["damaged"], damage)
    extended = await driver.extend_many([first.receipt, second.receipt], lease=90)
    assert [outcome.applied for outcome in extended] == [False, True]
    settled = await driver.settle_many([Complete(receipt=first.receipt), Complete(receipt=second.receipt)])
    assert settled == [SettleOutcome.STALE, SettleOutcome.APPLIED]


@pytest.mark.parametrize("damage", DAMAGE_TO_BODIES.values(), ids=DAMAGE_TO_BODIES.keys())
async def test_damaged_bodies_are_delivered(
    redis_url: str, namespace: str, driver: RedisDriver, damage: Damage
) -> None:
    """Name and payload are shown as far as they go, so that the worker can bury the task."""
    await driver.enqueue_many([_task("damaged"), _task("whole")])
    _damage(redis_url, namespace, "body", ["damaged"], damage)
    await driver.list_tasks(queue="q", name="app.work", limit=100)
    assert set(await driver.get_tasks(["damaged", "whole"])) == {"damaged", "whole"}
    deliveries = await driver.reserve(["q"], limit=2, lease=60, worker="w")
    assert [delivery.id for delivery in deliveries] == ["damaged", "whole"]
    settled = await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
    assert settled == [SettleOutcome.APPLIED] * 2


async def test_damaged_failures_are_left_out(redis_url: str, namespace: str, driver: RedisDriver) -> None:
    """The others are shown."""
    await driver.enqueue_many([_task("task")])
    [delivery] = await driver.reserve(["q"], limit=1, lease=60, worker="w")
    await driver.settle_many([Retry(receipt=delivery.receipt, failure=Failure(type="t", message="m"), delay=0)])
    with Redis.from_url(redis_url) as client:
        client.rpush(f"asynctasq:{{{namespace}}}:failures:task", b"", b"\xc1" * 40)
    record = (await driver.get_tasks(["task"]))["task"]
    assert [failure.message for failure in record.failures] == ["m"]
