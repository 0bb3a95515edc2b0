"""Results and how long they stay, dispatching inside a transaction, and from synchronous code."""

import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from asynctasq import (
    Config,
    ResultNotKept,
    ResultNotReady,
    TaskFailed,
    TaskHandle,
    TaskState,
    dispatch_many,
    init,
    run,
    task,
    transaction,
)
from asynctasq.errors import InvalidArgument, RunningEventLoop, UnknownTask
from asynctasq.testing import drain, sandbox
from tests.acceptance.notes import note, notes
from tests.acceptance.workers import PATIENCE, ended, until, working

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]


@task
async def echo(value: int = 0) -> int:
    note(value)
    return value


# -- results and retention


async def test_results(url: str) -> None:
    """A result is there with the completion; waiting ends when the task does, and says so when it does not."""
    init(url=url)
    handle = await echo(3).dispatch()
    with pytest.raises(ResultNotReady, match=r"ready after 0\.05 seconds"):
        await handle.result(timeout=0.05)
    async with working():
        assert await handle.result(timeout=PATIENCE) == 3
    assert await handle.status() is TaskState.COMPLETED
    with pytest.raises(ResultNotKept):
        await TaskHandle("nobody").result(timeout=1)


async def test_failures_are_told(url: str) -> None:
    """The result of a dead letter raises TaskFailed, with type, message and traceback as text."""
    init(url=url)

    @task(max_attempts=1)
    async def breaks() -> int:
        raise LookupError("nothing there")

    handle = await breaks().dispatch()
    await drain()
    with pytest.raises(TaskFailed, match="after 1 attempts: LookupError: nothing there") as caught:
        await handle.result(timeout=1)
    assert caught.value.type_name == "LookupError"
    assert 'raise LookupError("nothing there")' in caught.value.traceback


async def test_results_that_are_too_large(url: str) -> None:
    """A result over the payload limit buries its task with ResultTooLarge, and does not run it again."""
    init(url=url)

    @task
    async def verbose() -> str:
        note("ran")
        return "x" * 400_000

    handle = await verbose().dispatch()
    await drain()
    with pytest.raises(TaskFailed, match="ResultTooLarge"):
        await handle.result(timeout=1)
    assert notes == ["ran"]


async def test_retention() -> None:
    """State and result stay `keep_result` seconds: 300 where something is returned, 0 for None, or as declared;
    `keep_completed_tasks` keeps everything; dead letters stay."""

    @task
    async def nothing() -> None: ...

    @task(keep_result=10)
    async def briefly() -> int:
        return 1

    @task(max_attempts=1)
    async def dies() -> int:
        raise ValueError

    async def states(*handles: TaskHandle[Any]) -> list[str]:
        async with Config.get().open_driver() as driver:
            await driver.maintain(limit=100)
            records = await driver.get_tasks(handles)
        return [records[handle].state if handle in records else "gone" for handle in handles]

    with sandbox() as box:
        handles = [await each.dispatch() for each in (echo(1), nothing(), briefly(), dies())]
        await box.drain()
        assert await states(*handles) == ["completed", "gone", "completed", "dead"]
        box.clock.advance(11)
        assert await states(*handles) == ["completed", "gone", "gone", "dead"]
        box.clock.advance(300)
        assert await states(*handles) == ["gone", "gone", "gone", "dead"]
    with sandbox(repository={"keep_completed_tasks": True}) as box:
        handles = [await each.dispatch() for each in (echo(1), nothing(), briefly())]
        await box.drain()
        box.clock.advance(1_000_000)
        assert await states(*handles) == ["completed"] * 3
        assert await handles[0].result(timeout=1) == 1


# -- transactions and synchronous code


async def test_transactional_dispatch(sqlite_url: str, tmp_path: Path) -> None:
    """On the caller's aiosqlite connection, in its own transaction: nothing is seen, woken or run before the commit."""
    init(url=sqlite_url)
    await echo(0).dispatch()
    async with working(), aiosqlite.connect(tmp_path / "tasks.db", isolation_level=None) as connection:
        await until(lambda: notes == [0])
        await connection.execute("begin immediate")
        async with transaction(connection):
            inside = await echo(1).dispatch()
            many = await dispatch_many([echo(2), echo(3)])
        with pytest.raises(UnknownTask):
            await inside.status()
        await connection.commit()
        assert await inside.result(timeout=PATIENCE) == 1
        assert [await handle.result(timeout=PATIENCE) for handle in many] == [2, 3]
        await connection.execute("begin immediate")
        lost = await echo(4).dispatch(on=connection)
        await connection.rollback()
        with pytest.raises(UnknownTask):
            await lost.status()
        with pytest.raises(InvalidArgument, match="transaction"):
            await echo(5).dispatch(on=connection)
    assert sorted(notes) == [0, 1, 2, 3]


def test_dispatch_sync(sqlite_url: str, tmp_path: Path) -> None:
    """From plain code, from threads, and on a caller's sqlite3 connection; never where it would block a loop."""
    init(url=sqlite_url)
    handles = [echo(1).dispatch_sync()]
    thread = threading.Thread(target=lambda: handles.append(echo(2).on_queue("default").dispatch_sync()))
    thread.start()
    thread.join()
    connection = sqlite3.connect(tmp_path / "tasks.db", isolation_level=None)
    connection.execute("begin immediate")
    with transaction(connection):
        handles.append(echo(3).dispatch_sync())
    connection.commit()
    connection.close()

    async def main() -> list[int]:
        with pytest.raises(RunningEventLoop, match=r"await dispatch\(\)"):
            echo(4).dispatch_sync()
        await drain()
        return [await handle.result(timeout=1) for handle in handles]

    assert run(main()) == [1, 2, 3]


@pytest.mark.parametrize("when", ["timedelta", "seconds", "moment"])
async def test_never_before_it_is_due(when: str) -> None:
    """`delay` in seconds or as a timedelta, and `at` a moment: not before, and then at once."""
    choose: dict[str, Callable[[Any, datetime], Any]] = {
        "timedelta": lambda call, _: call.delay(timedelta(seconds=90)),
        "seconds": lambda call, _: call.delay(90),
        "moment": lambda call, now: call.at(now + timedelta(seconds=90)),
    }
    with sandbox() as box:
        handle = await choose[when](echo(1), box.now()).dispatch()
        box.clock.advance(89.9)
        assert await box.drain() == []
        box.clock.advance(0.2)
        await box.drain()
        assert await ended(handle) is TaskState.COMPLETED
