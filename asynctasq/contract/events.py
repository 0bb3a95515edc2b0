"""What happens, as told to event sinks. Arguments and results are not part of an event."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class EventType(StrEnum):
    """The kinds of event."""

    TASK_ENQUEUED = "task_enqueued"
    TASK_STARTED = "task_started"
    TASK_COMPLETED = "task_completed"
    TASK_FAILED = "task_failed"
    TASK_REENQUEUED = "task_reenqueued"
    TASK_CANCELLED = "task_cancelled"
    WORKER_ONLINE = "worker_online"
    WORKER_HEARTBEAT = "worker_heartbeat"
    WORKER_OFFLINE = "worker_offline"


class TaskEvent(Struct, frozen=True, kw_only=True):
    """Something happened to a task."""

    event_type: EventType
    task_id: str
    task_name: str
    queue: str
    worker_id: str | None = None
    timestamp: datetime
    attempt: int | None = None
    duration_ms: float | None = None
    result: str | None = None
    """Always None unless the application switched it on: results may be private."""
    error: str | None = None
    traceback: str | None = None
    correlation_id: str | None = None


class WorkerEvent(Struct, frozen=True, kw_only=True):
    """Something happened to a worker."""

    event_type: EventType
    worker_id: str
    hostname: str
    timestamp: datetime
    freq: float | None = None
    """Seconds between two heartbeats."""
    active: int = 0
    processed: int = 0
    queues: tuple[str, ...] = ()
    sw_ident: str = "asynctasq"
    sw_ver: str = ""
    uptime_seconds: float = 0.0


Event = TaskEvent | WorkerEvent
