"""Wake-ups across threads and event loops, and by time."""

import threading
import time
import uuid
from typing import Any

import anyio
import anyio.to_thread
import pytest

from asynctasq.driver_api import DriverClosed, NewTask
from asynctasq.memory import MemoryDriver, drop_store
from asynctasq.testing import ManualClock

pytestmark = pytest.mark.anyio
LONG = 30.0


def new_task(id: str, **options: Any) -> NewTask:
    return NewTask(id=id, queue="q", name="work", payload=b"", **options)


async def test_an_enqueue_in_another_thread_wakes_a_waiting_listener(driver: MemoryDriver, namespace: str) -> None:
    """A listener that sleeps in its own event loop is woken by an event loop in another thread."""

    async def enqueue() -> None:
        async with MemoryDriver(namespace) as other:
            await other.enqueue_many([new_task("a")])

    async with driver.wake_ups.listen(["q"]) as stream, anyio.create_task_group() as group:

        async def wait() -> None:
            nonlocal woken
            woken = await stream.wait(LONG)

        woken = False
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        thread = threading.Thread(target=anyio.run, args=(enqueue,), kwargs={"backend": "asyncio"})
        thread.start()
        with anyio.fail_after(LONG / 2):
            await anyio.to_thread.run_sync(thread.join)
            while not woken:
                await anyio.lowlevel.checkpoint()
    assert woken


async def test_hints_are_coalesced_and_kept_until_the_next_wait(driver: MemoryDriver) -> None:
    """Many enqueues between two waits are one hint, which the next wait finds without sleeping."""
    async with driver.wake_ups.listen(["q", "other"]) as stream:
        assert not await stream.wait(0)
        for number in range(100):
            await driver.enqueue_many([new_task(f"t{number}")])
        assert await stream.wait(LONG)
        assert not await stream.wait(0)


async def test_a_listener_that_left_costs_nothing(driver: MemoryDriver) -> None:
    """After the stream is left its queue has no listener any more, and enqueues go on."""
    async with driver.wake_ups.listen(["q"]):
        pass
    await driver.enqueue_many([new_task("a")])
    async with driver.wake_ups.listen(["q"]) as stream:
        assert not await stream.wait(0)


async def test_a_closed_driver_ends_the_wait(driver: MemoryDriver) -> None:
    """A stream whose driver was disconnected says so instead of waiting for ever."""
    async with driver.wake_ups.listen(["q"]) as stream:
        await driver.disconnect()
        with pytest.raises(DriverClosed):
            await stream.wait(LONG)


@pytest.mark.parametrize("moved", ["due", "lapsed", "resumed"])
async def test_work_that_becomes_ready_by_itself_wakes(driver: MemoryDriver, clock: ManualClock, moved: str) -> None:
    """Not only an enqueue wakes: so do a due time, the end of a lease, and the end of a pause."""
    await driver.enqueue_many([new_task("a", delay=5.0 if moved == "due" else 0.0)])
    if moved == "lapsed":
        await driver.reserve(["q"], limit=1, lease=5, worker="w")
    if moved == "resumed":
        await driver.pausing.pause(["q"])
    async with driver.wake_ups.listen(["q"]) as stream:
        assert not await stream.wait(0)
        if moved == "resumed":
            await driver.pausing.resume(["q"])
        clock.advance(5)
        assert await stream.wait(LONG)


async def test_a_scheduled_task_wakes_when_it_is_due() -> None:
    """By the real clock: the wait ends at the due time, although nobody calls the store meanwhile."""
    namespace = f"test-{uuid.uuid4().hex}"
    async with MemoryDriver(namespace) as driver, driver.wake_ups.listen(["q"]) as stream:
        await driver.enqueue_many([new_task("a", delay=0.05)])
        began = time.monotonic()
        assert await stream.wait(LONG)
        assert 0.04 <= time.monotonic() - began < LONG / 2
    drop_store(namespace)
