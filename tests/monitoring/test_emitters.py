"""The older names around events."""

import json
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from asynctasq.config import Config, set_current
from asynctasq.contract.events import Event, EventType, TaskEvent
from asynctasq.errors import ConfigurationError
from asynctasq.monitoring import EventEmitter, EventRegistry, LoggingEventEmitter

pytestmark = pytest.mark.anyio

EVENT = TaskEvent(
    event_type=EventType.TASK_STARTED, task_id="t1", task_name="n", queue="q", timestamp=datetime.now(UTC)
)


@pytest.fixture(autouse=True)
async def fresh() -> AsyncIterator[None]:
    """No emitters before, none after."""
    yield
    await EventRegistry.close_all()
    set_current(None)


class Recording(EventEmitter):
    """An application's own emitter."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.heard = threading.Event()
        self.closed = False

    async def emit(self, event: Event) -> None:
        self.events.append(event)
        self.heard.set()

    async def close(self) -> None:
        self.closed = True


class Failing(EventEmitter):
    """An emitter that always fails."""

    async def emit(self, event: Event) -> None:
        raise RuntimeError("no")

    async def close(self) -> None:
        raise RuntimeError("no")


async def test_emit_reaches_every_emitter(caplog: pytest.LogCaptureFixture) -> None:
    """One that fails is logged, and takes nothing from the others; so it is when they are closed."""
    recording = Recording()
    EventRegistry.init([Failing()])
    EventRegistry.add(recording)
    await EventRegistry.emit(EVENT)
    assert recording.events == [EVENT]
    assert "Failing failed" in caplog.text
    assert len(EventRegistry.get_all()) == 2
    await EventRegistry.close_all()
    assert recording.closed
    assert EventRegistry.get_all() == set()


async def test_emit_nowait_does_not_wait() -> None:
    """It returns at once, and the event arrives by itself."""
    recording = Recording()
    EventRegistry.add(recording)
    EventRegistry.emit_nowait(EVENT)
    assert recording.heard.wait(5)
    assert recording.events == [EVENT]


async def test_the_logging_emitter_logs(caplog: pytest.LogCaptureFixture) -> None:
    """`LoggingEventEmitter()` writes what the sink `logging` writes."""
    caplog.set_level("INFO", "asynctasq.events")
    emitter = LoggingEventEmitter()
    await emitter.emit(EVENT)
    await emitter.close()
    assert "task_started n t1" in caplog.text


async def test_init_takes_the_sinks_that_are_switched_on(tmp_path: Path) -> None:
    """Without emitters, `EventRegistry.init()` makes one for every configured sink, usable from any event loop."""
    file = tmp_path / "events.jsonl"
    Config.set(events={"sinks": ("jsonl",), "sink_settings": {"jsonl": {"path": str(file)}}})
    EventRegistry.init()
    await EventRegistry.emit(EVENT)
    EventRegistry.emit_nowait(EVENT)
    await EventRegistry.close_all()
    assert [json.loads(line)["task_id"] for line in file.read_text().splitlines()] == ["t1", "t1"]


async def test_a_sink_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """`RedisEventEmitter` without asynctasq-redis says what to install."""
    from asynctasq.monitoring import RedisEventEmitter

    monkeypatch.setenv("ASYNCTASQ_DISABLE_PLUGINS", "redis")
    with pytest.raises(ConfigurationError, match="redis"):
        RedisEventEmitter(redis_url="redis://localhost")
