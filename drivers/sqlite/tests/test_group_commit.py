"""Calls share transactions, and are applied as a whole or not at all."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from asynctasq_sqlite import SQLiteDriver
from asynctasq_sqlite.enqueueing import enqueue
from asynctasq_sqlite.session import Session

from asynctasq.driver_api import DriverClosed

from .harness import connection_to
from .tasks import completions, new_task, new_tasks, take

pytestmark = pytest.mark.anyio


async def trace_commits(driver: SQLiteDriver) -> list[str]:
    """A list that every commit of the driver is added to."""
    commits: list[str] = []
    writer = driver._open_store().writer

    def note(statement: str) -> None:
        if statement == "COMMIT":
            commits.append(statement)

    await writer.run(lambda _: writer._raw.set_trace_callback(note))
    commits.clear()
    return commits


async def test_settle_and_reserve_cost_one_commit(driver: SQLiteDriver) -> None:
    """A worker that settles and reserves at once pays one sync of the disk."""
    await driver.enqueue_many(new_tasks(40))
    deliveries = await take(driver, 10)
    commits = await trace_commits(driver)
    for _ in range(3):
        found: list[Any] = []

        async def reserve(found: list[Any] = found) -> None:
            found += await take(driver, 10)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(driver.settle_many, completions(deliveries))
            tasks.start_soon(reserve)
        deliveries = found
    assert len(deliveries) == 10
    assert len(commits) == 3


async def test_enqueues_at_once_share_commits(driver: SQLiteDriver) -> None:
    """A hundred callers wait for a few transactions, and each gets its own outcome."""
    commits = await trace_commits(driver)
    twice = new_task()
    accepted: list[bool] = []

    async def enqueue(number: int) -> None:
        outcomes = await driver.enqueue_many([twice] if number % 10 == 0 else new_tasks(2))
        accepted.extend(outcome.accepted for outcome in outcomes)

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(enqueue, number)
    assert len(commits) <= 3
    assert accepted.count(False) == 9
    assert len(accepted) == 190


class _SlowLoop:
    """An event loop that is so slow to make a future that the thread has carried out the call meanwhile."""

    def __init__(self, writer: Any, release: threading.Event) -> None:
        self._writer, self._loop, self._release = writer, writer._loop, release

    def create_future(self) -> Any:
        call = self._writer._waiting[-1]
        self._release.set()
        ends_at = time.monotonic() + 5
        while not call.done and time.monotonic() < ends_at:
            time.sleep(0.001)
        assert call.done
        return self._loop.create_future()

    def call_soon_threadsafe(self, *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(*arguments)


async def test_a_thread_that_is_faster_than_its_callers(driver: SQLiteDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that is carried out before it has begun to wait has its outcome all the same."""
    writer, release = driver._open_store().writer, threading.Event()
    accepted: list[bool] = []

    async def enqueue() -> None:
        accepted.extend([outcome.accepted for outcome in await driver.enqueue_many(new_tasks(1))])

    monkeypatch.setattr(writer, "_loop", _SlowLoop(writer, release))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer._connection._execute, release.wait, 5)
            tasks.start_soon(enqueue)
            tasks.start_soon(enqueue)
    assert accepted == [True, True]


async def test_cancelled_before_it_began(path: Path, driver: SQLiteDriver) -> None:
    """A call that is cancelled while it waits for its turn is never applied."""
    with connection_to(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(driver.enqueue_many, new_tasks(1))
            await anyio.sleep(0.02)  # its transaction waits for the lock
            with anyio.move_on_after(0.02) as scope:
                await driver.enqueue_many(new_tasks(5))
            assert scope.cancelled_caught
            connection.execute("ROLLBACK")
    assert len(await take(driver)) == 1


async def test_cancelled_while_it_runs(driver: SQLiteDriver) -> None:
    """A call whose transaction has begun is applied as a whole, and that is visible once its caller goes on."""
    begun, go_on = threading.Event(), threading.Event()

    def work(session: Session) -> None:
        begun.set()
        assert go_on.wait(10)
        enqueue(session, new_tasks(5))

    async def cancel(scope: anyio.CancelScope) -> None:
        await anyio.to_thread.run_sync(begun.wait)
        scope.cancel()
        go_on.set()

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(cancel, scope)
            await driver._open_store().writer.run(work)
        assert scope.cancelled_caught
        assert (await driver.queue_stats(["q"]))["q"].ready == 5
    await driver.enqueue_many(new_tasks(1))
    assert len(await take(driver)) == 6


async def test_cancelling_at_random_loses_and_doubles_nothing(driver: SQLiteDriver) -> None:
    """Under cancellation each batch is there as a whole or not at all, and later calls get their answers."""
    batches = [new_tasks(3) for _ in range(200)]

    async def enqueue(number: int) -> None:
        with anyio.move_on_after((number % 7) / 4000):
            await driver.enqueue_many(batches[number])

    async with anyio.create_task_group() as tasks:
        for number in range(len(batches)):
            tasks.start_soon(enqueue, number)
            if number % 9 == 0:
                await anyio.lowlevel.checkpoint()
    stored = set(await driver.get_tasks([task.id for batch in batches for task in batch]))
    assert {sum(task.id in stored for task in batch) for batch in batches} <= {0, 3}
    assert stored == {delivery.id for delivery in await take(driver, 1000)}


async def test_disconnect_waits_for_calls(new_driver: Callable[..., SQLiteDriver]) -> None:
    """What was called before `disconnect` is applied; what is called after is refused; connecting again works."""
    driver = new_driver()
    await driver.connect()
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(driver.enqueue_many, new_tasks(10))
        await anyio.wait_all_tasks_blocked()
        await driver.disconnect()
    with pytest.raises(DriverClosed):
        await driver.enqueue_many(new_tasks(1))
    async with driver:
        assert (await driver.queue_stats(["q"]))["q"].ready == 200
