"""Batches whose items have little in common: what is read once for many must be right for each."""

import uuid
from typing import Any

import pytest
from asynctasq_redis.driver import RedisDriver
from asynctasq_redis.task_keys import key_of
from redis import Redis

from asynctasq.driver_api import Complete, Delivery, NewTask, Receipt, Release, SettleOutcome

pytestmark = pytest.mark.anyio

APPLIED, STALE = SettleOutcome.APPLIED, SettleOutcome.STALE


def _task(task_id: str, queue: str = "q", **fields: Any) -> NewTask:
    return NewTask(id=task_id, queue=queue, name="n", payload=b"x", **fields)


async def _reserve(driver: RedisDriver, *queues: str, limit: int = 100) -> list[Delivery]:
    return await driver.reserve(queues or ("q",), limit=limit, lease=60, worker="w")


async def _settle(driver: RedisDriver, *receipts: Receipt) -> list[SettleOutcome]:
    return await driver.settle_many([Complete(receipt=receipt) for receipt in receipts])


async def test_a_receipt_has_one_spelling(driver: RedisDriver) -> None:
    """Whatever is not letter by letter what was issued is stale; what was issued is applied afterwards."""
    await driver.enqueue_many([_task("text"), _task(str(uuid.uuid4()))])
    for receipt in [delivery.receipt for delivery in await _reserve(driver)]:
        nonce, digits = receipt[:12], receipt[12:]
        others = [receipt + " ", f"{nonce} {digits}", nonce + digits.upper(), receipt[:-1], nonce, digits, receipt * 2]
        others += [f"{nonce}{digits[:2]} {digits[2:]}", "é" + receipt[1:], f"{nonce}{digits}é"]
        wrong = [Receipt(other) for other in others if other != receipt]
        assert await _settle(driver, *wrong) == [STALE] * len(wrong)
        assert await _settle(driver, receipt) == [APPLIED]


async def test_completions_of_many_deliveries_in_one_batch(driver: RedisDriver) -> None:
    """Of other calls, queues, times to remember and attempts, settled and unknown ones between them: each has its own
    outcome, and nothing is left but what is remembered."""
    await driver.enqueue_many([_task(f"a{i}") for i in range(4)])
    await driver.enqueue_many([_task(f"b{i}", "r", remember_for=0.0 if i % 2 else 3600.0) for i in range(4)])
    await driver.enqueue_many([_task(str(uuid.uuid4()), priority=i) for i in range(4)])
    released, *first = await _reserve(driver, limit=3)
    await driver.settle_many([Release(receipt=released.receipt)])
    second = await _reserve(driver, "r", "q")
    await driver.extend_many([second[1].receipt, second[5].receipt], lease=600)
    deliveries = [delivery for pair in zip(second, [*first, *second[len(first) :]], strict=False) for delivery in pair]
    receipts = list(dict.fromkeys(delivery.receipt for delivery in [*deliveries, *second]))
    assert len(receipts) == 12
    batch = [receipts[0], released.receipt, *receipts[1:], receipts[3], Receipt("x" * 44)]
    assert await _settle(driver, *batch) == [APPLIED, STALE, *[APPLIED] * 11, STALE, STALE]
    stats = await driver.queue_stats(["q", "r"])
    assert [(stats[queue].total_completed, stats[queue].leased, stats[queue].ready) for queue in ("q", "r")] == [
        (8, 0, 0),
        (4, 0, 0),
    ]
    again = await driver.enqueue_many([_task("a0"), _task("b0", "r"), _task("b1", "r")])
    assert [outcome.accepted for outcome in again] == [False, False, True]


async def test_payloads_keep_their_bounds(driver: RedisDriver) -> None:
    """Names and correlation ids that begin alike, and bodies that begin like others, are taken apart rightly."""
    shapes = [
        ("n", None, b""),
        ("n", None, b"x"),
        ("nn", None, b""),
        ("n", "c", b""),
        ("n", "c", b"c"),
        ("n", "cc", b""),
    ]
    shapes += [("n", None, b"\x01n\x00"), ("n", "c", b"\x01n\x01c"), ("é", "ü", b"\x00"), ("n", None, b"\x00\x00")]
    tasks = [
        NewTask(id=f"{i}-{j}", queue="q", name=name, correlation_id=correlation_id, payload=payload)
        for i, (name, correlation_id, payload) in enumerate(shapes)
        for j in range(2)
    ]
    await driver.enqueue_many(tasks[::-1])
    await driver.enqueue_many([_task("last")])
    found = [(d.id, d.name, d.correlation_id, d.payload) for d in await _reserve(driver)][:-1]
    assert found == [(task.id, task.name, task.correlation_id, task.payload) for task in tasks[::-1]]


@pytest.mark.parametrize("cut", [1, 8, 30])
async def test_a_damaged_record_among_its_likes_is_stale(
    driver: RedisDriver, redis_url: str, namespace: str, cut: int
) -> None:
    """Between records that are read by what they share, one that was cut is noticed all the same."""
    await driver.enqueue_many([_task(f"t{i}") for i in range(5)])
    receipts = [delivery.receipt for delivery in await _reserve(driver)]
    with Redis.from_url(redis_url) as client:
        meta = f"asynctasq:{{{namespace}}}:meta"
        blob = client.hget(meta, key_of("t2").decode())
        assert isinstance(blob, bytes)
        client.hset(meta, "t2", blob[:-cut])
    assert await _settle(driver, *receipts) == [APPLIED, APPLIED, STALE, APPLIED, APPLIED]
