"""Events as log lines."""

import logging
from collections.abc import Sequence
from typing import Any

import anyio.lowlevel

from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event, EventType, TaskEvent, WorkerEvent
from asynctasq.event_sinks.settings import LoggingSinkSettings


class LoggingSink(EventSink):
    """Writes each event to a logger, with its fields as `extra` under the names that all our log lines use."""

    def __init__(self, settings: LoggingSinkSettings) -> None:
        self._logger = logging.getLogger(settings.logger)
        self._level = logging.getLevelNamesMapping()[settings.level]

    async def emit_many(self, events: Sequence[Event]) -> None:
        """Log a batch, in order."""
        for event in events:
            level = self._level
            if event.event_type is EventType.TASK_FAILED:
                level = max(level, logging.WARNING)
            if self._logger.isEnabledFor(level):
                self._logger.log(level, "%s", _line(event), extra=_fields(event))
        await anyio.lowlevel.checkpoint()


def _line(event: Event) -> str:
    if isinstance(event, WorkerEvent):
        return f"{event.event_type} {event.worker_id} active={event.active} processed={event.processed}"
    parts = [f"{event.event_type} {event.task_name} {event.task_id} queue={event.queue}"]
    if event.attempt is not None:
        parts.append(f"attempt={event.attempt}")
    if event.duration_ms is not None:
        parts.append(f"duration={event.duration_ms:.1f}ms")
    if event.error is not None:
        parts.append(f"error={event.error}")
    return " ".join(parts)


def _fields(event: Event) -> dict[str, Any]:
    if isinstance(event, TaskEvent):
        fields = {
            "task_id": event.task_id,
            "task_name": event.task_name,
            "queue_name": event.queue,
            "current_attempt": event.attempt,
            "correlation_id": event.correlation_id,
            "duration_ms": event.duration_ms,
        }
    else:
        fields = {"hostname": event.hostname, "active": event.active, "processed": event.processed}
    return {"event_type": str(event.event_type), "worker_id": event.worker_id, **fields}
