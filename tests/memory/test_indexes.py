"""The store's indexes: they agree with the tasks, and they do not grow with what is over."""

import gc
import random
import weakref
from collections import Counter
from typing import Any

import pytest

from asynctasq.driver_api import (
    Bury,
    Cancel,
    Complete,
    Delivery,
    Failure,
    NewTask,
    Release,
    Retry,
    Settlement,
    TaskState,
)
from asynctasq.memory import MemoryDriver
from asynctasq.memory.store import MemoryStore
from asynctasq.memory.stores import stores
from asynctasq.testing import ManualClock

pytestmark = pytest.mark.anyio
FAILURE = Failure(type="ValueError", message="no")


def new_task(id: str, **options: Any) -> NewTask:
    return NewTask(id=id, queue="q", name="work", payload=b"x", **options)


@pytest.fixture
def store(driver: MemoryDriver, namespace: str, clock: ManualClock) -> MemoryStore:
    return stores.open(namespace, clock)


def entries(store: MemoryStore) -> dict[str, int]:
    """How many entries each index has."""
    queue = store.queue("q")
    return {
        "moments of deadlines": len(store.deadlines._moments),
        "moments of retention": len(store.retention._moments),
        "ready": sum(len(line) for line in queue._lines),
        "order": len(store.order._entries),
        "receipts": len(store.receipts),
        "dedupe keys": len(queue.holders),
    }


async def test_heartbeats_leave_nothing_behind(driver: MemoryDriver, store: MemoryStore, clock: ManualClock) -> None:
    """A lease that is extended ten thousand times has one entry, not ten thousand."""
    await driver.enqueue_many([new_task("a")])
    (delivery,) = await driver.reserve(["q"], limit=1, lease=3600, worker="w")
    for _ in range(10_000):
        clock.advance(0.25)
        (outcome,) = await driver.extend_many([delivery.receipt], lease=3600)
        assert outcome.applied
    assert max(entries(store).values()) < 200


async def test_retries_and_cancellations_leave_nothing_behind(
    driver: MemoryDriver, store: MemoryStore, clock: ManualClock
) -> None:
    """Tasks that are retried, released, cancelled while ready, expired, replayed and deleted over and over leave no
    entries behind."""
    for round in range(300):
        ids = [f"t{round}-{number}" for number in range(10)]
        await driver.enqueue_many([new_task(id, expires_after=100.0, dedupe_key=id) for id in ids])
        for _ in range(3):
            for delivery in await driver.reserve(["q"], limit=5, lease=5, worker="w"):
                await driver.settle_many([Retry(receipt=delivery.receipt, failure=FAILURE)])
        await driver.cancel_many(ids[:4])
        clock.advance(100)
        await driver.replay_many(ids)
        await driver.delete_many(ids)
        await driver.maintain(limit=1000)
    assert store.tasks == {}
    assert max(entries(store).values()) < 200


async def test_a_finished_payload_is_let_go(driver: MemoryDriver, store: MemoryStore) -> None:
    """Once a plain task is settled nothing in the store keeps it, nor its payload, although its id stays known."""

    class WatchedTask(NewTask, frozen=True, kw_only=True, weakref=True):
        """A task whose end can be watched."""

    task = WatchedTask(id="a", queue="q", name="work", payload=b"large")
    watch = weakref.ref(task)
    await driver.enqueue_many([task])
    del task
    receipts = [delivery.receipt for delivery in await driver.reserve(["q"], limit=1, lease=60, worker="w")]
    await driver.settle_many([Complete(receipt=receipts[0])])
    gc.collect()
    assert "a" in store.remembered
    assert watch() is None


async def test_indexes_agree_with_the_tasks(driver: MemoryDriver, store: MemoryStore, clock: ManualClock) -> None:
    """After random operations gauges, dedupe keys, receipts, timers and pages say the same as the tasks themselves."""
    chance = random.Random(7)
    leased: list[Delivery] = []
    for number in range(1500):
        await step(driver, clock, chance, leased, number)
        if number % 50 == 0:
            await check(driver, store)
    await check(driver, store)
    await driver.purge(["q"])
    assert max(entries(store).values()) < 200


async def step(
    driver: MemoryDriver, clock: ManualClock, chance: random.Random, leased: list[Delivery], number: int
) -> None:
    ids = [f"t{chance.randrange(max(0, number - 60), number + 1)}" for _ in range(3)]
    match chance.randrange(9):
        case 0 | 1:
            task = new_task(
                f"t{number}",
                priority=chance.randrange(10),
                delay=float(chance.choice([0, 0, 3])),
                dedupe_key=chance.choice([None, "a", "b"]),
                expires_after=chance.choice([None, 0.0, 7.0]),
                keep_for=float(chance.choice([0, 5])),
                remember_for=float(chance.choice([0, 9])),
            )
            await driver.enqueue_many([task])
        case 2 | 3:
            leased += await driver.reserve(["q"], limit=3, lease=float(chance.randrange(1, 6)), worker="w")
        case 4 if leased:
            receipt = chance.choice(leased).receipt
            settlements: list[Settlement] = [
                Complete(receipt=receipt, result=b"r", follow_ups=(new_task(f"f{number}", dedupe_key="a"),)),
                Retry(receipt=receipt, failure=FAILURE, delay=2.0),
                Release(receipt=receipt),
                Bury(receipt=receipt, failure=FAILURE),
                Cancel(receipt=receipt, reason="enough"),
            ]
            await driver.settle_many([chance.choice(settlements)])
        case 5:
            await driver.cancel_many(ids)
        case 6:
            await driver.replay_many(ids)
        case 7:
            await (driver.delete_many(ids[:1]) if chance.random() < 0.3 else driver.maintain(limit=5))
        case _:
            clock.advance(chance.choice([0.5, 1.0]))


async def check(driver: MemoryDriver, store: MemoryStore) -> None:
    stats = (await driver.queue_stats(["q"]))["q"]
    tasks = list(store.tasks.values())
    states = Counter(stored.state for stored in tasks)
    assert (stats.ready, stats.scheduled, stats.leased, stats.dead) == (
        states[TaskState.READY],
        states[TaskState.SCHEDULED],
        states[TaskState.LEASED],
        states[TaskState.DEAD],
    )
    live = {TaskState.READY, TaskState.SCHEDULED, TaskState.LEASED}
    ready = [stored.available_at for stored in tasks if stored.state is TaskState.READY]
    assert (stats.oldest_ready_age is None) == (not ready)
    holders = {stored.task.dedupe_key: stored for stored in tasks if stored.task.dedupe_key and stored.state in live}
    assert store.queue("q").holders == holders
    assert store.receipts == {stored.receipt: stored for stored in tasks if stored.state is TaskState.LEASED}
    for timers in (store.deadlines, store.retention):
        for moment, bucket in timers._buckets.items():
            assert bucket
            assert all(stored.moment == moment and store.tasks[stored.task.id] is stored for stored in bucket.values())
    with_moment = [stored for stored in tasks if stored.moment is not None]
    in_buckets = sum(
        len(bucket) for timers in (store.deadlines, store.retention) for bucket in timers._buckets.values()
    )
    assert len(with_moment) == in_buckets
    listed: list[str] = []
    after: str | None = None
    while True:
        page = await driver.list_tasks(limit=7, after=after)
        listed += [task.id for task in page.tasks]
        if (after := page.after) is None:
            break
    assert listed == [stored.task.id for stored in sorted(tasks, key=lambda stored: stored.number)]


async def test_a_task_that_is_ready_twice_in_one_microsecond_is_delivered_once(driver: MemoryDriver) -> None:
    """A task that expires at once and is replayed at the same instant has two entries, but one lease."""
    await driver.enqueue_many([new_task("a", expires_after=0.0)])
    await driver.replay_many(["a"])
    assert [delivery.id for delivery in await driver.reserve(["q"], limit=10, lease=5, worker="w")] == ["a"]
    stats = (await driver.queue_stats(["q"]))["q"]
    assert (stats.ready, stats.leased) == (0, 1)
