"""Hints of new work: at once within a driver, by polling across drivers, and cheap while nothing comes."""

import time
import uuid
from collections.abc import Awaitable, Callable

import anyio
import msgspec
import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver
from asynctasq_mysql.wake_ups import next_pause

from asynctasq.driver_api import DriverClosed, NewTask

from .harness import Administrator

pytestmark = pytest.mark.anyio


def new_task(queue: str = "q", delay: float = 0.0) -> NewTask:
    """A task with a fresh id."""
    return NewTask(id=uuid.uuid4().hex, queue=queue, name="tests.task", payload=b"", delay=delay)


def one_connection(settings: MySQLConfig, **fields: float) -> MySQLConfig:
    """The same namespace, through one connection."""
    return msgspec.structs.replace(settings, min_pool_size=1, max_pool_size=1, **fields)


async def selects(driver: MySQLDriver) -> int:
    """How many reads a driver's only connection has sent."""
    [status] = await driver._connected.run(lambda connection: connection.run("SHOW SESSION STATUS LIKE 'Com_select'"))
    return int(status.rows[0][1])


async def waiting(driver: MySQLDriver) -> None:
    """Return when the listeners of a driver with one connection have looked, and wait for the next look."""
    await anyio.wait_all_tasks_blocked()
    await driver.now()
    await anyio.wait_all_tasks_blocked()


async def seconds_of(call: Callable[[], Awaitable[object]]) -> float:
    """How long a call takes."""
    begin = time.monotonic()
    await call()
    return time.monotonic() - begin


async def test_the_drivers_own_work_wakes_at_once(settings: MySQLConfig, administrator: Administrator) -> None:
    """What a driver enqueues itself wakes its listeners without a poll, however seldom it polls."""
    driver = MySQLDriver(one_connection(settings, poll_interval=60.0))
    await driver.prepare_storage()
    async with driver, driver.wake_ups.listen(["q"]) as stream:
        hints: list[bool] = []

        async def wait() -> None:
            hints.append(await stream.wait(30.0))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await waiting(driver)
            assert hints == []
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


@pytest.mark.parametrize(
    ("pause", "idle", "expected"),
    [
        (0.005, 0.0, 0.0055),
        (0.0095, 0.3, 0.0104),
        (0.01, 15.0, 0.03),
        (0.03, 15.0, 0.03),
        (0.05, 30.0, 0.05),
        (0.05, 3600.0, 0.05),
    ],
)
def test_pauses_grow_while_nothing_comes(pause: float, idle: float, expected: float) -> None:
    """From the shortest to twice as much in a tenth of a second, and to the longest in half a minute."""
    assert next_pause(pause, idle, shortest=0.005, longest=0.05) == pytest.approx(expected)


@pytest.mark.parametrize("longest", [0.01, 0.05, 1.0, 60.0])
def test_half_a_minute_leads_to_any_longest_pause(longest: float) -> None:
    """Whatever the longest pause is, a listener reaches it after half a minute, and not much sooner."""
    assert next_pause(0.01, 30.0, shortest=0.005, longest=longest) == pytest.approx(longest)
    assert next_pause(0.01, 27.0, shortest=0.005, longest=longest) == pytest.approx(0.001 + 0.9 * longest)


def test_the_longest_pause_bounds_all() -> None:
    """A longest pause below twice the shortest is the longest all the same."""
    assert next_pause(0.005, 100.0, shortest=0.005, longest=0.005) == 0.005
    assert next_pause(0.010, 0.0, shortest=0.005, longest=0.006) == 0.006


async def test_an_idle_listener_looks_less_often(settings: MySQLConfig, administrator: Administrator) -> None:
    """While nothing comes, the server is asked half as often as while something does."""
    driver = MySQLDriver(one_connection(settings, poll_interval=0.05, max_poll_interval=0.5))
    await driver.prepare_storage()
    async with driver, driver.wake_ups.listen(["q"]) as stream:
        await stream.wait(2.0)
        before = await selects(driver)
        await stream.wait(3.0)
        assert 5 <= await selects(driver) - before <= 32


async def test_work_makes_a_listener_look_often_again(settings: MySQLConfig, administrator: Administrator) -> None:
    """Once work has come, the next look is at the shortest interval again."""
    driver = MySQLDriver(one_connection(settings, poll_interval=0.02, max_poll_interval=30.0))
    await driver.prepare_storage()
    async with driver, driver.wake_ups.listen(["q"]) as stream:
        assert not await stream.wait(1.0)  # behind it, pauses are about a second
        await driver.enqueue_many([new_task()])
        assert await stream.wait(30.0)
        await driver.reserve(["q"], limit=1, lease=60.0, worker="worker")
        before = await selects(driver)
        assert not await stream.wait(0.5)
        assert await selects(driver) - before >= 4


async def test_a_closed_driver_wakes_its_listeners(settings: MySQLConfig, driver: MySQLDriver) -> None:
    """`disconnect()` ends waiting at once, with `DriverClosed`."""
    other = MySQLDriver(one_connection(settings, poll_interval=60.0))
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
        await waiting(other)
        assert await seconds_of(other.disconnect) < 5
    assert len(ended) == 1
