"""What can happen to a task between its dispatch and its end, as an application sees it, on memory and SQLite."""

import enum
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypedDict
from uuid import UUID

import aiosqlite
import anyio
import msgspec
import pytest

from asynctasq import (
    AsyncTask,
    BaseTask,
    Config,
    Discard,
    ResultNotKept,
    ResultNotReady,
    RetryLater,
    SyncTask,
    TaskCancelled,
    TaskConfig,
    TaskDefaultsConfig,
    TaskFailed,
    TaskHandle,
    TaskState,
    current_task,
    dispatch_many,
    init,
    run,
    task,
    transaction,
)
from asynctasq.contract.settlements import CancelOutcome
from asynctasq.errors import InvalidArgument, RunningEventLoop, UnknownOption, UnknownTask
from asynctasq.tasks.current_task import current_task_or_none
from asynctasq.testing import drain, sandbox
from tests.acceptance import best_practice_tasks as process_tasks
from tests.acceptance.workers import PATIENCE, ended, until, work, working

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]

notes: list[Any] = []
note = notes.append


@pytest.fixture(autouse=True)
def _nothing_noted() -> Iterator[None]:
    notes.clear()
    yield
    notes.clear()


@task
async def echo(value: int = 0) -> int:
    note(value)
    return value


# -- four kinds


@task
def in_thread(value: int) -> tuple[int, bool]:
    return value, threading.current_thread() is threading.main_thread()


class OnTheLoop(AsyncTask[int]):
    value: int

    async def execute(self) -> int:
        await anyio.sleep(0.001)
        return self.value


class InThread(SyncTask[str]):
    value: int

    def execute(self) -> str:
        return f"{self.value} {threading.current_thread() is threading.main_thread()}"


class Direct(BaseTask[int]):
    def __init__(self, value: int, *rest: int, **options: int) -> None:
        super().__init__()
        self.total = value + sum(rest) + sum(options.values())

    async def execute(self) -> int:
        return self.total


async def test_kinds_in_the_worker(url: str) -> None:
    """Functions and classes for the event loop and for threads, of every shape of parameters."""
    init(url=url)
    handles: list[TaskHandle[Any]] = [
        await echo(value=1).dispatch(),
        await in_thread(2).dispatch(),
        await OnTheLoop(value=3).dispatch(),
        await InThread(value=4).dispatch(),
        await Direct(5, 6, more=7).dispatch(),
    ]
    await drain()
    assert [await handle.result(timeout=1) for handle in handles] == [1, (2, False), 3, "4 False", 18]


@pytest.mark.slow
async def test_kinds_in_children(sqlite_url: str) -> None:
    """Classes and functions for child processes, with and without an event loop."""
    init(url=sqlite_url)
    square = await process_tasks.Square(number=7).dispatch()
    loop = await process_tasks.WhichLoop().dispatch()
    pid = await process_tasks.child_pid().dispatch()
    await work("compute", process_pool_size=1)
    assert await square.result(timeout=1) == 49
    assert (await loop.result(timeout=1))[0] == await pid.result(timeout=1)


async def test_precedence(url: str) -> None:
    """Chain > decorator or class > TaskDefaultsConfig > built-in; 0 means 0."""
    init(url=url)

    class Declared(AsyncTask[None]):
        config: TaskConfig = {"queue": "declared", "max_attempts": 7, "retry_delay": 0}

        async def execute(self) -> None: ...

    async def options(invocation: Any) -> tuple[str, int, float]:
        record = await (await invocation.dispatch()).record()
        return record.queue, record.max_attempts, record.retry_delay

    assert await options(echo()) == ("default", 3, 60)
    init(url=url, task_defaults=TaskDefaultsConfig(queue="configured", max_attempts=5, retry_delay=2))
    assert await options(echo()) == ("configured", 5, 2)
    assert await options(Declared()) == ("declared", 7, 0)
    assert await options(Declared().on_queue("chained").max_attempts(1).retry_after(9)) == ("chained", 1, 9)


def test_unknown_options_name_the_closest() -> None:
    """A misspelt option is refused where it is written, in a decorator and in a class."""
    with pytest.raises(UnknownOption, match="did you mean `max_attempts`"):
        task(max_atempts=3)(lambda: None)  # type: ignore[call-overload]
    with pytest.raises(UnknownOption, match="did you mean `visibility_timeout`"):

        class Refused(AsyncTask[None]):
            config = {"visibility_timout": 3}

            async def execute(self) -> None: ...


# -- arguments


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(msgspec.Struct, frozen=True):
    x: int
    y: int = 0


class Options(TypedDict, total=False):
    deep: bool


@dataclass
class Order:
    lines: list[tuple[str, Decimal]]
    colour: Colour
    placed: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))


VALUES: dict[str, tuple[Any, Any]] = {
    "datetime": (datetime, datetime(2026, 11, 24, 23, 59, 59, 999_999, tzinfo=UTC)),
    "naive datetime": (datetime, datetime(2026, 11, 24)),
    "date": (date, date(2026, 2, 28)),
    "time": (time, time(23, 59, 1)),
    "timedelta": (timedelta, timedelta(days=-1, microseconds=5)),
    "Decimal": (Decimal, Decimal("1.10")),
    "UUID": (UUID, UUID(int=7)),
    "set": (set[int], {1, 2}),
    "frozenset": (frozenset[str], frozenset({"a"})),
    "tuple": (tuple[int, str], (1, "x")),
    "bytes": (bytes, b"\x00\xff"),
    "Enum": (Colour, Colour.RED),
    "IntEnum": (Level, Level.HIGH),
    "Struct": (Point, Point(1, 2)),
    "TypedDict": (Options, {"deep": True}),
    "dataclass": (Order, Order([("tea", Decimal("2.50"))], Colour.RED)),
    "optional": (Point | None, None),
    "list of dataclass": (list[Order], [Order([], Colour.RED)]),
    "dict with other keys": (dict[int, date], {3: date(2026, 1, 1)}),
    "float": (float, 1e300),
    "large int": (int, 2**63 - 1),
    "text": (str, "\u0000 \U0001f600 é"),
}


@pytest.mark.parametrize("serializer", ["msgpack", "json"])
async def test_values_round_trip_as_their_own_types(url: str, serializer: str) -> None:
    """Guided by annotations, arguments and results come back as the types that they went in as, nested too."""
    init(url=url, serializer=serializer)
    handles: dict[str, TaskHandle[Any]] = {}
    for name, (annotation, value) in VALUES.items():

        async def mirror(value: Any) -> Any:
            return value

        mirror.__annotations__ = {"value": annotation, "return": annotation}
        mirror.__qualname__ = f"mirror_{name}_{serializer}"
        handles[name] = await task(name=f"life:{mirror.__qualname__}")(mirror)(value).dispatch()
    await drain()
    for name, (_, value) in VALUES.items():
        result = await handles[name].result(timeout=1)
        assert (result, type(result)) == (value, type(value)), name


@task
async def anything(value: Any) -> Any:
    return value


@pytest.mark.parametrize("serializer", ["msgpack", "json"])
async def test_data_that_looks_like_a_marker_stays_data(url: str, serializer: str) -> None:
    """Nothing that a caller can write into a value is taken for a type of its own."""
    init(url=url, serializer=serializer)
    lookalikes = [
        {"__type__": "datetime", "value": "2026-01-01"}, {"$t": "set", "$v": [1]}, {"__asynctasq__": ["x"]},
        {"type": "Decimal", "data": "1"}, ["$", "set", [1]], {"": None}, {"$": 1}, {"$tag": "uuid"},
    ]  # fmt: skip
    handle = await anything(lookalikes).dispatch()
    await drain()
    assert await handle.result(timeout=1) == lookalikes


class Derives(AsyncTask[list[int]]):
    def __init__(self, values: list[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values = [10 * value for value in values]

    async def execute(self) -> list[int]:
        return self.values


async def test_what_travels_is_what_the_caller_passed(url: str) -> None:
    """Not what `__init__` made of it: the worker's instance is built from the caller's arguments again."""
    init(url=url)
    invocation = Derives(values=[1])
    assert invocation.values == [10]
    handle = await invocation.dispatch()
    await drain()
    assert await handle.result(timeout=1) == [10]


async def test_a_handle_is_text(url: str) -> None:
    """A handle is a `str`: it travels as one as an argument, in results and in JSON, and leads back to its task."""
    init(url=url)

    @task
    async def about(other: str) -> dict[str, str]:
        assert type(other) is str
        return {"other": other}

    first = await echo(1).dispatch()
    second = await about(first).dispatch()
    await drain()
    assert await second.result(timeout=1) == {"other": str(first)}
    assert json.loads(json.dumps({"id": first})) == {"id": first.id}
    assert await TaskHandle(str(first)).result(timeout=1) == 1


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
