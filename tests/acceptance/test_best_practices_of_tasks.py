"""The best practices, line by line: designing tasks."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from asynctasq import (
    AsyncTask,
    Config,
    EventType,
    SyncTask,
    TaskConfig,
    TaskFailed,
    TaskState,
    current_task,
    init,
    task,
)
from asynctasq.errors import DefinitionError, PayloadTooLarge, ReservedParameterName
from asynctasq.testing import drain
from tests.acceptance import best_practice_tasks
from tests.acceptance.best_practice_application import (
    Collector,
    charge,
    store,
)
from tests.acceptance.notes import note, notes
from tests.acceptance.workers import PATIENCE, ended, work, working

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]


async def test_line_18_idempotent(url: str) -> None:
    """18: Make tasks idempotent: a delivery whose worker died runs again, and a chosen id is dispatched once."""
    init(url=url)
    first = await charge(7).task_id("order-7").dispatch()
    again = await charge(7).task_id("order-7").dispatch()
    assert (first.accepted, again.accepted, again) == (True, False, first)
    async with Config.get().open_driver() as other_worker:
        if "memory" not in url:
            (delivery,) = await other_worker.reserve(["default"], limit=1, lease=0.05, worker="dies")
            assert delivery.id == first
            await anyio.sleep(0.06)
        await work()
        record = (await other_worker.get_tasks([first]))[first]
    assert record.attempts == (1 if "memory" in url else 2)
    assert notes == [7]


@task(visibility_timeout=0.4, retry_delay=0, retry_strategy="fixed")
async def too_long() -> int:
    note(current_task().attempt)
    if current_task().attempt == 1:
        try:
            await anyio.sleep(30)
        finally:
            note("cancelled")
    return current_task().attempt


async def test_line_19_visibility_timeout(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """19: Configure `visibility_timeout`: it bounds a delivery, the task then runs again, and no two runs overlap; a
    timeout that would let them is refused."""
    init(url=url)
    handle = await too_long().dispatch()
    async with working():
        assert await handle.result(timeout=PATIENCE) == 2
    assert notes == [1, "cancelled", 2]
    assert "expected duration x 2, plus a buffer" in caplog.text
    with pytest.raises(DefinitionError, match="not below visibility_timeout"):
        charge(1).timeout(60).visibility_timeout(60)


@task(timeout=0.1, visibility_timeout=60, max_attempts=1, keep_result=60)
async def hang() -> None:
    await anyio.sleep(600)


@task(timeout=0.1, visibility_timeout=60, max_attempts=1, keep_result=60)
def hang_in_thread() -> None:
    time.sleep(0.4)


@pytest.mark.parametrize("function", [hang, hang_in_thread], ids=["async", "thread"])
async def test_line_20_timeouts(url: str, function: Any) -> None:
    """20: Use timeouts for long-running tasks: the attempt is over, and says so; a thread keeps its slot."""
    init(url=url)
    handle = await function().dispatch()
    started = anyio.current_time()
    await work()
    with pytest.raises(TaskFailed, match=r"TaskTimedOut: .* timeout of 0\.1 s"):
        await handle.result(timeout=1)
    assert anyio.current_time() - started < 5


@pytest.mark.slow
async def test_line_20_timeouts_of_processes(sqlite_url: str) -> None:
    """20: A process task that takes too long is ended, with its child."""
    init(url=sqlite_url)
    handle = await best_practice_tasks.hang_in_child().dispatch()
    await work("compute", process_pool_size=1)
    with pytest.raises(TaskFailed, match="TaskTimedOut"):
        await handle.result(timeout=1)


class Cleans(AsyncTask[None]):
    config: TaskConfig = {"max_attempts": 3, "retry_delay": 0, "retry_strategy": "fixed"}
    folder: str

    async def execute(self) -> None:
        raise OSError(f"attempt {self._current_attempt}")

    async def failed(self, exception: Exception) -> None:
        await anyio.lowlevel.checkpoint()
        note((self.folder, str(exception), self._current_attempt))


async def test_line_21_failed(url: str) -> None:
    """21: Implement custom `failed()` handlers: called once, after the last attempt, with the exception."""
    init(url=url)
    await Cleans(folder="/tmp/x").dispatch()
    await drain()
    assert notes == [("/tmp/x", "attempt 3", 3)]


class Selective(SyncTask[None]):
    config: TaskConfig = {"max_attempts": 3, "retry_delay": 0, "retry_strategy": "fixed", "keep_result": 60}
    permanent: bool

    def execute(self) -> None:
        note(self._current_attempt)
        raise PermissionError("no") if self.permanent else TimeoutError("slow")

    def should_retry(self, exception: Exception) -> bool:
        return not isinstance(exception, PermissionError)


@pytest.mark.parametrize(("permanent", "attempts"), [(True, [1]), (False, [1, 2, 3])])
async def test_line_22_should_retry(url: str, permanent: bool, attempts: list[int]) -> None:
    """22: Use `should_retry()` by exception type: False ends the task at once."""
    init(url=url)
    handle = await Selective(permanent=permanent).dispatch()
    await drain()
    assert (notes, await handle.status()) == (attempts, TaskState.DEAD)


@dataclass
class Address:
    street: str
    number: int


@task
async def typed(
    at: datetime, price: Decimal, key: UUID, tags: set[str], pair: tuple[int, str], raw: bytes, to: Address
) -> tuple[str, Address]:
    values = (at, price, key, tags, pair, raw, to)
    note(values)
    return ", ".join(type(value).__name__ for value in values), to


async def test_line_24_type_hints(url: str) -> None:
    """24: Use type hints: arguments and results arrive as the types that they are annotated with."""
    init(url=url)
    values = (
        datetime(2026, 11, 24, tzinfo=UTC), Decimal("1.10"), UUID(int=5), {"a"}, (1, "x"), b"\x00\xff", Address("s", 1),
    )  # fmt: skip
    handle = await typed(*values).dispatch()
    await drain()
    assert notes == [values]
    assert await handle.result(timeout=1) == ("datetime, Decimal, UUID, set, tuple, bytes, Address", Address("s", 1))


async def test_line_25_names(url: str) -> None:
    """25: Name tasks descriptively: the function's or class's own name is the task's, in the store and in logs."""
    init(url=url)
    assert charge.name == f"{charge.__module__}:charge"
    record = await (await Cleans(folder="x").dispatch()).record()
    assert record.name == f"{__name__}:Cleans"


@task(keep_result=60)
async def parent() -> str:
    logging.getLogger("shop").warning("in the parent")
    return (await child().dispatch()).id


@task(keep_result=60)
async def child() -> str | None:
    logging.getLogger("shop").warning("in the child")
    return current_task().correlation_id


async def test_line_26_correlation_id(url: str, log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    """26: Use `correlation_id`: it stands in the envelope, in log lines, in events and in tasks from inside."""
    heard = Collector()
    init(url=url, event_sinks=[heard])
    handle = await parent().correlation_id("request-1").dispatch()
    await drain()
    child_id = await handle.result(timeout=1)
    async with Config.get().open_driver() as driver:
        records = await driver.get_tasks([handle, child_id])
        listed = (await driver.list_tasks(correlation_id="request-1")).tasks
    assert {record.correlation_id for record in records.values()} == {"request-1"}
    assert {record.id for record in listed} == {handle, child_id}
    said = {line["message"]: line.get("correlation_id") for line in log_lines() if line["logger"] == "shop"}
    assert said == {"in the parent": "request-1", "in the child": "request-1"}
    completed = heard.of_tasks(EventType.TASK_COMPLETED)
    assert [event.correlation_id for event in completed] == ["request-1", "request-1"]


@pytest.mark.slow
async def test_line_27_warm_event_loops(sqlite_url: str) -> None:
    """27: Initialize warm event loops: two `AsyncProcessTask`s of one child share one event loop, and never the
    worker's process."""
    init(url=sqlite_url)
    handles = [await best_practice_tasks.WhichLoop().dispatch() for _ in range(2)]
    await work("compute", process_pool_size=1)
    first, second = [await handle.result(timeout=1) for handle in handles]
    assert first == second
    assert first[0] != os.getpid()


@task
def blocking_read(seconds: float) -> bool:
    time.sleep(seconds)
    return threading.current_thread() is not threading.main_thread()


@task
async def blocks_the_loop(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251 - that is what the test is about


async def test_line_31_blocking(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """31: Don't include blocking I/O in async tasks: in a `SyncTask` it holds nobody up, and in an async one it is
    noticed, with its stack."""
    init(url=url)
    slow = await blocking_read(0.5).dispatch()
    async with working():
        await ended(slow, TaskState.LEASED)
        quick = await charge(1).dispatch()
        assert await quick.result(timeout=PATIENCE) == 1
        assert await slow.status() is TaskState.LEASED
        assert await slow.result(timeout=PATIENCE) is True
    await blocks_the_loop(0.6).dispatch()
    await work(blocked_loop_after=0.2)
    assert "the event loop has been blocked" in caplog.text
    assert "time.sleep(seconds)" in caplog.text


class Accumulates(AsyncTask[list[int]]):
    config: TaskConfig = {"max_attempts": 2, "retry_delay": 0, "retry_strategy": "fixed"}
    values: list[int]

    async def execute(self) -> list[int]:
        self.values.append(self._current_attempt)
        self.seen = True
        note((id(self), list(self.values)))
        if self._current_attempt == 1:
            raise ValueError
        return self.values


async def test_line_32_isolation(url: str) -> None:
    """32: Don't share mutable state: every attempt has a fresh instance and freshly decoded arguments."""
    init(url=url)
    values = [0]
    handle = await Accumulates(values=values).dispatch()
    await drain()
    assert [seen for _, seen in notes] == [[0, 1], [0, 2]]
    assert await handle.result(timeout=1) == [0, 2]
    assert values == [0]


@task(timeout=0.2, visibility_timeout=60, max_attempts=1, keep_result=60)
async def fetch(port: int) -> bytes:
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        return await stream.receive()


async def test_line_33_network_timeouts(url: str) -> None:
    """33: Don't perform network calls without timeouts: `timeout` ends a call to a server that never answers."""
    init(url=url)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        handle = await fetch(silent.getsockname()[1]).dispatch()
        await work()
    with pytest.raises(TaskFailed, match="TaskTimedOut"):
        await handle.result(timeout=1)


async def test_line_34_large_objects(url: str) -> None:
    """34: Don't store large objects in parameters: over 256 KiB they are refused, with the cure."""
    init(url=url)
    with pytest.raises(PayloadTooLarge, match="pass a reference"):
        await store("x" * 300_000).dispatch()
    assert (await store("/documents/7").dispatch()).accepted


RESERVED = (
    "config", "run", "execute", "dispatch", "failed", "should_retry", "on_queue", "delay", "retry_after",
    "max_attempts", "timeout",
)  # fmt: skip


@pytest.mark.parametrize("name", RESERVED)
def test_line_35_reserved_names(name: str) -> None:
    """35: Don't use reserved parameter names: each of the eleven is refused when function or class is defined."""
    namespace: dict[str, Any] = {"task": task, "AsyncTask": AsyncTask}
    with pytest.raises(ReservedParameterName, match=f"`{name}`"):
        exec(f"@task\nasync def refused({name}): ...", namespace)
    with pytest.raises(ReservedParameterName, match=f"`{name}`"):
        exec(f"class Refused(AsyncTask):\n  def __init__(self, {name}): ...\n  async def execute(self): ...", namespace)


def test_line_36_underscores() -> None:
    """36: Don't start parameter names with underscore: refused at definition, for functions, classes and keywords."""
    with pytest.raises(ReservedParameterName, match="underscore"):

        @task
        async def refused(_user: int) -> None: ...

    with pytest.raises(ReservedParameterName, match="underscore"):

        class Refused(AsyncTask[None]):
            _user: int

            async def execute(self) -> None: ...

    class Anything(AsyncTask[None]):
        async def execute(self) -> None: ...

    with pytest.raises(ReservedParameterName, match="underscore"):
        Anything(_user=1)
