"""Four kinds of task, the precedence of their options, and values that travel as their own types."""

import enum
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypedDict
from uuid import UUID

import anyio
import msgspec
import pytest

from asynctasq import (
    AsyncTask,
    BaseTask,
    SyncTask,
    TaskConfig,
    TaskDefaultsConfig,
    TaskHandle,
    init,
    task,
)
from asynctasq.errors import UnknownOption
from asynctasq.testing import drain
from tests.acceptance import best_practice_tasks as process_tasks
from tests.acceptance.notes import note
from tests.acceptance.workers import work

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]


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
