"""Several processes on one file: nothing is lost, doubled or blocked, whatever end they come to."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from asynctasq_sqlite import SQLiteDriver

from asynctasq.driver_api import DriverClosed

from .harness import shift_time
from .tasks import drain, new_tasks, take

pytestmark = pytest.mark.anyio

WORKER = """
import asyncio, sys
from asynctasq.driver_api import Complete, NewTask
from asynctasq_sqlite import SQLiteConfig, SQLiteDriver

async def main(path, name, count):
    async with SQLiteDriver(SQLiteConfig(path=path)) as driver:
        for number in range(0, count, 10):
            await driver.enqueue_many(
                [NewTask(id=f"{name}-{number + i}", queue="q", name="work", payload=b"") for i in range(10)]
            )
            deliveries = await driver.reserve(["q"], limit=10, lease=60, worker=name)
            await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
            for delivery in deliveries:
                print(delivery.id, flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""

EXIT_WITHOUT_CLOSE = """
import asyncio, sys
from asynctasq.driver_api import NewTask
from asynctasq_sqlite import SQLiteConfig, SQLiteDriver

async def main():
    driver = SQLiteDriver(SQLiteConfig(path=sys.argv[1]))
    await driver.connect()
    await driver.enqueue_many([NewTask(id="one", queue="q", name="work", payload=b"")])
    return driver

kept = asyncio.run(main())
"""


def start(script: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)


def wait_for(process: "subprocess.Popen[str]") -> list[str]:
    output, _ = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGKILL)
    return output.split()


async def test_a_process_that_does_not_disconnect_ends(path: Path) -> None:
    """The threads of a driver that nobody closed do not keep the process alive; what was committed is there."""
    process = start(EXIT_WITHOUT_CLOSE, str(path))
    with anyio.fail_after(30):
        await anyio.to_thread.run_sync(wait_for, process)
    assert process.returncode == 0


@pytest.mark.slow
async def test_eight_processes_share_the_work(path: Path, open_driver: Callable[..., Any]) -> None:
    """Eight processes enqueue and complete at once: none sees a lock, and every task is delivered exactly once."""
    driver = await open_driver()
    processes = [start(WORKER, str(path), f"worker-{number}", "200") for number in range(8)]
    delivered: list[str] = []
    async with anyio.create_task_group() as tasks:

        async def collect(process: "subprocess.Popen[str]") -> None:
            delivered.extend(await anyio.to_thread.run_sync(wait_for, process))
            assert process.returncode == 0

        for process in processes:
            tasks.start_soon(collect, process)
    delivered += await drain(driver)
    assert Counter(Counter(delivered).values()) == {1: 1600}
    assert (await driver.queue_stats(["q"]))["q"].total_completed == 1600


def kill_after(process: "subprocess.Popen[str]", lines: int) -> list[str]:
    """Kill a worker that has reported so many tasks; gives all that it reported."""
    assert process.stdout is not None
    reported = [process.stdout.readline().strip() for _ in range(lines)]
    process.kill()
    return reported + wait_for(process)


def check_integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


@pytest.mark.slow
async def test_killed_processes_lose_nothing(path: Path, open_driver: Callable[..., Any]) -> None:
    """Processes that are killed in the middle leave a sound file; what they had leased comes again."""
    driver = await open_driver()
    delivered: list[str] = []
    for round_number in range(10):
        processes = [start(WORKER, str(path), f"{round_number}-{number}", "100000") for number in range(3)]
        for process in processes:
            delivered += await anyio.to_thread.run_sync(kill_after, process, 40 + 7 * round_number)
    assert len(delivered) > 10 * 3 * 40
    assert await anyio.to_thread.run_sync(check_integrity, path) == "ok"
    stats = (await driver.queue_stats(["q"]))["q"]
    shift_time(path, "asynctasq", 120)
    left = await drain(driver)
    assert len(left) == stats.ready + stats.leased
    assert not set(left) & set(delivered)
    assert (await driver.queue_stats(["q"]))["q"].total_completed == stats.total_completed + len(left)


def use_in_child(driver: SQLiteDriver, sender: Any) -> None:
    """What a forked child does, apart from ending."""
    try:
        driver.check_open()
    except DriverClosed as error:
        sender.send(str(error))


async def test_a_fork_does_not_share_the_driver(driver: SQLiteDriver) -> None:
    """In a forked child the parent's driver is closed and says what to do; the parent goes on."""
    await driver.enqueue_many(new_tasks(3))
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = os.fork()
    if child == 0:  # of the parent's threads, this one alone is here
        signal.alarm(20)
        use_in_child(driver, sender)
        os._exit(0)
    _, status = await anyio.to_thread.run_sync(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert "in the child" in receiver.recv()
    assert len(await take(driver)) == 3
