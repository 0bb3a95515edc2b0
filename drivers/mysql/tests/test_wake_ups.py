"""Hints of new work: at once within a driver, by polling across drivers, and cheap while nothing comes."""

import time
import uuid
from collections.abc import Awaitable, Callable

import anyio
import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver

from asynctasq.driver_api import DriverClosed, NewTask

from .harness import Administrator

pytestmark = pytest.mark.anyio


def new_task(queue: str = "q", delay: float = 0.0) -> NewTask:
    """A task with a fresh id."""
    return NewTask(id=uuid.uuid4().hex, queue=queue, name="tests.task", payload=b"", delay=delay)


async def seconds_of(call: Callable[[], Awaitable[object]]) -> float:
    """How long a call takes."""
    begin = time.monotonic()
    await call()
    return time.monotonic() - begin


async def test_the_drivers_own_work_wakes_at_once(settings: MySQLConfig, administrator: Administrator) -> None:
    """What a driver enqueues itself wakes its listeners without a poll, however seldom it polls."""
    slow = MySQLConfig(dsn=settings.dsn, namespace=settings.namespace, poll_interval=60.0)
    driver = MySQLDriver(slow)
    await driver.prepare_storage()
    async with driver, driver.wake_ups.listen(["q"]) as stream:
        hints: list[bool] = []

        async def wait() -> None:
            hints.append(await stream.wait(30.0))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(0.05)
            begin = time.monotonic()
            await driver.enqueue_many([new_task()])
        assert hints == [True]
        assert time.monotonic() - begin < 5


async def test_another_drivers_work_is_found(settings: MySQLConfig, driver: MySQLDriver) -> None:
    """What another driver enqueues, or time makes ready, is found by polling."""
    async with MySQLDriver(settings) as other, driver.wake_ups.listen(["q"]) as stream:
        assert not await stream.wait(0.05)
        await other.enqueue_many([new_task("elsewhere")])
        assert not await stream.wait(0.05)
        await other.enqueue_many([new_task(delay=0.1)])
        assert await stream.wait(5.0)


async def test_a_paused_queue_wakes_nobody(driver: MySQLDriver) -> None:
    """A backlog that nobody may take is no reason to look again and again."""
    await driver.pausing.pause(["q"])
    await driver.enqueue_many([new_task()])
    async with driver.wake_ups.listen(["q"]) as stream:
        assert not await stream.wait(0.05)
        await driver.pausing.resume(["q"])
        assert await stream.wait(5.0)


async def test_an_idle_listener_looks_less_often(driver: MySQLDriver, administrator: Administrator) -> None:
    """While nothing comes, a second has about fifty looks, not two hundred."""
    counted = 0
    fetch = driver._connected.fetch

    async def counting(statement: str, /, **values: object) -> object:
        nonlocal counted
        counted += statement == "any_ready"
        return await fetch(statement, **values)  # type: ignore[arg-type]

    driver._connected.fetch = counting  # type: ignore[method-assign, assignment]
    async with driver.wake_ups.listen(["q"]) as stream:
        await stream.wait(0.5)
        counted = 0
        await stream.wait(1.0)
    assert 5 <= counted <= 60


async def test_a_closed_driver_wakes_its_listeners(settings: MySQLConfig, driver: MySQLDriver) -> None:
    """`disconnect()` ends waiting at once, with `DriverClosed`."""
    other = MySQLDriver(MySQLConfig(dsn=settings.dsn, namespace=settings.namespace, poll_interval=60.0))
    await other.connect()
    ended: list[BaseException] = []

    async def wait() -> None:
        try:
            async with other.wake_ups.listen(["q"]) as stream:
                await stream.wait(30.0)
        except DriverClosed as error:
            ended.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.sleep(0.05)
        assert await seconds_of(other.disconnect) < 5
    assert len(ended) == 1
