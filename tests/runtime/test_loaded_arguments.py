"""Arguments that have to be fetched before a task runs, in virtual time."""

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from asynctasq.contract.envelopes import TaskState
from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event, EventType, TaskEvent
from asynctasq.errors import DeserializationError, DriverUnavailable
from asynctasq.runtime.event_dispatcher import EventDispatcher
from asynctasq.runtime.frame import Headers
from asynctasq.serializers.type_hooks import AsyncTypeHook
from asynctasq.tasks.current_task import current_task
from asynctasq.tasks.function_task import task
from asynctasq.tasks.task_kinds import AsyncTask
from tests.runtime.harness import Bench

pytestmark = pytest.mark.anyio

log: list[Any] = []


class Row:
    """Stands for a model of the application's database."""

    def __init__(self, key: int) -> None:
        self.key = key


class RowHook(AsyncTypeHook[Row]):
    """Loads rows from a database that is away while there are `errors`."""

    type_key = "test-row"

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.loads: list[float] = []
        self.pauses: list[float] = []
        """How long the next loads take; the others take half a second."""

    def can_encode(self, obj: Any) -> bool:
        return isinstance(obj, Row)

    def encode(self, obj: Row) -> Any:
        return obj.key

    async def decode_async(self, data: Any) -> Row:
        self.loads.append(anyio.current_time())
        await anyio.sleep(self.pauses.pop(0) if self.pauses else 0.5)
        if self.errors:
            raise self.errors.pop(0)
        log.append(("loaded for", current_task().id))
        return Row(data)


@pytest.fixture
def anyio_backend(virtual_time: Any) -> Any:
    return virtual_time


@pytest.fixture
def hook(bench: Bench) -> RowHook:
    log.clear()
    hook = RowHook()
    bench.serializer.registry.register(hook)
    return hook


@task(name="loading.show")
async def show(row: Row) -> None:
    log.append(("row", row.key))


class Deleted(AsyncTask[None]):
    config = {"name": "loading.Deleted"}

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row

    async def execute(self) -> None: ...

    async def failed(self, exception: Exception) -> None:
        log.append(("failed", type(exception).__name__, self.row.key))


async def test_rows_are_loaded_before_the_task_runs(bench: Bench, hook: RowHook) -> None:
    """A reference arrives loaded, freshly for every attempt, and is loaded as part of the task."""
    id = await bench.enqueue(show(Row(7)))
    await bench.work()
    assert (await bench.record(id)).state is TaskState.COMPLETED
    assert log == [("loaded for", id), ("row", 7)]


async def test_a_database_that_is_away_costs_no_attempt(bench: Bench, hook: RowHook) -> None:
    """While rows can't be loaded the task is given back without counting an attempt, and waits longer each time."""
    hook.errors = [ConnectionError("refused")] * 8
    id = await bench.enqueue(show(Row(7)), headers=Headers(max_attempts=1))
    async with bench.working():
        record = await bench.until(id, TaskState.COMPLETED)
    assert (record.attempts, record.failures) == (1, ())
    pauses = [b - a for a, b in zip(hook.loads, hook.loads[1:], strict=False)]
    assert len(pauses) == 8
    assert pauses[-1] > 30.0 > pauses[0]


async def test_a_row_that_is_gone_buries_the_task(bench: Bench, hook: RowHook) -> None:
    """A row that was deleted meanwhile is no reason to try again: the task is dead after one delivery."""
    hook.errors = [DeserializationError("row 7 is gone")]
    id = await bench.enqueue(show(Row(7)))
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.attempts, record.reason) == (TaskState.DEAD, 1, "undecodable")
    assert "row 7 is gone" in record.failures[0].message


async def test_failed_gets_its_rows_even_if_the_body_never_ran(bench: Bench, hook: RowHook) -> None:
    """failed() of a task that was buried without running has its arguments, loaded for it."""
    id = await bench.enqueue(Deleted(Row(7)), headers=Headers(max_attempts=1))
    await bench.driver.reserve(["default"], limit=1, lease=0.1, worker="gone")
    await anyio.sleep(1.0)
    await bench.work()
    assert (await bench.record(id)).reason == "attempts_exhausted"
    assert log[-1] == ("failed", "AttemptsExhausted", 7)


async def test_a_lease_that_ends_while_rows_are_loaded(bench: Bench, hook: RowHook) -> None:
    """A body does not begin on a delivery whose lease has ended while its arguments were loaded."""
    hook.pauses = [5.0]
    bench.driver.extending.before.extend([DriverUnavailable("away")] * 1000)
    id = await bench.enqueue(show(Row(7)))
    await bench.work(lease=1.0)
    record = await bench.record(id)
    assert (record.state, record.attempts) == (TaskState.COMPLETED, 2)
    assert log.count(("row", 7)) == 1
    assert len(hook.loads) == 2


class Starts(EventSink):
    """Keeps when which attempts were told to have started."""

    def __init__(self) -> None:
        self.told: list[tuple[int, float]] = []

    async def emit_many(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, TaskEvent) and event.event_type is EventType.TASK_STARTED:
                self.told.append((event.attempt, anyio.current_time()))


async def test_only_a_body_that_begins_is_told(bench: Bench, hook: RowHook) -> None:
    """task_started is told when the body begins, after its arguments were loaded: what is given back before that has
    not started."""
    hook.pauses = [5.0, 0.7]
    bench.driver.extending.before.extend([DriverUnavailable("away")] * 1000)
    await bench.enqueue(show(Row(7)))
    sink = Starts()
    await bench.work(lease=1.0, events=EventDispatcher([sink]))
    [(attempt, at)] = sink.told
    assert attempt == len(hook.loads) == 2
    assert at >= hook.loads[1] + 0.7


async def test_loading_can_be_cancelled(bench: Bench, hook: RowHook) -> None:
    """A worker that ends while arguments are being loaded releases the task."""
    id = await bench.enqueue(show(Row(7)))
    async with bench.working(grace=0.0):
        await anyio.sleep(0.2)
    record = await bench.record(id)
    assert (record.state, record.attempts, log) == (TaskState.READY, 0, [])
