"""What can happen to a task between its dispatch and its end, as an application sees it, on memory and SQLite."""

import threading
from contextvars import ContextVar
from datetime import timedelta

import anyio
import pytest

from asynctasq import (
    AsyncTask,
    Discard,
    RetryLater,
    TaskCancelled,
    TaskConfig,
    TaskFailed,
    TaskHandle,
    TaskState,
    current_task,
    dispatch_many,
    init,
    task,
)
from asynctasq.contract.settlements import CancelOutcome
from asynctasq.errors import UnknownTask
from asynctasq.tasks.current_task import current_task_or_none
from asynctasq.testing import drain, sandbox
from tests.acceptance.notes import note, notes
from tests.acceptance.workers import PATIENCE, until, work, working

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]


@task
async def echo(value: int = 0) -> int:
    note(value)
    return value


# -- attempts


VARIABLE: ContextVar[str] = ContextVar("life_variable", default="nothing")


class Fresh(AsyncTask[int]):
    config: TaskConfig = {"max_attempts": 3, "retry_delay": 0, "retry_strategy": "fixed"}
    values: list[int]

    async def execute(self) -> int:
        note((list(self.values), VARIABLE.get(), hasattr(self, "left")))
        self.values.append(1)
        self.left = True
        VARIABLE.set("left behind")
        if self._current_attempt < 3:
            raise ValueError
        return id(self)


async def test_each_attempt_is_fresh(url: str) -> None:
    """A fresh instance, freshly decoded arguments and a copied context: nothing of one attempt is seen by the next."""
    init(url=url)
    await Fresh(values=[0]).dispatch()
    await work(concurrency=1)
    assert notes == [([0], "nothing", False)] * 3


def helper() -> tuple[str, str, int, int, str | None]:
    """Somewhere far below a task."""
    here = current_task()
    return here.id, here.queue, here.attempt, here.max_attempts, here.correlation_id


async def test_current_task(url: str) -> None:
    """`current_task()` tells of the attempt anywhere below it, in threads as well; outside there is none."""
    init(url=url)

    @task(max_attempts=4)
    async def asynchronous() -> None:
        note(helper())

    @task(max_attempts=4)
    def synchronous() -> None:
        note(helper())

    for function in (asynchronous, synchronous):
        handle = await function().on_queue("q").correlation_id("c").dispatch()
        await work("q")
        assert notes.pop() == (handle, "q", 1, 4, "c")
    assert current_task_or_none() is None
    with pytest.raises(UnknownTask, match="no task is running here"):
        current_task()


class Undecided(AsyncTask[None]):
    config: TaskConfig = {"retry_delay": 0, "keep_result": 60}

    async def execute(self) -> None:
        raise ValueError("the body's")

    def should_retry(self, exception: Exception) -> bool:
        raise RuntimeError("undecided")

    async def failed(self, exception: Exception) -> None:
        note(str(exception))
        raise RuntimeError("failed() fails")


async def test_handlers_that_raise(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """`should_retry()` raising means no retry; `failed()` raising changes nothing; both are logged."""
    init(url=url)
    handle = await Undecided().dispatch()
    await drain()
    assert (notes, (await handle.record()).attempts) == (["the body's"], 1)
    assert "undecided" in caplog.text
    assert "failed() fails" in caplog.text


async def test_retry_later() -> None:
    """`RetryLater(delay)` runs the task again after that long, and costs no attempt."""

    @task(max_attempts=1)
    async def waits() -> int:
        note(current_task().attempt)
        if len(notes) < 4:
            raise RetryLater(60)
        return len(notes)

    with sandbox() as box:
        handle = await waits().dispatch()
        for _ in range(3):
            await box.drain()
            assert await handle.status() is TaskState.SCHEDULED
            box.clock.advance(59.9)
            assert await box.drain() == []
            box.clock.advance(0.1)
        await box.drain()
        assert await handle.result(timeout=1) == 4
        assert notes == [1, 1, 1, 1]


class Drops(AsyncTask[int]):
    config: TaskConfig = {"max_attempts": 5}

    async def execute(self) -> int:
        note("ran")
        raise Discard("not needed any more")

    async def failed(self, exception: Exception) -> None:
        note("failed")


async def test_discard(url: str) -> None:
    """`Discard(reason)` ends the task as cancelled, at once, without `failed()`."""
    init(url=url)
    handle = await Drops().dispatch()
    await drain()
    assert notes == ["ran"]
    with pytest.raises(TaskCancelled, match="not needed any more"):
        await handle.result(timeout=1)


# -- cancellation and expiry


async def test_cancelling_a_task_that_waits(url: str) -> None:
    """It is cancelled at once and never runs, scheduled or ready; a second time changes nothing."""
    init(url=url)
    ready, scheduled = await echo(1).dispatch(), await echo(2).delay(60).dispatch()
    assert [await ready.cancel(), await scheduled.cancel()] == [CancelOutcome.CANCELLED] * 2
    assert await ready.cancel() is CancelOutcome.CANCELLED
    await drain()
    assert notes == []
    with pytest.raises(TaskCancelled):
        await ready.result(timeout=1)
    assert await TaskHandle("nobody").cancel() is CancelOutcome.NOT_FOUND


@task
async def long() -> int:
    note("begun")
    try:
        await anyio.sleep(600)
    except anyio.get_cancelled_exc_class():
        note("cancelled")
        raise
    return 1


async def test_cancelling_a_task_that_runs(url: str) -> None:
    """A running task is asked to stop by its worker's next heartbeat; one that has ended meanwhile stands."""
    init(url=url)
    handle = await long().dispatch()
    async with working(lease=0.6):
        await until(lambda: "begun" in notes)
        assert await handle.cancel() is CancelOutcome.REQUESTED
        with pytest.raises(TaskCancelled):
            await handle.result(timeout=PATIENCE)
    assert notes == ["begun", "cancelled"]
    done = await echo(1).dispatch()
    await drain()
    assert await done.cancel() is CancelOutcome.TOO_LATE


async def test_cancelling_a_thread(url: str) -> None:
    """A thread can't be stopped: what it returns stands."""
    init(url=url)
    go_on = threading.Event()

    @task
    def stubborn() -> int:
        note("begun")
        go_on.wait(PATIENCE)
        return 7

    handle = await stubborn().dispatch()
    async with working(lease=0.6):
        await until(lambda: "begun" in notes)
        assert await handle.cancel() is CancelOutcome.REQUESTED
        go_on.set()
        assert await handle.result(timeout=PATIENCE) == 7


async def test_expiry() -> None:
    """A task that still waits after `expires_after` is dead, as `expired`, and never runs; one that began goes on."""
    with sandbox() as box:
        expired = await echo(1).expires_after(60).dispatch()
        in_time = await echo(2).expires_after(timedelta(minutes=2)).dispatch()
        box.clock.advance(61)
        await box.drain()
        assert notes == [2]
        assert await in_time.result(timeout=1) == 2
        record = await expired.record()
        assert (record.state, record.reason, record.attempts) == (TaskState.DEAD, "expired", 0)
        with pytest.raises(TaskFailed) as caught:
            await expired.result(timeout=1)
        assert caught.value.type_name == "expired"


# -- order, keys, ids


async def test_priorities(url: str) -> None:
    """9 first, 4 where nothing is said, and in the order of dispatch among equals; from decorator and chain."""
    init(url=url)

    @task(priority=6)
    async def urgent(value: int) -> None:
        note(value)

    await dispatch_many(
        [
            echo(1),
            echo(2).priority(0),
            echo(3).priority(9),
            urgent(4),
            echo(5),
            urgent(6).priority(5),
            echo(7).priority(9),
        ]
    )
    await work(concurrency=1)
    assert notes == [3, 7, 4, 6, 1, 5, 2]


async def test_unique_keys(url: str) -> None:
    """One task of a key waits or runs in a queue; afterwards, and in another queue, the key is free."""
    init(url=url)

    @task(unique="report-{day}")
    async def report(day: int, reason: str) -> str:
        return reason

    first = await report(1, "a").dispatch()
    second = await report(1, "b").dispatch()
    other_day = await report(2, "c").dispatch()
    elsewhere = await report(1, "d").on_queue("other").dispatch()
    assert (first.accepted, second.accepted, second, other_day.accepted, elsewhere.accepted) == (
        True, False, first, True, True,
    )  # fmt: skip
    await drain()
    assert await second.result(timeout=1) == "a"
    assert (await report(1, "e").dispatch()).accepted
    same = [await echo(5).unique().dispatch() for _ in range(2)]
    assert same[0] == same[1]
    assert (await echo(6).unique().dispatch()).accepted
    in_bulk = await dispatch_many([echo(8).unique("bulk"), echo(9).unique("bulk")])
    assert [handle.accepted for handle in in_bulk] == [True, False]


async def test_chosen_ids(url: str) -> None:
    """While an id is known, dispatching it gives the handle of the task that is there, which is left as it is."""
    init(url=url)
    first = await echo(1).task_id("invoice-7").dispatch()
    second = await echo(2).task_id("invoice-7").delay(600).dispatch()
    assert (second, second.accepted) == ("invoice-7", False)
    assert await second.status() is TaskState.READY
    await drain()
    third = await echo(3).task_id("invoice-7").dispatch()
    assert (third.accepted, await third.result(timeout=1), await first.result(timeout=1)) == (False, 1, 1)
    await drain()
    assert notes == [1]
