"""The base class of every driver: its life, however many ask for it at a time, and what it refuses unseen."""

from typing import Any

import anyio
import pytest

from asynctasq.contract.envelopes import NewTask
from asynctasq.errors import InvalidArgument
from asynctasq.memory import MemoryDriver
from asynctasq.tasks.task_ids import new_task_id

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return request.param


class SlowDriver(MemoryDriver):
    """Takes its time to connect and to disconnect, and remembers in which order it did."""

    def __init__(self) -> None:
        super().__init__(new_task_id())
        self.calls: list[str] = []

    async def _connect(self) -> None:
        self.calls.append("connect")
        await anyio.sleep(0.01)
        await super()._connect()
        self.calls.append("connected")

    async def _disconnect(self) -> None:
        self.calls.append("disconnect")
        await anyio.sleep(0.01)
        await super()._disconnect()
        self.calls.append("disconnected")


async def test_callers_who_connect_at_once_share_one_connection() -> None:
    """Each of them has an open driver afterwards, and no connection was opened twice and lost."""
    driver = SlowDriver()
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(driver.connect)
    await driver.now()
    await driver.disconnect()
    assert driver.calls == ["connect", "connected", "disconnect", "disconnected"]


async def test_connecting_waits_for_a_disconnect_under_way() -> None:
    """A driver that is connected anew while it disconnects keeps the new connection."""
    driver = SlowDriver()
    await driver.connect()
    async with anyio.create_task_group() as group:
        group.start_soon(driver.disconnect)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(driver.connect)
    await driver.now()
    assert driver.calls == ["connect", "connected", "disconnect", "disconnected", "connect", "connected"]
    await driver.disconnect()


async def test_a_cancelled_connect_lets_the_next_one_try() -> None:
    """Whoever waits behind a connect that is given up connects instead."""
    driver = SlowDriver()
    with anyio.move_on_after(0.001):
        await driver.connect()
    await driver.connect()
    assert driver.calls == ["connect", "connect", "connected"]
    await driver.now()
    await driver.disconnect()


@pytest.mark.parametrize("priority", [True, 4.0, 10, -1, "4", None])
async def test_a_priority_is_a_whole_number(priority: Any) -> None:
    """What only compares like a priority is refused: a store may not take it as one."""
    async with SlowDriver() as driver:
        with pytest.raises(InvalidArgument, match=r"priority is .*; wanted a whole number from 0 to 9"):
            await driver.enqueue_many([NewTask(id="a", queue="q", name="n", payload=b"", priority=priority)])


@pytest.mark.parametrize("delay", [10**400, float("nan"), float("inf"), -1e-9, True, "1"])
async def test_a_duration_is_a_finite_number(delay: Any) -> None:
    """Whatever else stands in place of seconds is refused, however large it is."""
    async with SlowDriver() as driver:
        with pytest.raises(InvalidArgument, match=r"delay is .*; wanted a number of seconds"):
            await driver.enqueue_many([NewTask(id="a", queue="q", name="n", payload=b"", delay=delay)])
