"""One store per process and namespace: who shares it, and who must not."""

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import anyio
import pytest

from asynctasq.driver_api import (
    Bury,
    Complete,
    ConfigurationError,
    Failure,
    NewTask,
    SettleOutcome,
    TaskState,
)
from asynctasq.memory import MemoryDriver, drop_store
from asynctasq.testing import ManualClock

pytestmark = pytest.mark.anyio


def new_task(id: str) -> NewTask:
    return NewTask(id=id, queue="q", name="work", payload=id.encode())


async def test_drivers_of_one_namespace_see_the_same_tasks(new_driver: Callable[[], MemoryDriver]) -> None:
    """What one driver enqueues another one delivers, and a third one settles."""
    async with new_driver() as first, new_driver() as second, new_driver() as third:
        await first.enqueue_many([new_task("a")])
        (delivery,) = await second.reserve(["q"], limit=1, lease=10, worker="w")
        assert await third.settle_many([Complete(receipt=delivery.receipt)]) == [SettleOutcome.APPLIED]


async def test_namespaces_are_separate(new_driver: Callable[[], MemoryDriver], clock: ManualClock) -> None:
    """A namespace hides its tasks and its ids from the others."""
    other = f"other-{os.urandom(8).hex()}"
    async with new_driver() as one, MemoryDriver(other, clock=clock) as two:
        await one.enqueue_many([new_task("a")])
        assert await two.get_tasks(["a"]) == {}
        (outcome,) = await two.enqueue_many([new_task("a")])
        assert outcome.accepted
    drop_store(other)


async def test_tasks_and_leases_outlive_their_driver(new_driver: Callable[[], MemoryDriver]) -> None:
    """Disconnecting touches neither tasks nor leases: the next driver of the namespace goes on with them."""
    async with new_driver() as first:
        await first.enqueue_many([new_task("a")])
        (delivery,) = await first.reserve(["q"], limit=1, lease=10, worker="w")
    async with new_driver() as second:
        assert (await second.get_tasks(["a"]))["a"].state is TaskState.LEASED
        assert await second.settle_many([Complete(receipt=delivery.receipt)]) == [SettleOutcome.APPLIED]


async def test_a_dropped_store_is_forgotten(new_driver: Callable[[], MemoryDriver], namespace: str) -> None:
    """After `drop_store` the namespace starts empty."""
    async with new_driver() as first:
        await first.enqueue_many([new_task("a")])
    drop_store(namespace)
    async with new_driver() as second:
        assert await second.queue_stats() == {}


async def test_a_store_has_one_clock(driver: MemoryDriver, namespace: str, clock: ManualClock) -> None:
    """A driver without a clock of its own takes the store's; one that brings another clock is refused."""
    clock.advance(1000)
    async with MemoryDriver(namespace) as joined:
        assert await joined.now() == await driver.now()
    with pytest.raises(ConfigurationError, match="another clock"):
        await MemoryDriver(namespace, clock=ManualClock()).connect()


async def test_a_store_has_one_dead_retention(namespace: str) -> None:
    """A driver that says nothing takes the store's; one that wants another is refused, rather than passed over."""
    async with MemoryDriver(namespace, dead_retention=60.0) as driver:
        for same in (MemoryDriver(namespace), MemoryDriver(namespace, dead_retention=60.0)):
            async with same:
                assert await same.queue_stats() == await driver.queue_stats()
        with pytest.raises(ConfigurationError, match="for another time than the dead_retention of 61 seconds"):
            await MemoryDriver(namespace, dead_retention=61.0).connect()
    drop_store(namespace)
    async with MemoryDriver(namespace):
        with pytest.raises(ConfigurationError, match="or a namespace of its own"):
            await MemoryDriver(namespace, dead_retention=60.0).connect()


async def test_dead_letters_are_kept_as_long_as_the_drivers_say_that_are_connected_now(
    namespace: str, clock: ManualClock
) -> None:
    """A driver that connects when all others are gone may bring another `dead_retention`; older dead letters obey."""

    async def die(driver: MemoryDriver, id: str) -> None:
        await driver.enqueue_many([new_task(id)])
        (delivery,) = await driver.reserve(["q"], limit=1, lease=10, worker="w")
        await driver.settle_many(
            [Bury(receipt=delivery.receipt, reason="poison", failure=Failure(type="E", message="", traceback=""))]
        )

    async with MemoryDriver(namespace, clock=clock) as forever:
        await die(forever, "a")
    clock.advance(50)
    async with MemoryDriver(namespace, dead_retention=60.0) as minute:
        await die(minute, "b")
        clock.advance(10)
        assert (await minute.maintain(limit=100)).removed == 1
        assert set(await minute.get_tasks(["a", "b"])) == {"b"}
    async with MemoryDriver(namespace) as forever:
        clock.advance(3600)
        await forever.maintain(limit=100)
        assert set(await forever.get_tasks(["a", "b"])) == {"b"}
    unclosed = MemoryDriver(namespace, dead_retention=60.0)
    await unclosed.connect()
    del unclosed
    gc.collect()  # a driver holds itself in its features
    async with MemoryDriver(namespace, dead_retention=61.0):
        pass


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_the_child_of_a_fork_has_stores_of_its_own() -> None:
    """A copy of the parent's tasks in a forked child would run every task twice: the child starts empty."""
    program = """
import os, anyio
from asynctasq.driver_api import NewTask
from asynctasq.memory import MemoryDriver

async def parent():
    async with MemoryDriver() as driver:
        await driver.enqueue_many([NewTask(id="a", queue="q", name="work", payload=b"")])

async def child():
    async with MemoryDriver() as driver:
        return await driver.reserve(["q"], limit=1, lease=10, worker="w")

anyio.run(parent)
if (pid := os.fork()) == 0:
    os._exit(len(anyio.run(child)))
_, status = os.waitpid(pid, 0)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


async def test_threads_share_a_store_without_losing_or_doubling(
    driver: MemoryDriver, namespace: str, anyio_backend_name: str
) -> None:
    """Event loops in several threads enqueue, reserve and settle on one store; every task is delivered once."""
    threads, per_thread = 4, 300
    seen: list[str] = []

    async def work(name: str) -> None:
        async with MemoryDriver(namespace) as own:
            for start in range(0, per_thread, 10):
                await own.enqueue_many([new_task(f"{name}-{start + i}") for i in range(10)])
                deliveries = await own.reserve(["q"], limit=7, lease=60, worker=name)
                seen.extend(delivery.id for delivery in deliveries)
                outcomes = await own.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
                assert set(outcomes) <= {SettleOutcome.APPLIED}

    errors: list[BaseException] = []

    def run(name: str) -> None:
        try:
            anyio.run(work, name, backend=anyio_backend_name)
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=run, args=(f"t{number}",)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        await anyio.to_thread.run_sync(thread.join)
    assert errors == []
    rest = await driver.reserve(["q"], limit=10_000, lease=60, worker="w")
    seen.extend(delivery.id for delivery in rest)
    assert len(seen) == len(set(seen)) == threads * per_thread
    assert (await driver.queue_stats())["q"].total_completed == threads * per_thread - len(rest)
