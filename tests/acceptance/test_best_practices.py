"""The best-practices document that this project is built from, line by line.

A test is named for its line: `test_line_20_...`. `seed_lines` has every line that says something, those that are advice
and nothing else, and what a line needs that is not there yet. The run ends with a table of them.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosqlite
import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from asynctasq import (
    AsyncTask,
    Config,
    DriverFactory,
    EventsConfig,
    EventType,
    MonitoringService,
    ProcessPoolConfig,
    RepositoryConfig,
    ResultNotKept,
    SyncTask,
    TaskConfig,
    TaskDefaultsConfig,
    TaskEvent,
    TaskFailed,
    TaskState,
    current_task,
    dispatch_many,
    init,
    task,
)
from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event
from asynctasq.errors import ConfigurationError, DefinitionError, PayloadTooLarge, ReservedParameterName, UnknownTask
from asynctasq.runtime.task_logging import JsonLogFormatter, TaskContextFilter
from asynctasq.testing import drain, run_task, sandbox
from tests.acceptance import best_practice_tasks
from tests.acceptance.seed_lines import ADVICE, SEED, STILL_TO_COME
from tests.acceptance.workers import PATIENCE, ended, until, work, working

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]


def test_every_line_is_accounted_for() -> None:
    """Each line of the document has a test here, is advice alone, or says what it waits for."""
    tested = {int(name.split("_")[2]) for name in globals() if name.startswith("test_line_")}
    assert not tested & ADVICE.keys()
    assert not ADVICE.keys() & STILL_TO_COME.keys()
    assert tested | ADVICE.keys() | STILL_TO_COME.keys() == SEED.keys()


notes: list[Any] = []


@pytest.fixture(autouse=True)
def _nothing_noted() -> Iterator[None]:
    notes.clear()
    yield
    notes.clear()


def note(value: Any) -> None:
    notes.append(value)


# -- task design


@task
async def charge(order: int) -> int:
    note(order)
    return order


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
    assert charge.name == f"{__name__}:charge"
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


class Collector(EventSink):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def emit_many(self, events: Any) -> None:
        self.events.extend(events)

    def of_tasks(self, *types: EventType) -> list[TaskEvent]:
        return [event for event in self.events if isinstance(event, TaskEvent) and event.event_type in types]


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What is logged, as `--log-format json` writes it."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Lines()
    handler.addFilter(TaskContextFilter())
    handler.setFormatter(JsonLogFormatter())
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in lines]
    logging.getLogger().removeHandler(handler)


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


@task
async def store(document: str) -> int:
    return len(document)


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


# -- queues


async def test_line_43_queues_by_priority(url: str) -> None:
    """43: Use separate queues for different priorities: a worker of high, default and low serves them in that order."""
    init(url=url)
    for queue in ("low", "default", "high"):
        await dispatch_many([charge(number).on_queue(queue) for number in range(3)])
    await work("high,default,low", concurrency=1, prefetch=False)
    assert notes == [0, 1, 2] * 3
    heard = Collector()
    init(url=url, event_sinks=[heard])
    for queue in ("low", "high"):
        await dispatch_many([charge(number).on_queue(queue) for number in range(3)])
    await work("high,low", concurrency=1)
    assert [event.queue for event in heard.of_tasks(EventType.TASK_STARTED)] == ["high"] * 3 + ["low"] * 3


async def test_line_44_slow_queues(url: str) -> None:
    """44: Isolate slow tasks in dedicated queues: a worker takes from its own queues, and from no other."""
    init(url=url)
    slow = await charge(1).on_queue("slow").dispatch()
    quick = await charge(2).dispatch()
    await work("default")
    assert (notes, await slow.status(), await quick.result(timeout=1)) == ([2], TaskState.READY, 2)


@task(queue="emails")
async def send_email(to: str) -> None: ...


class BuildReport(AsyncTask[None]):
    config: TaskConfig = {"queue": "reports"}

    async def execute(self) -> None: ...


async def test_line_45_grouping(url: str) -> None:
    """45: Group related tasks by queue: by decorator, class and chain, and counted by queue."""
    init(url=url, task_defaults=TaskDefaultsConfig(queue="notifications"))
    await send_email("a").dispatch()
    await BuildReport().dispatch()
    await charge(1).dispatch()
    await send_email("b").on_queue("newsletters").dispatch()
    async with Config.get().open_driver() as driver:
        stats = await driver.queue_stats()
    assert {queue: each.ready for queue, each in stats.items()} == {
        "emails": 1, "reports": 1, "notifications": 1, "newsletters": 1,
    }  # fmt: skip


def test_line_47_queue_names() -> None:
    """47: Use descriptive queue names: up to 64 letters, digits, dots, dashes and underscores; others are refused."""
    assert charge(1).on_queue("low-priority.emails_2026")
    for name in ("", "with space", "x" * 65, "a,b"):
        with pytest.raises(DefinitionError, match="queue is"):
            charge(1).on_queue(name)


TASKS_FILE = """
from asynctasq import task

@task
async def touch(name: str) -> str:
    return name
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with an application in `tasks.py`."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "tasks.py").write_text(TASKS_FILE)
    return folder


def _start(folder: Path, line: str) -> "subprocess.Popen[str]":
    arguments = [sys.executable if word == "python" else word for word in line.split()]
    return subprocess.Popen(arguments, cwd=folder, stderr=subprocess.PIPE, text=True)


async def _serves(folder: Path, line: str, queues: list[str]) -> None:
    """Type a line into a shell in the application's folder: it serves these queues, and ends in peace."""
    program = "import sys, tasks\nfor q in sys.argv[1:]: tasks.touch(name=q).on_queue(q).task_id(q).dispatch_sync()"
    await anyio.run_process([sys.executable, "-c", program, *queues, "elsewhere"], cwd=folder)
    worker = _start(folder, line)
    try:
        async with DriverFactory.create(f"sqlite:///{folder}/asynctasq.db") as driver:

            async def done() -> bool:
                return {r.state for r in (await driver.get_tasks(queues)).values()} == {TaskState.COMPLETED}

            await until(done)
            assert (await driver.get_tasks(["elsewhere"]))["elsewhere"].state is TaskState.READY
    finally:
        worker.send_signal(signal.SIGTERM)
        _, said = await anyio.to_thread.run_sync(worker.communicate)
    assert worker.returncode == 0, said
    assert f"serves {', '.join(queues)} with concurrency {line.split()[-1]}" in said


@pytest.mark.slow
async def test_line_53_critical_worker(shop: Path) -> None:
    """53: `python -m asynctasq worker --queues critical --concurrency 20`, as written."""
    await _serves(shop, "python -m asynctasq worker --queues critical --concurrency 20", ["critical"])


@pytest.mark.slow
async def test_line_56_default_worker(shop: Path) -> None:
    """56: `python -m asynctasq worker --queues default --concurrency 10`, as written."""
    await _serves(shop, "python -m asynctasq worker --queues default --concurrency 10", ["default"])


@pytest.mark.slow
async def test_line_59_background_worker(shop: Path) -> None:
    """59: `python -m asynctasq worker --queues low-priority,batch --concurrency 5`, as written; without an application
    it says what it tried."""
    line = "python -m asynctasq worker --queues low-priority,batch --concurrency 5"
    await _serves(shop, line, ["low-priority", "batch"])
    (shop / "tasks.py").unlink()
    lost = await anyio.run_process([sys.executable, *line.split()[1:]], cwd=shop, check=False)
    assert lost.returncode == 4
    assert all(name in lost.stderr.decode() for name in ("tasks.py", "app.py", "main.py", "--app"))


# -- errors


logger = logging.getLogger("payments")


async def notify_admin(exception: Exception) -> None:
    note(("admin", str(exception)))


class ProcessPayment(AsyncTask[bool]):
    """As in the document, but for the body that it leaves out."""

    config: TaskConfig = {"max_attempts": 2, "retry_delay": 0, "retry_strategy": "fixed"}
    user_id: int
    amount: float

    async def execute(self) -> bool:
        raise ConnectionError("the bank does not answer")

    async def failed(self, exception: Exception) -> None:
        # Log with context (ensure `logger` is defined/imported in your module)
        logger.error(
            f"Payment failed for user {self.user_id}",
            extra={
                "task_id": self._task_id,
                "current_attempt": self._current_attempt,
                "user_id": self.user_id,
                "amount": self.amount,
            },
            exc_info=exception,
        )
        # Alert on critical failures
        await notify_admin(exception)


async def test_line_66_logging_in_failed(url: str, log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    """66: Log errors comprehensively in `failed()`: the line has the caller's fields, the task's, and the traceback."""
    init(url=url)
    handle = await ProcessPayment(user_id=3, amount=9.5).dispatch()
    await drain()
    (line,) = [line for line in log_lines() if line["logger"] == "payments"]
    assert (line["task_id"], line["current_attempt"], line["user_id"], line["amount"]) == (handle, 2, 3, 9.5)
    assert (line["queue_name"], line["level"]) == ("default", "ERROR")
    assert "ConnectionError: the bank does not answer" in line["exception"]


async def test_line_67_retry_limits(url: str) -> None:
    """67: Use retry limits: three attempts unless something else is said; a limit of 0 is refused."""
    init(url=url, task_defaults={"retry_delay": 0})

    @task
    async def never_works() -> None:
        note(current_task().attempt)
        raise ValueError

    await never_works().dispatch()
    await never_works().max_attempts(1).dispatch()
    await drain()
    assert sorted(notes) == [1, 1, 2, 3]
    with pytest.raises(DefinitionError, match="max_attempts is 0"):
        never_works().max_attempts(0)


async def _dead_letter(user: int) -> str:
    handle = await ProcessPayment(user_id=user, amount=1.0).dispatch()
    await drain()
    return handle


async def test_line_68_dead_letters(sqlite_url: str, tmp_path: Path) -> None:
    """68: Monitor dead-letter queues: counted by queue, listed with their failures by service and command line."""
    init(url=sqlite_url)
    dead = await _dead_letter(1)
    async with Config.get().open_driver() as driver:
        stats = (await driver.queue_stats(["default"]))["default"]
        assert (stats.dead, stats.total_dead) == (1, 1)
        infos, total = await MonitoringService(driver).get_task_infos("failed")
    assert (total, infos[0].id, infos[0].kwargs) == (1, dead, {"user_id": 1, "amount": 1.0})
    listed = await anyio.run_process(
        [sys.executable, "-m", "asynctasq", "dead", "list", "--json", "--url", sqlite_url], cwd=tmp_path
    )
    assert dead in listed.stdout.decode()


async def test_line_69_alerting(url: str) -> None:
    """69: Implement alerting for critical failures: `failed()` may await, and sinks hear of every dead letter."""
    heard = Collector()
    init(url=url, event_sinks=[heard])
    dead = await _dead_letter(1)
    assert notes == [("admin", "the bank does not answer")]
    (event,) = heard.of_tasks(EventType.TASK_FAILED)
    assert (event.task_id, event.error) == (dead, "ConnectionError: the bank does not answer")


async def test_line_70_context_in_exceptions(url: str) -> None:
    """70: Add context to exception messages: message, notes and causes are stored with the failure."""
    init(url=url)

    @task(max_attempts=1, keep_result=60)
    async def load(user: int) -> None:
        try:
            raise KeyError(user)
        except KeyError as error:
            wrapped = ValueError(f"user {user} is not in the directory")
            wrapped.add_note("looked in the eastern directory")
            raise wrapped from error

    handle = await load(8).dispatch()
    await drain()
    (failure,) = (await handle.record()).failures
    assert (failure.type, failure.message) == ("ValueError", "user 8 is not in the directory")
    assert "looked in the eastern directory" in failure.traceback
    assert "KeyError: 8" in failure.traceback


async def test_line_72_the_payment_example(url: str) -> None:
    """72: `class ProcessPayment(AsyncTask[bool])` with a `failed()` alone may be defined; without `execute` there is
    nothing to dispatch, and with it `failed()` runs once after the last attempt."""

    class AsPrinted(AsyncTask[bool]):
        async def failed(self, exception: Exception) -> None: ...

    with pytest.raises(DefinitionError, match=r"AsPrinted has no execute\(\)"):
        AsPrinted()
    init(url=url)
    handle = await ProcessPayment(user_id=3, amount=9.5).dispatch()
    await drain()
    assert notes == [("admin", "the bank does not answer")]
    with pytest.raises(TaskFailed, match="after 2 attempts: ConnectionError"):
        await handle.result(timeout=1)


# -- performance


@task
async def meet(count: int) -> None:
    note("here")
    await until(lambda: len(notes) == count)


async def test_line_95_io_bound_concurrency(url: str) -> None:
    """95: I/O-bound tasks, high concurrency: a concurrency of 50 has 50 of them waiting at the same time."""
    init(url=url)
    await dispatch_many([meet(50) for _ in range(50)])
    worker = await work(concurrency=50)
    assert worker.get_health_status()["tasks_processed"] == 50


@pytest.mark.slow
async def test_line_96_cpu_bound_concurrency(sqlite_url: str) -> None:
    """96: CPU-bound tasks, number of CPU cores: that many children unless something else is said."""
    init(url=sqlite_url)
    handles = [await best_practice_tasks.Square(number=number).dispatch() for number in range(4)]
    worker = await work("compute")
    assert [await handle.result(timeout=1) for handle in handles] == [0, 1, 4, 9]
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert worker.get_health_status()["process_pool"]["size"] == processors


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
async def test_line_97_connection_pooling(redis_url: str) -> None:
    """97: Use connection pooling: 200 dispatches at the same time share a few connections, with nothing configured."""
    init(url=redis_url)
    await charge(0).dispatch()
    before = most = len(os.listdir("/proc/self/fd"))

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(os.listdir("/proc/self/fd")))
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as watching:
        watching.start_soon(watch)
        async with anyio.create_task_group() as clients:
            for number in range(1, 200):
                clients.start_soon(charge(number).dispatch)
        watching.cancel_scope.cancel()
    assert most - before < 20
    async with Config.get().open_driver() as driver:
        assert (await driver.queue_stats(["default"]))["default"].ready == 200


async def test_line_98_queue_sizes(url: str) -> None:
    """98: Monitor queue sizes: what waits, what is due, what runs, and how old the oldest is."""
    init(url=url)
    await dispatch_many([charge(number) for number in range(3)])
    await charge(9).delay(60).dispatch()
    async with Config.get().open_driver() as driver:
        stats = (await driver.queue_stats(["default"]))["default"]
        assert (stats.ready, stats.scheduled, stats.leased) == (3, 1, 0)
        assert stats.oldest_ready_age is not None
        assert (await MonitoringService(driver).get_queue_stats("default")).depth == 4


async def test_line_99_batching(url: str) -> None:
    """99: Consider task batching: thousands in one go, all or none."""
    init(url=url)
    handles = await dispatch_many([charge(number) for number in range(1000)])
    assert len(set(handles)) == 1000
    with pytest.raises(PayloadTooLarge):
        await dispatch_many([charge(1).task_id("small"), store("x" * 300_000)])
    async with Config.get().open_driver() as driver:
        assert (await driver.queue_stats(["default"]))["default"].ready == 1000
        assert await driver.get_tasks(["small"]) == {}


async def test_line_100_redis(redis_url: str) -> None:
    """100: Prefer Redis for general use: the same code runs there, by changing the URL."""
    init(url=redis_url)
    handle = await charge(5).dispatch()
    await drain()
    assert await handle.result(timeout=1) == 5


async def test_line_100_acid(sqlite_url: str, tmp_path: Path) -> None:
    """100: ACID guarantees of SQL drivers: a task is there if and only if its caller's transaction commits."""
    init(url=sqlite_url)
    await charge(0).dispatch()
    async with aiosqlite.connect(tmp_path / "tasks.db", isolation_level=None) as connection:
        await connection.execute("create table orders (number integer)")
        await connection.execute("begin immediate")
        await connection.execute("insert into orders values (1)")
        lost = await charge(1).dispatch(on=connection)
        await connection.rollback()
        await connection.execute("begin immediate")
        await connection.execute("insert into orders values (2)")
        kept = await charge(2).dispatch(on=connection)
        await connection.commit()
    with pytest.raises(UnknownTask):
        await lost.status()
    await drain()
    assert (await kept.result(timeout=1), notes) == (2, [0, 2])


# -- production


async def test_line_107_visibility_default(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """107: visibility_timeout is 3600 s unless it is set, by task, by chain or for all; a run past half of it is told
    the formula once."""
    init(url=url)
    assert (await (await charge(1).dispatch()).record()).visibility_timeout == 3600
    assert (await (await charge(1).visibility_timeout(90).dispatch()).record()).visibility_timeout == 90
    init(url=url, task_defaults={"visibility_timeout": 120})
    assert (await (await charge(1).dispatch()).record()).visibility_timeout == 120

    @task(visibility_timeout=1.0)
    async def slow() -> None:
        await anyio.sleep(0.7)

    await dispatch_many([slow(), slow()])
    await work()
    assert caplog.text.count("expected duration x 2, plus a buffer") == 1


async def test_line_108_retry_delays() -> None:
    """108: Configure retry delays: exponential with full jitter and a cap by default, fixed on demand."""

    @task(max_attempts=12, retry_delay=10)
    async def outage() -> None:
        raise ConnectionError

    delays: list[float] = []
    with sandbox(task_defaults={"retry_max_delay": 300}) as box:
        handle = await outage().dispatch()
        while (await box.drain())[-1].event is EventType.TASK_REENQUEUED:
            delays.append(((await handle.record()).available_at - box.now()).total_seconds())
            box.clock.advance(delays[-1])
        assert len(delays) == 11
        assert all(0 <= delay <= min(10 * 2**number, 300) for number, delay in enumerate(delays))
        assert len(set(delays)) > 5
        handle = await outage().max_attempts(2).retry_after(7).dispatch()
        await box.drain()
        assert ((await handle.record()).available_at - box.now()).total_seconds() <= 7

        @task(retry_strategy="fixed", retry_delay=5)
        async def steady() -> None:
            raise ConnectionError

        handle = await steady().dispatch()
        await box.drain()
        assert ((await handle.record()).available_at - box.now()).total_seconds() == pytest.approx(5, abs=0.001)


async def test_line_109_monitoring(url: str) -> None:
    """109: Monitor queue sizes, worker health, failed tasks and retry rates: each is a number that can be asked for."""
    init(url=url)
    await _dead_letter(1)
    handle = await charge(1).dispatch()
    async with working(heartbeat_interval=0.05) as worker, Config.get().open_driver() as driver:
        await ended(handle)
        await until(lambda: worker.get_health_status()["tasks_processed"] == 1)
        health = worker.get_health_status()
        assert health["status"] == "running"
        assert health["last_reserve_seconds_ago"] < PATIENCE
        stats = (await driver.queue_stats(["default"]))["default"]
        assert (stats.total_dead, stats.total_retried, stats.total_completed) == (1, 1, 1)

        async def reported() -> bool:
            infos = {info.worker_id: info for info in await MonitoringService(driver).get_worker_stats()}
            info = infos.get(worker.worker_id)
            return info is not None and (info.status, info.tasks_processed) == ("idle", 1)

        await until(reported)


def test_line_110_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """110: Use environment variables: they configure everything, `.env` too, and no credential shows."""
    (tmp_path / ".env").write_text("ASYNCTASQ_REDIS_PASSWORD=hunter2\nASYNCTASQ_WORKER_CONCURRENCY=7\n")
    monkeypatch.setenv("ASYNCTASQ_REDIS_URL", "redis://user:swordfish@cache:6379/2")
    monkeypatch.setenv("ASYNCTASQ_WORKER_CONCURRENCY", "9")
    config = Config.get()
    assert (config.driver, config.worker.concurrency) == ("redis", 9)
    shown = f"{config!r} {config.driver_settings()!r} {config.shown()!r}"
    assert "hunter2" not in shown
    assert "swordfish" not in shown
    monkeypatch.setenv("ASYNCTASQ_WORKER_CONCURRENCY", "many")
    with pytest.raises(ConfigurationError, match=r"ASYNCTASQ_WORKER_CONCURRENCY.*many"):
        Config.set()


async def test_line_111_several_workers(url: str) -> None:
    """111: Deploy multiple workers: they share the queues, each task runs once, and one takes over from another."""
    init(url=url)
    await dispatch_many([charge(number) for number in range(200)])
    async with working(concurrency=3) as first, working(concurrency=3) as second:
        await until(lambda: len(notes) == 200)
    assert sorted(notes) == list(range(200))
    processed = [worker.get_health_status()["tasks_processed"] for worker in (first, second)]
    assert sum(processed) == 200
    assert min(processed) > 0


async def test_line_113_dead_letters_come_back(url: str) -> None:
    """113: Monitor dead-letter queues: a dead letter stays, with its failures, until it is replayed or deleted."""
    init(url=url)
    dead = await _dead_letter(1)
    async with Config.get().open_driver() as driver:
        record = (await driver.get_tasks([dead]))[dead]
        assert (record.state, len(record.failures), record.reason) == (TaskState.DEAD, 2, "failed")
        monitoring = MonitoringService(driver)
        assert await monitoring.retry_task(dead)
        await drain()
        assert len((await driver.get_tasks([dead]))[dead].failures) == 4
        assert await monitoring.delete_task(dead)
        assert await driver.get_tasks([dead]) == {}


async def test_line_114_timeout_in_task_config(url: str) -> None:
    """114: Set appropriate timeouts: `timeout` in TaskConfig ends an attempt, which is then retried."""
    init(url=url)

    class Hangs(AsyncTask[int]):
        config: TaskConfig = {"timeout": 0.1, "retry_delay": 0, "retry_strategy": "fixed"}

        async def execute(self) -> int:
            if self._current_attempt == 1:
                await anyio.sleep(600)
            return self._current_attempt

    handle = await Hangs().dispatch()
    await drain()
    assert await handle.result(timeout=1) == 2


async def test_line_115_testing() -> None:
    """115: Test thoroughly: a function is called by itself, an attempt runs without a queue, and an integration test
    needs no server and no sleep."""
    assert await charge.call(order=3) == 3
    assert await run_task(charge(4), attempt=2) == 4
    with sandbox() as box:
        await charge(5).delay(3600).dispatch()
        box.assert_dispatched(charge, args={"order": 5}, scheduled_in=3600)
        box.clock.advance(3600)
        assert [outcome.completed for outcome in await box.drain()] == [True]
    assert notes == [3, 4, 5]


async def test_line_116_structured_logging(url: str, log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    """116: Use structured logging: task_id, worker_id, queue_name and current_attempt are on every line that is logged
    inside a task or about one; what the caller gave as `extra` wins."""
    init(url=url)

    @task
    async def says() -> None:
        logging.getLogger("shop").warning("hello", extra={"order": 7})
        logging.getLogger("shop").warning("mine", extra={"task_id": "own"})

    @task(max_attempts=1)
    def says_in_thread() -> None:
        logging.getLogger("shop").warning("from a thread")
        raise ValueError

    handle = await says().on_queue("q").dispatch()
    failing = await says_in_thread().on_queue("q").dispatch()
    worker = await work("q")
    lines = {line["message"]: line for line in log_lines() if line["logger"] == "shop"}
    hello = lines["hello"]
    assert (hello["task_id"], hello["worker_id"], hello["queue_name"]) == (handle, worker.worker_id, "q")
    assert (hello["current_attempt"], hello["order"], lines["mine"]["task_id"]) == (1, 7, "own")
    assert lines["from a thread"]["queue_name"] == "q"
    (buried,) = [line for line in log_lines() if "is dead after attempt 1" in line["message"]]
    assert (buried["task_id"], buried["queue_name"], buried["current_attempt"]) == (failing, "q", 1)


async def test_line_117_event_streaming(redis_url: str) -> None:
    """117: Enable event streaming (Redis Pub/Sub): one switch, and every event of clients and workers is published."""
    from asynctasq_redis import RedisEventSubscriber

    server, _, channel = redis_url.partition("?namespace=")
    init(
        url=redis_url,
        events=EventsConfig(enable_event_emitter_redis=True, redis_url=server, channel=channel),
    )
    seen: list[str] = []
    async with RedisEventSubscriber(server, channel) as subscriber:
        handle = await charge(1).dispatch()
        await drain()
        with anyio.fail_after(PATIENCE):
            async for event in subscriber:
                if isinstance(event, TaskEvent):
                    assert event.task_id == handle
                    seen.append(event.event_type)
                if len(seen) == 3:
                    break
    assert sorted(seen) == ["task_completed", "task_enqueued", "task_started"]


@pytest.mark.slow
async def test_line_118_process_pools(sqlite_url: str) -> None:
    """118: Configure process pools: `ProcessPoolConfig(size, max_tasks_per_child)` holds: that many children, each
    replaced after that many tasks."""
    init(url=sqlite_url, process_pool=ProcessPoolConfig(size=1, max_tasks_per_child=2))
    handles = [await best_practice_tasks.child_pid().dispatch() for _ in range(3)]
    await drain(concurrency=1)
    first, second, third = [await handle.result(timeout=1) for handle in handles]
    assert first == second != third
    assert os.getpid() not in (first, third)


async def test_line_119_retention(url: str) -> None:
    """119: Set task retention policy: completed tasks are gone by default, but for results that somebody may wait for;
    `keep_completed_tasks=True` keeps them all."""
    init(url=url)
    assert Config.get().repository.keep_completed_tasks is False
    handle = await send_email("a").dispatch()
    await drain()
    with pytest.raises(UnknownTask):
        await handle.status()
    with pytest.raises(ResultNotKept):
        await handle.result(timeout=1)
    init(url=url, repository=RepositoryConfig(keep_completed_tasks=True))
    kept = await send_email("b").dispatch()
    await drain()
    assert await kept.status() is TaskState.COMPLETED


EXAMPLE = """
from asynctasq import (
    init, RedisConfig, TaskDefaultsConfig, EventsConfig, ProcessPoolConfig, Worker, DriverFactory, Config
)

# Configuration - See configuration.md for complete options
init()  # Loads from .env file (recommended) or environment variables
"""


def test_line_123_production_example(tmp_path: Path) -> None:
    """123: The production set-up: it reads `.env`; without asynctasq-redis it says what to install."""
    (tmp_path / ".env").write_text("ASYNCTASQ_REDIS_URL=redis://cache:6379/3\n")
    program = EXAMPLE + "print(Config.get().driver, Config.get().driver_settings().db)"
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.startswith("redis "), done.stderr
    without = os.environ | {"ASYNCTASQ_DISABLE_PLUGINS": "redis"}
    refused = subprocess.run(command, env=without, capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode != 0
    assert "ImportError: RedisConfig is not available" in refused.stderr
