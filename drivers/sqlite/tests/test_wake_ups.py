"""Wake-ups across drivers, by both ways of watching the file."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import anyio
import pytest
from asynctasq_sqlite.file_watch import watch_file

from asynctasq.driver_api import DriverUnavailable

from .tasks import completions, new_task, new_tasks, take

pytestmark = pytest.mark.anyio

WAYS = pytest.mark.parametrize("watch_files", [True, False], ids=["notified", "polling"])


@WAYS
async def test_another_driver_wakes(open_driver: Callable[..., Any], watch_files: bool) -> None:
    """What one driver enqueues wakes the listener of another: in milliseconds, on a machine that is not busy."""
    listener, producer = await open_driver(watch_files=watch_files), await open_driver()
    delays: list[float] = []
    async with listener.wake_ups.listen(["q"]) as stream:
        for _ in range(10):
            assert not await stream.wait(0.02)
            start = time.perf_counter()
            await producer.enqueue_many([new_task()])
            assert await stream.wait(5)
            delays.append(time.perf_counter() - start)
            await listener.settle_many(completions(await take(listener)))
            await stream.wait(0)
    assert median(delays) < 0.3


@WAYS
async def test_a_hint_between_two_waits_is_not_lost(open_driver: Callable[..., Any], watch_files: bool) -> None:
    """What came while nobody waited is told at the next wait."""
    listener, producer = await open_driver(watch_files=watch_files), await open_driver()
    async with listener.wake_ups.listen(["q"]) as stream:
        assert not await stream.wait(0.3)
        await producer.enqueue_many([new_task()])
        await anyio.sleep(0.05)
        assert await stream.wait(5)


async def test_the_work_of_other_queues_does_not_wake(open_driver: Callable[..., Any]) -> None:
    """A busy queue lets the listeners of others sleep; so do paused queues and tasks that are not due."""
    listener, producer = await open_driver(), await open_driver()
    await producer.pausing.pause(["paused"])
    async with listener.wake_ups.listen(["q", "paused"]) as stream:
        for driver in (listener, producer):
            await driver.enqueue_many(new_tasks(5, queue="other"))
            await driver.enqueue_many(new_tasks(5, queue="paused") if driver is producer else [new_task(delay=60.0)])
        assert not await stream.wait(0.4)


async def test_at_rest_a_listener_costs_next_to_nothing(open_driver: Callable[..., Any]) -> None:
    """Waiting takes under one per cent of a core, with and without the help of the system."""
    for watch_files in (True, False):
        driver = await open_driver(watch_files=watch_files)
        async with driver.wake_ups.listen(["q"]) as stream:
            assert not await stream.wait(0.5)
            start = time.process_time()
            assert not await stream.wait(1.0)
            assert time.process_time() - start < 0.02


async def test_a_file_that_is_gone(open_driver: Callable[..., Any], path: Path) -> None:
    """When the log is removed the listener is told to listen again."""
    for watch_files in (True, False):
        driver = await open_driver(watch_files=watch_files)
        async with driver.wake_ups.listen(["q"]) as stream:
            log = path.with_name(path.name + "-wal")
            aside = log.with_name("aside")
            os.rename(log, aside)
            try:
                with pytest.raises(DriverUnavailable, match="Listen again"):
                    await stream.wait(1)
            finally:
                os.rename(aside, log)


def test_a_file_that_never_was(tmp_path: Path) -> None:
    """Watching what is not there fails at once, either way."""
    for notified in (True, False):
        watch = watch_file(str(tmp_path / "none"), notified=notified, poll_interval=0.05)
        with pytest.raises(FileNotFoundError), watch:
            pass
