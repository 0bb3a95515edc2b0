"""Order, where the driver takes a short cut: floors, pauses, transactions that commit late."""

import asyncio

import asyncpg
import pytest
from asynctasq_postgres import floors
from asynctasq_postgres.driver import PostgresDriver

from asynctasq.driver_api import Complete, NewTask

pytestmark = pytest.mark.anyio


def task(id: str, queue: str = "q", **options: int) -> NewTask:
    """A task."""
    return NewTask(id=id, queue=queue, name="n", payload=b"", **options)


async def take(driver: PostgresDriver, limit: int, *queues: str) -> list[str]:
    """Claim and complete."""
    deliveries = await driver.reserve(queues or ("q",), limit=limit, lease=60.0, worker="w")
    await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
    return [delivery.id for delivery in deliveries]


async def test_floors_never_hide_what_the_driver_itself_does(driver: PostgresDriver) -> None:
    """A higher priority, a retry of an old task, a replayed one: found at once, however warm the floors are."""
    await driver.enqueue_many([task(f"t{number}") for number in range(50)])
    for number in range(20):
        assert await take(driver, 1) == [f"t{number}"]
    await driver.enqueue_many([task("urgent", priority=9)])
    assert await take(driver, 2) == ["urgent", "t20"]


async def test_a_resumed_queue_comes_first_at_once(driver: PostgresDriver) -> None:
    """Floors are not raised for a queue that nobody looked into."""
    await driver.enqueue_many([task(f"first{number}", "first") for number in range(5)])
    await driver.enqueue_many([task(f"second{number}", "second") for number in range(20)])
    await driver.pausing.pause(["first"])
    for number in range(10):
        assert await take(driver, 1, "first", "second") == [f"second{number}"]
        await asyncio.sleep(0.05)  # past the floors' margin
    await driver.pausing.resume(["first"])
    assert await take(driver, 3, "first", "second") == ["first0", "first1", "first2"]


async def test_what_commits_late_is_found_within_a_second(
    driver: PostgresDriver, connection: asyncpg.Connection
) -> None:
    """A caller's transaction that took longer than the margin: its task may be late, never lost."""
    transaction = connection.transaction()
    await transaction.start()
    await driver.transactions.on(connection).enqueue_many([task("late")])
    await driver.enqueue_many([task(f"t{number}") for number in range(500)])
    await asyncio.sleep(floors.MARGIN.total_seconds() + 0.1)
    await take(driver, 10)
    await transaction.commit()
    began = asyncio.get_running_loop().time()
    while "late" not in await take(driver, 1):
        assert asyncio.get_running_loop().time() - began < floors.FULL_LOOK_EVERY + 0.5
        await asyncio.sleep(0.01)


async def test_a_short_result_is_looked_at_again_without_floors(
    driver: PostgresDriver, connection: asyncpg.Connection
) -> None:
    """An idle driver finds a late task with its next call."""
    async with connection.transaction():
        await driver.transactions.on(connection).enqueue_many([task("late")])
        await asyncio.sleep(floors.MARGIN.total_seconds() + 0.1)
        assert await take(driver, 1) == []
        await driver.enqueue_many([task("early")])
        await asyncio.sleep(floors.FULL_LOOK_WHEN_SHORT)
    assert sorted(await take(driver, 10)) == ["early", "late"]
