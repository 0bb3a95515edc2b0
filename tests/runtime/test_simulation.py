"""The worker's logic under faults, simulated deterministically: hours of virtual time, several workers on one store."""

import os
import random
from collections import Counter
from typing import Any

import anyio
import pytest

from asynctasq.contract.envelopes import TaskState
from asynctasq.errors import DriverUnavailable, QueueFull, RetryLater
from asynctasq.memory import drop_store
from asynctasq.runtime.frame import Headers
from asynctasq.runtime.worker import Worker
from asynctasq.tasks.current_task import current_task
from asynctasq.tasks.function_task import task
from tests.runtime.harness import Bench, FaultyDriver, loop_clock

pytestmark = pytest.mark.anyio

SEEDS = range(int(os.environ.get("ASYNCTASQ_SIMULATION_SEEDS", "4")))
TASKS = 150
MAX_ATTEMPTS = 5
LEASE = 10.0

starts: Counter[str] = Counter()
finished: Counter[str] = Counter()
released: Counter[str] = Counter()
live: Counter[str] = Counter()
early: list[str] = []
due: dict[str, float] = {}


@pytest.fixture
def anyio_backend(virtual_time: Any) -> Any:
    return virtual_time


@task(name="simulation.work")
async def work(seconds: float, how: str) -> None:
    me = current_task()
    starts[me.id] += 1
    if anyio.current_time() < due.get(me.id, 0.0) - 1e-3:
        early.append(me.id)
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        released[me.id] += 1
        raise
    if how == "fail":
        raise ValueError("always")
    if how == "once" and me.attempt == 1:
        raise ValueError("once")
    if how == "later" and starts[me.id] < 3:
        released[me.id] += 1
        raise RetryLater(random.uniform(0, 5))
    finished[me.id] += 1


class Chaos(FaultyDriver):
    """A driver whose calls fail, or are answered late, at random."""

    def __init__(self, namespace: str, chance: random.Random) -> None:
        super().__init__(namespace, clock=loop_clock)
        self._chance = chance
        self.calm = False
        for faults in (self.reserving, self.settling, self.extending):
            faults.strike = self._strike  # type: ignore[method-assign]

    async def _strike(self, line: Any) -> None:
        if self.calm:
            return
        draw = self._chance.random()
        if draw < 0.10:
            raise DriverUnavailable("simulated")
        if draw < 0.13 and line is self.settling.before:
            raise QueueFull("simulated")
        if draw < 0.14:
            raise RuntimeError("a bug, simulated")
        if draw < 0.30:
            await anyio.sleep(self._chance.uniform(0.0, LEASE / 5))
        elif draw < 0.305:
            await anyio.sleep(self._chance.uniform(LEASE, 3 * LEASE))


async def _one_worker(driver: Chaos, bench: Bench, name: str, chance: random.Random, over: anyio.Event) -> None:
    """A worker that is stopped, in one way or another, and started again."""
    life = 0
    while not over.is_set():
        life += 1
        worker = Worker(
            driver,
            concurrency=chance.choice([1, 3, 8]),
            serializer=bench.serializer,
            registry=bench.registry,
            worker_id=f"{name}-{life}",
            lease=LEASE,
            grace=chance.choice([0.0, 3.0, 20.0]),
            poll_interval=1.0,
            handle_signals=False,
            blocked_loop_after=None,
        )
        async with anyio.create_task_group() as group:
            group.start_soon(worker.start)
            with anyio.move_on_after(chance.uniform(5.0, 120.0)):
                await over.wait()
            match chance.randrange(3):
                case 0:
                    worker.request_stop()
                case 1:
                    worker.request_stop()
                    worker.request_stop()
                case _:
                    group.cancel_scope.cancel()


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_task_is_lost_or_settled_twice(namespace: str, seed: int) -> None:
    """P1, P2, P5, P7, P11: with errors, lost answers, late answers, restarts and cancellations, every task comes to
    exactly one end, starts no more often than allowed, and never before it is due."""
    for counter in (starts, finished, released, live):
        counter.clear()
    early.clear()
    due.clear()
    random.seed(seed)
    chance = random.Random(seed)
    async with FaultyDriver(namespace, clock=loop_clock) as looking:
        bench = Bench(looking, patience=50_000.0)
        ways: dict[str, str] = {}
        for n in range(TASKS):
            how = chance.choices(["fine", "once", "fail", "later"], [80, 8, 6, 6])[0]
            seconds = chance.choice([0.0, 0.01, 0.5, 2.0, LEASE * 2.5])
            id, delay = f"t{n}", chance.choice([0.0, 0.0, 0.0, 30.0])
            headers = Headers(max_attempts=MAX_ATTEMPTS, retry_delay=chance.choice([0.0, 2.0]))
            due[id] = anyio.current_time() + delay
            ways[id] = how
            await bench.enqueue(work(seconds, how), id=id, headers=headers, delay=delay, keep_for=1e6)
        over = anyio.Event()
        async with anyio.create_task_group() as group:
            drivers = [Chaos(namespace, chance) for _ in range(3)]
            for number, driver in enumerate(drivers):
                await driver.connect()
                group.start_soon(_one_worker, driver, bench, f"w{number}", chance, over)
            await anyio.sleep(600.0)
            for driver in drivers:
                driver.calm = True
            await bench.eventually(_all_ended, bench, list(ways))
            over.set()
    await _check(namespace, ways)
    drop_store(namespace)


async def _all_ended(bench: Bench, ids: list[str]) -> bool:
    await anyio.sleep(1.0)
    records = await bench.driver.get_tasks(ids)
    return all(record.state in (TaskState.COMPLETED, TaskState.DEAD) for record in records.values())


async def _check(namespace: str, ways: dict[str, str]) -> None:
    async with FaultyDriver(namespace, clock=loop_clock) as driver:
        records = await driver.get_tasks(list(ways))
        stats = (await driver.queue_stats(["default"]))["default"]
    assert records.keys() == ways.keys(), "a task is lost"
    states = Counter(record.state for record in records.values())
    assert (stats.total_completed, stats.total_dead) == (states[TaskState.COMPLETED], states[TaskState.DEAD])
    assert early == []
    for id, how in ways.items():
        record = records[id]
        if record.state is TaskState.COMPLETED:
            assert how != "fail"
            assert finished[id] >= 1, "completed without running"
        else:
            assert record.reason in ("failed", "attempts_exhausted")
        # What was released or cancelled in mid-run gave its attempt back, or lost it with its lease.
        assert starts[id] - released[id] <= MAX_ATTEMPTS
