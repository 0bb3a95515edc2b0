"""Many callers at once: nothing is delivered twice, and no deadlock surfaces."""

import asyncio
import random
from collections.abc import Callable

import pytest
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.settings import PostgresConfig

from asynctasq.driver_api import (
    Bury,
    Complete,
    Delivery,
    Failure,
    NewTask,
    Receipt,
    Release,
    Retry,
    Settlement,
    SettleOutcome,
    TaskState,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("with_dedupe_keys", [True, False], ids=["with dedupe keys", "without dedupe keys"])
async def test_shuffled_batches_never_surface_a_deadlock(driver: PostgresDriver, with_dedupe_keys: bool) -> None:
    """Every call for the same tasks in random orders. Without dedupe keys all lock in one order: in no circle."""
    tasks = [
        NewTask(
            id=f"t{number}",
            queue="q",
            name="n",
            payload=b"",
            dedupe_key=f"k{number}" if with_dedupe_keys else None,
            remember_for=0.0,
        )
        for number in range(60)
    ]
    failure = Failure(type="E", message="m")
    held: list[Delivery] = []

    async def repeat(seed: int, times: int) -> None:
        generator = random.Random(seed)
        for _ in range(times):
            some = generator.sample(tasks, 30)
            ids = [task.id for task in some]
            receipts = [delivery.receipt for delivery in generator.sample(held, min(len(held), 30))]
            match generator.randrange(10):
                case 0 | 1:
                    await driver.enqueue_many(some)
                case 2 | 3:
                    held.extend(await driver.reserve(["q"], limit=30, lease=60.0, worker="w"))
                case 4:
                    await driver.settle_many([generator.choice(_endings)(receipt, failure) for receipt in receipts])
                case 5:
                    await driver.settle_many([Complete(receipt=receipt) for receipt in receipts])
                case 6:
                    await driver.extend_many(receipts, lease=60.0)
                case 7:
                    await driver.cancel_many(ids)
                case 8:
                    await driver.replay_many(ids)
                case _:
                    await (driver.delete_many(ids) if generator.randrange(3) else driver.purge(["q"]))
                    await driver.maintain(limit=50)

    await asyncio.gather(*(repeat(seed, 60) for seed in range(10)))
    if not with_dedupe_keys:
        assert driver._connected.undone == 0


_endings: tuple[Callable[[Receipt, Failure], Settlement], ...] = (
    lambda receipt, failure: Retry(receipt=receipt, failure=failure),
    lambda receipt, _: Release(receipt=receipt),
    lambda receipt, failure: Bury(receipt=receipt, failure=failure),
)


async def test_every_task_is_delivered_and_settled_once(settings: PostgresConfig, driver: PostgresDriver) -> None:
    """Two drivers, eight claimers, while tasks still come in: each task once, and the counts agree."""
    total = 1_000
    seen: list[str] = []

    async def produce(start: int) -> None:
        for number in range(start, total, 4):
            await driver.enqueue_many(
                [NewTask(id=f"t{number}", queue="q", name="n", payload=b"", priority=number % 10)]
            )

    async def consume(consumer: PostgresDriver, worker: str) -> None:
        while len(seen) < total:
            deliveries = await consumer.reserve(["q"], limit=5, lease=60.0, worker=worker)
            seen.extend(delivery.id for delivery in deliveries)
            outcomes = await consumer.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
            assert set(outcomes) <= {SettleOutcome.APPLIED}

    async with PostgresDriver(settings) as other, asyncio.TaskGroup() as group:
        for start in range(4):
            group.create_task(produce(start))
        for number in range(8):
            group.create_task(consume(driver if number % 2 else other, f"w{number}"))
    assert sorted(seen) == sorted(f"t{number}" for number in range(total))
    stats = (await driver.queue_stats(["q"]))["q"]
    assert (stats.ready, stats.leased, stats.total_completed) == (0, 0, total)


async def test_a_sent_again_batch_of_the_largest_size(driver: PostgresDriver) -> None:
    """10,000 tasks, twice, the second time as duplicates, and all their calls: nothing here is quadratic."""
    tasks = [
        NewTask(id=f"t{number}", queue="q", name="n", payload=b"", dedupe_key=f"k{number}" if number % 2 else None)
        for number in range(10_000)
    ]
    assert all(outcome.accepted for outcome in await driver.enqueue_many(tasks))
    assert [outcome.existing_id for outcome in await driver.enqueue_many(tasks)] == [task.id for task in tasks]
    rivals = [
        NewTask(id=f"r{number}", queue="q", name="n", payload=b"", dedupe_key=f"k{number}")
        for number in range(1, 10_000, 2)
    ]
    assert [o.existing_id for o in await driver.enqueue_many(rivals)] == [f"t{n}" for n in range(1, 10_000, 2)]
    deliveries = await driver.reserve(["q"], limit=10_000, lease=60.0, worker="w")
    assert len(deliveries) == 10_000
    receipts = [delivery.receipt for delivery in deliveries]
    assert all(outcome.applied for outcome in await driver.extend_many(receipts, lease=90.0))
    follow_ups = [NewTask(id=f"f{n}", queue="next", name="n", payload=b"", dedupe_key=f"k{n}") for n in range(5_000)]
    settlements = [
        Complete(receipt=receipt, follow_ups=(task,)) for receipt, task in zip(receipts, follow_ups, strict=False)
    ]
    assert set(await driver.settle_many(settlements)) == {SettleOutcome.APPLIED}
    stats = await driver.queue_stats(["q", "next"])
    assert (stats["q"].leased, stats["q"].total_completed, stats["next"].ready) == (5_000, 5_000, 5_000)
    listed: list[str] = []
    page = await driver.list_tasks(queue="next", state=TaskState.READY, limit=1_000)
    while page.after is not None:
        listed.extend(record.id for record in page.tasks)
        page = await driver.list_tasks(queue="next", state=TaskState.READY, limit=1_000, after=page.after)
    listed.extend(record.id for record in page.tasks)
    assert listed == [task.id for task in follow_ups]
