"""Events on their way to the sinks."""

import logging
from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event, EventType, TaskEvent, WorkerEvent
from asynctasq.errors import Discard
from asynctasq.runtime.event_dispatcher import EventDispatcher
from asynctasq.runtime.frame import Headers
from asynctasq.tasks.current_task import current_task
from asynctasq.tasks.function_task import task
from tests.runtime.harness import Bench

pytestmark = pytest.mark.anyio


@task(name="events.work")
async def work(how: str) -> None:
    await anyio.sleep(0.5)
    if how == "fail":
        raise ValueError("no good")
    if how == "discard":
        raise Discard("not needed")
    if how == "once" and current_task().attempt == 1:
        raise KeyError("the first time")


@pytest.fixture
def anyio_backend(virtual_time: Any) -> Any:
    return virtual_time


class Collector(EventSink):
    """A sink that keeps what it gets, and misbehaves if told to."""

    def __init__(
        self, *, delay: float = 0.0, error: Exception | None = None, open_error: Exception | None = None
    ) -> None:
        self.events: list[Event] = []
        self.life: list[str] = []
        self._delay = delay
        self._error = error
        self._open_error = open_error

    async def open(self) -> None:
        self.life.append("open")
        if self._open_error is not None:
            raise self._open_error

    async def emit_many(self, events: Sequence[Event]) -> None:
        await anyio.sleep(self._delay)
        if self._error is not None:
            raise self._error
        self.events.extend(events)

    async def close(self) -> None:
        self.life.append("close")

    def of(self, id: str) -> list[TaskEvent]:
        return [event for event in self.events if isinstance(event, TaskEvent) and event.task_id == id]

    def types(self, id: str) -> list[EventType]:
        return [event.event_type for event in self.of(id)]


async def test_every_step_of_a_task_is_an_event(bench: Bench) -> None:
    """Started, completed, reenqueued, failed and cancelled, with attempt, duration, worker and error."""
    sink = Collector()
    ids = {how: await bench.enqueue(work(how), correlation_id="c-1") for how in ("fine", "once", "discard")}
    ids["fail"] = await bench.enqueue(work("fail"), headers=Headers(max_attempts=1))
    await bench.work(events=EventDispatcher([sink]))
    start = EventType.TASK_STARTED
    assert sink.types(ids["fine"]) == [start, EventType.TASK_COMPLETED]
    assert sink.types(ids["once"]) == [start, EventType.TASK_REENQUEUED, start, EventType.TASK_COMPLETED]
    assert sink.types(ids["discard"]) == [start, EventType.TASK_CANCELLED]
    assert sink.types(ids["fail"]) == [start, EventType.TASK_FAILED]
    begun, ended = sink.of(ids["fine"])
    assert (begun.task_name, begun.queue, begun.worker_id, begun.attempt) == ("events.work", "default", "worker-1", 1)
    assert begun.correlation_id == "c-1"
    assert begun.duration_ms is None
    assert ended.duration_ms == pytest.approx(500.0, abs=1.0)
    [_, failed] = sink.of(ids["fail"])
    assert failed.error == "ValueError: no good"
    assert failed.traceback is not None
    assert "no good" in failed.traceback


async def test_a_worker_tells_of_its_own_life(bench: Bench) -> None:
    """worker_online at the start, worker_heartbeat every heartbeat_interval, worker_offline at the end; the sink is
    opened once and closed once."""
    sink = Collector()
    async with bench.working(events=EventDispatcher([sink]), heartbeat_interval=10.0, queues=["a", "b"]):
        await anyio.sleep(35.0)
    events = [event for event in sink.events if isinstance(event, WorkerEvent)]
    assert [event.event_type for event in events] == [
        EventType.WORKER_ONLINE,
        *[EventType.WORKER_HEARTBEAT] * 3,
        EventType.WORKER_OFFLINE,
    ]
    assert (events[0].worker_id, events[0].queues, events[0].freq) == ("worker-1", ("a", "b"), 10.0)
    assert sink.life == ["open", "close"]


async def test_a_stale_settlement_is_no_event(bench: Bench) -> None:
    """What had no effect is not told: only the run that counts is."""
    sink = Collector()
    id = await bench.enqueue(work("fine"))
    bench.driver.settling.before.append(1.0)
    async with bench.working(events=EventDispatcher([sink])):
        await anyio.sleep(1.0)
        await bench.driver.purge(["default"])
        await anyio.sleep(5.0)
    assert sink.types(id) == [EventType.TASK_STARTED]


async def test_a_slow_sink_delays_no_task(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A sink that takes an hour per batch delays nothing: its queue is bounded, and what does not fit is counted."""
    slow, quick = Collector(delay=3600.0), Collector()
    events = EventDispatcher([slow, quick], capacity=50)
    for _ in range(100):
        await bench.enqueue(work("fine"))
    started_at = anyio.current_time()
    with caplog.at_level(logging.WARNING):
        worker = await bench.work(events=events, concurrency=100)
    assert anyio.current_time() - started_at < 6.0
    assert len(quick.events) >= 150
    assert slow.events == []
    assert worker.get_health_status()["dropped_events"] >= 100
    assert caplog.text.count("Collector is too slow") <= 2


async def test_a_failing_sink_costs_its_own_events_alone(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A sink that raises is logged once per kind of error, and everything else goes on."""
    failing, good = Collector(error=OSError("disk full")), Collector()
    id = await bench.enqueue(work("fine"))
    await bench.work(events=EventDispatcher([failing, good]))
    assert good.types(id) == [EventType.TASK_STARTED, EventType.TASK_COMPLETED]
    assert caplog.text.count("disk full") == 1
    assert failing.life == ["open", "close"]


async def test_a_sink_that_does_not_open_gets_nothing(bench: Bench) -> None:
    """A sink whose open() fails is left out, without being closed; the worker starts all the same."""
    broken, good = Collector(open_error=RuntimeError("no")), Collector()
    id = await bench.enqueue(work("fine"))
    await bench.work(events=EventDispatcher([broken, good]))
    assert (broken.events, broken.life) == ([], ["open"])
    assert len(good.of(id)) == 2


async def test_older_emitters_work(bench: Bench) -> None:
    """An object with `async emit(event)` and `async close()` is taken as event_emitter."""

    class Emitter:
        def __init__(self) -> None:
            self.seen: list[Any] = []

        async def emit(self, event: Event) -> None:
            self.seen.append(event.event_type)

        async def close(self) -> None:
            self.seen.append("closed")

    emitter = Emitter()
    await bench.enqueue(work("fine"))
    await bench.work(event_emitter=emitter)
    assert emitter.seen == [
        EventType.WORKER_ONLINE,
        EventType.TASK_STARTED,
        EventType.TASK_COMPLETED,
        EventType.WORKER_OFFLINE,
        "closed",
    ]


async def test_without_sinks_nothing_is_built() -> None:
    """No sink, no cost: whoever emits asks `active` first."""
    assert not EventDispatcher().active
    dispatcher = EventDispatcher()
    dispatcher.add(Collector())
    assert dispatcher.active
