"""What an application hears of its tasks and workers, through the sinks that it switches on."""

import json
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from asynctasq import (
    Discard,
    EventsConfig,
    EventSink,
    EventType,
    RetryLater,
    TaskEvent,
    WorkerEvent,
    cleanup,
    init,
    task,
)
from asynctasq.contract.events import Event
from asynctasq.errors import DriverNotFound
from asynctasq.testing import drain
from tests.acceptance.workers import ended, until, work, working

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]


@task
async def succeed() -> int:
    return 1


@task(max_attempts=2, retry_delay=0, retry_strategy="fixed", keep_result=60)
async def fail() -> None:
    raise ValueError("secret details")


@task
async def discard() -> None:
    raise Discard("no use")


later: list[int] = []


@task
async def ask_for_later() -> None:
    later.append(1)
    if len(later) == 1:
        raise RetryLater(0)


async def test_every_kind_of_event_is_written_to_a_file(url: str, tmp_path: Path) -> None:
    """`EventsConfig(sinks=("jsonl",))`: clients and workers append every kind of event, with its fields, in order."""
    later.clear()
    file = tmp_path / "events.jsonl"
    init(url=url, events=EventsConfig(sinks=("jsonl",), sink_settings={"jsonl": {"path": str(file)}}))
    handles = [await each().correlation_id("c").dispatch() for each in (succeed, fail, discard, ask_for_later)]
    async with working(heartbeat_interval=0.05) as worker:
        for handle in handles[:2]:
            await ended(handle)
        await until(lambda: "worker_heartbeat" in file.read_text() and file.read_text().count("task_completed") == 2)
    await cleanup()
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert {event["event_type"] for event in events} == {str(each) for each in EventType}
    by_task = {handle: [event for event in events if event.get("task_id") == handle] for handle in handles}
    kinds = {handle: Counter(event["event_type"] for event in by_task[handle]) for handle in handles}
    assert kinds[handles[0]] == {"task_enqueued": 1, "task_started": 1, "task_completed": 1}
    assert kinds[handles[1]] == {"task_enqueued": 1, "task_started": 2, "task_reenqueued": 1, "task_failed": 1}
    assert kinds[handles[2]] == {"task_enqueued": 1, "task_started": 1, "task_cancelled": 1}
    assert kinds[handles[3]] == {"task_enqueued": 1, "task_started": 2, "task_reenqueued": 1, "task_completed": 1}
    (failed,) = [event for event in by_task[handles[1]] if event["event_type"] == "task_failed"]
    assert (failed["attempt"], failed["worker_id"], failed["queue"]) == (2, worker.worker_id, "default")
    assert (failed["error"], failed["correlation_id"]) == ("ValueError: secret details", "c")
    assert failed["duration_ms"] >= 0
    assert failed["task_name"] == fail.name
    online = next(event for event in events if event["event_type"] == "worker_online")
    assert (online["worker_id"], online["queues"], online["sw_ident"]) == (worker.worker_id, ["default"], "asynctasq")


async def test_sinks_by_environment(
    memory_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`ASYNCTASQ_EVENTS_SINKS=logging` switches a sink on without a line of code; results and arguments never show."""
    monkeypatch.setenv("ASYNCTASQ_URL", memory_url)
    monkeypatch.setenv("ASYNCTASQ_EVENTS_SINKS", "logging")
    caplog.set_level(logging.INFO, "asynctasq.events")
    handle = await succeed().dispatch()
    await work()
    await cleanup()
    said = [record.message for record in caplog.records if record.name == "asynctasq.events"]
    assert [kind for kind in ("task_started", "task_completed") if any(kind in line for line in said)] == [
        "task_started", "task_completed",
    ]  # fmt: skip
    assert any(handle in line for line in said)


async def test_a_sink_that_is_not_installed_is_an_error(memory_url: str) -> None:
    """A misspelt sink is said at the first dispatch, not passed over."""
    init(url=memory_url, events=EventsConfig(sinks=("josnl",)))
    with pytest.raises(DriverNotFound, match="josnl"):
        await succeed().dispatch()


class Stuck(EventSink):
    """Never takes anything."""

    async def emit_many(self, events: Sequence[Event]) -> None:
        await anyio.sleep_forever()


class Broken(EventSink):
    """Fails every time."""

    async def emit_many(self, events: Sequence[Event]) -> None:
        raise OSError("the disk is full")


class Heard(EventSink):
    """Takes everything."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def emit_many(self, events: Sequence[Event]) -> None:
        self.events += events


async def test_a_bad_sink_hurts_no_task(memory_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A sink that is stuck and one that fails delay no task, cost no other sink its events, and are counted."""
    heard = Heard()
    init(url=memory_url, event_sinks=[Stuck(), Broken(), heard])
    handles = [await succeed().dispatch() for _ in range(20)]
    with anyio.fail_after(20):
        async with working() as worker:
            for handle in handles:
                assert await handle.result(timeout=10) == 1
            await until(lambda: worker.get_health_status()["dropped_events"] > 0)
    kinds = Counter(event.event_type for event in heard.events if isinstance(event, TaskEvent))
    assert kinds[EventType.TASK_COMPLETED] == 20
    assert any(isinstance(event, WorkerEvent) for event in heard.events)
    assert "the event sink Broken failed" in caplog.text


async def test_an_older_emitter_is_a_sink(url: str) -> None:
    """Whatever has `async emit(event)` may be given to `init(event_emitters=[...])`."""
    events: list[Any] = []

    class Older:
        async def emit(self, event: Any) -> None:
            events.append(event)

    init({"url": url}, event_emitters=[Older()])
    await succeed().dispatch()
    await drain()
    await cleanup()
    kinds = {event.event_type for event in events if isinstance(event, TaskEvent)}
    assert kinds == {EventType.TASK_ENQUEUED, EventType.TASK_STARTED, EventType.TASK_COMPLETED}
