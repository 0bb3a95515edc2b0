"""What `MonitoringService` answers with."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from asynctasq.contract.envelopes import TaskState


class TaskStatus(StrEnum):
    """Where a task is, in the words of dashboards. Each is one or two states of the driver contract."""

    PENDING = "pending"
    """Scheduled or ready."""
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    """A dead letter."""
    CANCELLED = "cancelled"

    @property
    def states(self) -> tuple[TaskState, ...]:
        """The states that the driver knows."""
        return _STATES[self]


_STATES: dict[TaskStatus, tuple[TaskState, ...]] = {
    TaskStatus.PENDING: (TaskState.READY, TaskState.SCHEDULED),
    TaskStatus.RUNNING: (TaskState.LEASED,),
    TaskStatus.COMPLETED: (TaskState.COMPLETED,),
    TaskStatus.FAILED: (TaskState.DEAD,),
    TaskStatus.CANCELLED: (TaskState.CANCELLED,),
}
STATUS_OF: dict[TaskState, TaskStatus] = {state: status for status, states in _STATES.items() for state in states}


class TaskInfo(Struct, frozen=True, kw_only=True):
    """One task, with its arguments and result decoded. Both may be private: mind who sees them."""

    id: str
    name: str
    queue: str
    status: TaskStatus
    enqueued_at: datetime
    started_at: datetime | None
    """Of the latest attempt."""
    completed_at: datetime | None
    """When it ended, in whatever way."""
    duration_ms: float | None
    """Of the latest attempt, once it ended."""
    worker_id: str | None
    attempt: int
    """Attempts that were begun; 0 before the first."""
    max_attempts: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    """None as well where none was kept."""
    exception: str | None
    """Type and message of the last failure."""
    traceback: str | None
    priority: int
    """9 first."""
    timeout_seconds: float | None
    correlation_id: str | None
    tags: tuple[str, ...] = ()
    """Always empty: tasks have no tags here."""


class QueueStats(Struct, frozen=True, kw_only=True):
    """One queue."""

    name: str
    depth: int
    """Tasks that wait, those of later included."""
    processing: int
    completed_total: int
    failed_total: int
    avg_duration_ms: float | None
    """Of the last completed tasks whose records are kept; None where none is."""
    throughput_per_minute: float | None
    """Completed since this service last asked for the queue; None at the first time."""


class WorkerInfo(Struct, frozen=True, kw_only=True):
    """One worker, by its own account."""

    worker_id: str
    status: str
    """`active`, `idle`, or `down` when its report is overdue."""
    current_task_id: str | None
    tasks_processed: int
    uptime_seconds: float
    last_heartbeat: datetime
    load_percentage: float
    """Running tasks against its concurrency."""
    hostname: str | None = None
    queues: tuple[str, ...] = ()
