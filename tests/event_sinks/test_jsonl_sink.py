"""The sink `jsonl`: whole lines, whatever happens to the file."""

import json
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event, EventType, TaskEvent, WorkerEvent
from asynctasq.errors import ConfigurationError
from asynctasq.event_sinks.event_encoding import CLOUD_EVENT_TYPES
from asynctasq.event_sinks.jsonl_sink import JsonlSink
from asynctasq.event_sinks.settings import JsonlSinkSettings
from asynctasq.plugins.event_sink_factory import EventSinkFactory

pytestmark = pytest.mark.anyio


def task_event(task_id: str, kind: EventType = EventType.TASK_COMPLETED) -> TaskEvent:
    return TaskEvent(
        event_type=kind, task_id=task_id, task_name="tasks:send", queue="mail", timestamp=datetime.now(UTC), attempt=1
    )


def events(*ids: str) -> Sequence[Event]:
    return [task_event(task_id) for task_id in ids]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def ids(path: Path) -> list[str]:
    return [line["task_id"] for line in lines(path)]


def sink_at(path: Path, **settings: Any) -> EventSink:
    return EventSinkFactory.create("jsonl", path=str(path), **settings)


async def test_events_are_appended_as_lines_in_order(tmp_path: Path) -> None:
    """And are in the file when `emit_many` returns; a second run goes on where the first ended."""
    path = tmp_path / "events.jsonl"
    for batch in (["a", "b"], ["c"]):
        sink = sink_at(path)
        await sink.open()
        await sink.emit_many(events(*batch))
        assert ids(path)[-1] == batch[-1]
        await sink.close()
    assert ids(path) == ["a", "b", "c"]
    assert lines(path)[0]["event_type"] == "task_completed"
    assert not path.stat().st_mode & 0o007


async def test_a_rotated_file_is_left_and_the_path_opened_anew(tmp_path: Path) -> None:
    """Renamed or deleted under the sink, which goes on at the path that was configured."""
    path = tmp_path / "events.jsonl"
    sink = sink_at(path)
    await sink.open()
    await sink.emit_many(events("a"))
    path.rename(tmp_path / "events.jsonl.1")
    await sink.emit_many(events("b"))
    assert ids(tmp_path / "events.jsonl.1") == ["a"]
    assert ids(path) == ["b"]
    path.unlink()
    await sink.emit_many(events("c"))
    assert ids(path) == ["c"]
    await sink.close()


async def test_a_line_that_a_crash_cut_off_does_not_swallow_the_next_event(tmp_path: Path) -> None:
    """The torn line stays torn, alone."""
    path = tmp_path / "events.jsonl"
    path.write_text('{"torn": tr')
    sink = sink_at(path)
    await sink.open()
    await sink.emit_many(events("a"))
    await sink.close()
    torn, whole = path.read_text().splitlines()
    assert torn == '{"torn": tr'
    assert json.loads(whole)["task_id"] == "a"


async def test_several_sinks_share_one_file_without_mixing_lines(tmp_path: Path) -> None:
    """Each batch is one write at the end of the file."""
    path = tmp_path / "events.jsonl"
    sinks = [sink_at(path) for _ in range(4)]

    async def write(sink: EventSink, name: str) -> None:
        await sink.open()
        for number in range(20):
            await sink.emit_many(events(*(f"{name}-{number}-{each}" for each in range(10))))
        await sink.close()

    async with anyio.create_task_group() as group:
        for number, sink in enumerate(sinks):
            group.start_soon(write, sink, str(number))
    assert len(set(ids(path))) == 4 * 20 * 10


async def test_the_event_loop_goes_on_while_the_disk_is_slow(tmp_path: Path) -> None:
    """Files are written in a thread."""
    threads: list[int] = []

    class Watched(JsonlSink):
        def _append(self, lines: bytes) -> None:
            threads.append(threading.get_ident())
            super()._append(lines)

    sink = Watched(JsonlSinkSettings(path=str(tmp_path / "events.jsonl")))
    await sink.open()
    await sink.emit_many(events("a"))
    await sink.close()
    assert threads
    assert threading.get_ident() not in threads


def test_a_live_program_that_can_start_no_thread_does_not_write_on_its_event_loop(tmp_path: Path) -> None:
    """The batch is lost with an error, as on a full disk, and the next one works once threads can be started again."""
    path = tmp_path / "events.jsonl"

    async def emit() -> None:
        sink = sink_at(path)
        usual = threading.stack_size(sys.maxsize // 2**20 * 2**20)  # no address space holds it
        try:
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await sink.emit_many(events("lost"))
        finally:
            threading.stack_size(usual)
        assert not path.exists()
        await sink.emit_many(events("a"))
        await sink.close()

    anyio.run(emit)
    assert ids(path) == ["a"]


async def test_a_file_that_cannot_be_opened_is_a_configuration_error(tmp_path: Path) -> None:
    """At the start, with the path and the setting, not at the first event."""
    sink = sink_at(tmp_path / "missing" / "events.jsonl")
    with pytest.raises(ConfigurationError, match=r"missing/events\.jsonl: No such file.*ASYNCTASQ_EVENTS_JSONL_PATH"):
        await sink.open()


async def test_a_failed_batch_is_an_error_and_the_next_one_works(tmp_path: Path) -> None:
    """The dispatcher counts what is lost; the sink recovers by itself."""
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "events.jsonl"
    sink = sink_at(path)
    await sink.open()
    path.unlink()
    folder.rmdir()
    with pytest.raises(OSError, match="No such file"):
        await sink.emit_many(events("lost"))
    folder.mkdir()
    await sink.emit_many(events("a"))
    assert ids(path) == ["a"]
    await sink.close()


async def test_events_may_be_wrapped_as_cloud_events(tmp_path: Path) -> None:
    """CloudEvents 1.0: required attributes, our types, the task's or the worker's id as subject."""
    path = tmp_path / "events.jsonl"
    sink = sink_at(path, format="cloudevents", source="/shop")
    await sink.open()
    online = WorkerEvent(
        event_type=EventType.WORKER_ONLINE, worker_id="w1", hostname="host", timestamp=datetime.now(UTC)
    )
    await sink.emit_many([task_event("a"), online])
    await sink.close()
    task, worker = lines(path)
    assert (task["specversion"], task["source"], task["type"], task["subject"]) == (
        "1.0",
        "/shop",
        "asynctasq.task.succeeded.v1",
        "a",
    )
    assert task["data"]["task_name"] == "tasks:send"
    assert (worker["type"], worker["subject"]) == ("asynctasq.worker.online.v1", "w1")
    assert task["id"] != worker["id"]
    assert set(CLOUD_EVENT_TYPES) == set(EventType)
