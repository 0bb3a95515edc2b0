"""Deadlocks are the driver's own business, and lose and double nothing."""

import random
import uuid
from collections import Counter
from collections.abc import AsyncGenerator

import anyio
import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver

from asynctasq.driver_api import (
    Bury,
    Complete,
    Delivery,
    Failure,
    NewTask,
    Release,
    Retry,
    Settlement,
    SettleOutcome,
    TaskState,
)

from .harness import Administrator

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

WORKERS = 32
PRODUCERS = 8
TASKS_PER_PRODUCER = 250
QUEUES = ("a", "b", "c")
FAILURE = Failure(type="ValueError", message="no such thing")


@pytest.fixture
async def drivers(settings: MySQLConfig, administrator: Administrator) -> AsyncGenerator[list[MySQLDriver]]:
    """Four drivers with ten connections each."""
    opened = [MySQLDriver(settings) for _ in range(4)]
    await opened[0].prepare_storage()
    for driver in opened:
        await driver.connect()
    yield opened
    for driver in opened:
        await driver.disconnect()


class Storm:
    """Producers, workers that settle in every way and shuffled, and people that interfere."""

    def __init__(self, drivers: list[MySQLDriver]) -> None:
        self.drivers = drivers
        self.ids: list[str] = []
        self.runs: Counter[str] = Counter()
        self.completed: list[str] = []
        self.producing = PRODUCERS
        self._random = random.Random(7)

    async def produce(self, number: int) -> None:
        """Enqueue in batches of several sizes, plain and not, and some of it twice."""
        driver = self.drivers[number % len(self.drivers)]
        left = TASKS_PER_PRODUCER
        while left:
            tasks = [self._new_task(f"{number}-{left}") for _ in range(min(left, self._random.choice((1, 5, 20))))]
            left -= len(tasks)
            outcomes = await driver.enqueue_many(tasks)
            self.ids += [task.id for task, outcome in zip(tasks, outcomes, strict=True) if outcome.accepted]
            if self._random.random() < 0.2:
                known = {task.id for task, outcome in zip(tasks, outcomes, strict=True) if outcome.accepted}
                again = await driver.enqueue_many(tasks)
                accepted = {task.id for task, outcome in zip(tasks, again, strict=True) if outcome.accepted}
                assert not accepted & known
                self.ids += accepted  # what had been refused for its key, which is free by now
        self.producing -= 1

    def _new_task(self, key: str) -> NewTask:
        return NewTask(
            id=uuid.uuid4().hex,
            queue=self._random.choice(QUEUES),
            name="tests.storm",
            payload=b"payload",
            priority=self._random.choice((4, 4, 4, 9)),
            dedupe_key=key if self._random.random() < 0.2 else None,
            keep_for=3600.0 if self._random.random() < 0.2 else 0.0,
            expires_after=3600.0 if self._random.random() < 0.2 else None,
        )

    async def work(self, number: int) -> None:
        """Take, extend, and settle, until nothing comes any more."""
        driver = self.drivers[number % len(self.drivers)]
        idle = 0
        while self.producing or idle < 3:
            queues = self._random.sample(QUEUES, len(QUEUES))
            taken = await driver.reserve(queues, limit=self._random.choice((1, 5, 20)), lease=60.0, worker=f"w{number}")
            idle = 0 if taken else idle + 1
            if not taken:
                await anyio.sleep(0.02)
                continue
            self.runs.update(delivery.id for delivery in taken)
            self._random.shuffle(taken)
            extended = await driver.extend_many([delivery.receipt for delivery in taken], lease=60.0)
            assert all(outcome.applied for outcome in extended)
            await self._settle(driver, taken)

    async def _settle(self, driver: MySQLDriver, taken: list[Delivery]) -> None:
        settlements = [self._settlement(delivery) for delivery in taken]
        outcomes = await driver.settle_many(settlements)
        assert outcomes == [SettleOutcome.APPLIED] * len(taken)
        for delivery, settlement in zip(taken, settlements, strict=True):
            if isinstance(settlement, Complete):
                self.completed.append(delivery.id)

    def _settlement(self, delivery: Delivery) -> Settlement:
        chance = self._random.random()
        if chance < 0.1 and delivery.attempt < 3:
            return Retry(receipt=delivery.receipt, failure=FAILURE)
        if chance < 0.15 and delivery.attempt < 3:
            return Release(receipt=delivery.receipt)
        if chance < 0.2:
            return Bury(receipt=delivery.receipt, failure=FAILURE)
        return Complete(receipt=delivery.receipt, result=b"result")

    async def interfere(self) -> None:
        """Look, replay and maintain, as people and workers do."""
        driver = self.drivers[0]
        while self.producing:
            page = await driver.list_tasks(state=TaskState.DEAD, limit=20)
            await driver.replay_many([record.id for record in page.tasks])
            await driver.queue_stats()
            await driver.maintain(limit=100)
            await anyio.sleep(0.01)


async def test_no_deadlock_surfaces(drivers: list[MySQLDriver]) -> None:
    """32 workers and 8 producers: no deadlock or lock time-out surfaces, and every count is exact."""
    storm = Storm(drivers)
    async with anyio.create_task_group() as group:
        for number in range(PRODUCERS):
            group.start_soon(storm.produce, number)
        for number in range(WORKERS):
            group.start_soon(storm.work, number)
        group.start_soon(storm.interfere)
    assert len(storm.ids) > 1000
    assert set(storm.runs) == set(storm.ids), "a task was never run, or one was that nobody enqueued"
    assert len(storm.completed) == len(set(storm.completed)), "a task was completed twice"
    stats = (await drivers[0].queue_stats()).values()
    assert sum(each.total_completed for each in stats) == len(storm.completed)
    assert sum(each.ready + each.scheduled + each.leased for each in stats) == 0
    dead = sum(each.dead for each in stats)
    assert len(storm.completed) + dead == len(storm.ids)


async def test_shuffled_batches_settle_extend_and_cancel_at_once(drivers: list[MySQLDriver]) -> None:
    """Settling, extending, cancelling and deleting the same tasks in different orders at once surfaces nothing."""
    tasks = [NewTask(id=uuid.uuid4().hex, queue="a", name="tests.storm", payload=b"") for _ in range(100)]
    await drivers[0].enqueue_many(tasks)
    taken = await drivers[0].reserve(["a"], limit=100, lease=60.0, worker="worker")
    ids = [task.id for task in tasks]
    receipts = [delivery.receipt for delivery in taken]
    applied = 0

    async def settle() -> None:
        nonlocal applied
        for _ in range(5):
            part = random.sample(receipts, 30)
            outcomes = await drivers[1].settle_many([Complete(receipt=receipt) for receipt in part])
            applied += outcomes.count(SettleOutcome.APPLIED)

    async def meddle() -> None:
        for _ in range(5):
            await drivers[2].extend_many(random.sample(receipts, 50), lease=60.0)
            await drivers[3].cancel_many(random.sample(ids, 50))
            await drivers[3].delete_many(random.sample(ids, 50))
            await drivers[2].get_tasks(ids)

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(settle)
            group.start_soon(meddle)
    stats = (await drivers[0].queue_stats(["a"]))["a"]
    assert (stats.total_completed, stats.leased) == (applied, len(tasks) - applied)
