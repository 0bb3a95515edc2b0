"""The sink `logging`: one line per event, with the fields that all our log lines have."""

import logging
from datetime import UTC, datetime

import pytest

from asynctasq.contract.events import EventType, TaskEvent, WorkerEvent
from asynctasq.plugins.event_sink_factory import EventSinkFactory

pytestmark = pytest.mark.anyio


async def test_an_event_is_a_line_with_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    """Failures are at least warnings."""
    caplog.set_level("DEBUG", logger="shop.events")
    sink = EventSinkFactory.create("logging", logger="shop.events", level="DEBUG")
    await sink.open()
    failed = TaskEvent(
        event_type=EventType.TASK_FAILED,
        task_id="t1",
        task_name="tasks:send",
        queue="mail",
        worker_id="w1",
        timestamp=datetime.now(UTC),
        attempt=3,
        duration_ms=12.34,
        error="ValueError: no address",
        correlation_id="c1",
    )
    online = WorkerEvent(
        event_type=EventType.WORKER_ONLINE, worker_id="w1", hostname="host", timestamp=datetime.now(UTC)
    )
    await sink.emit_many([failed, online])
    await sink.close()
    first, second = caplog.records
    assert first.getMessage() == (
        "task_failed tasks:send t1 queue=mail attempt=3 duration=12.3ms error=ValueError: no address"
    )
    assert (first.levelno, second.levelno) == (logging.WARNING, logging.DEBUG)
    fields = ("task_id", "worker_id", "queue_name", "current_attempt", "task_name", "correlation_id", "event_type")
    assert [getattr(first, field) for field in fields] == ["t1", "w1", "mail", 3, "tasks:send", "c1", "task_failed"]
    assert second.getMessage() == "worker_online w1 active=0 processed=0"
