"""Events as JSON, plain or as CloudEvents 1.0."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from asynctasq.contract.events import Event, EventType, TaskEvent

_encode_json = msgspec.json.Encoder().encode

CLOUD_EVENT_TYPES: Mapping[EventType, str] = {
    EventType.TASK_ENQUEUED: "asynctasq.task.enqueued.v1",
    EventType.TASK_STARTED: "asynctasq.task.started.v1",
    EventType.TASK_COMPLETED: "asynctasq.task.succeeded.v1",
    EventType.TASK_FAILED: "asynctasq.task.failed.v1",
    EventType.TASK_REENQUEUED: "asynctasq.task.reenqueued.v1",
    EventType.TASK_CANCELLED: "asynctasq.task.cancelled.v1",
    EventType.WORKER_ONLINE: "asynctasq.worker.online.v1",
    EventType.WORKER_HEARTBEAT: "asynctasq.worker.heartbeat.v1",
    EventType.WORKER_OFFLINE: "asynctasq.worker.offline.v1",
}
"""The `type` of each kind of event as a CloudEvent."""


def event_encoder(format: str, source: str) -> Callable[[Event], bytes]:
    """A function that makes one line of JSON, without its end, of an event.

    Args:
        format: `plain` or `cloudevents`.
        source: The `source` of CloudEvents.
    """
    if format == "plain":
        return _encode_json
    return lambda event: _encode_json(cloud_event(event, source))


def cloud_event(event: Event, source: str) -> dict[str, Any]:
    """The event in the envelope of CloudEvents 1.0; the subject is the task's or the worker's id."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": source,
        "type": CLOUD_EVENT_TYPES[event.event_type],
        "subject": event.task_id if isinstance(event, TaskEvent) else event.worker_id,
        "time": event.timestamp,
        "datacontenttype": "application/json",
        "data": event,
    }
