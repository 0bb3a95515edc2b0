"""What goes into a driver and what comes out of it: frozen, keyword-only, opaque where a driver has no business.

Times that come out are aware UTC datetimes of the backend's clock. Durations are float seconds.
"""

from datetime import datetime
from enum import StrEnum
from typing import NewType

from msgspec import Struct

Receipt = NewType("Receipt", str)
"""The proof of one delivery: ASCII, at most 160 characters, fresh for every delivery, never reused, and not
derivable from the attempt number. Any string is a *legal* receipt; one that was never issued is stale."""


class TaskState(StrEnum):
    """Where a task is. `scheduled -> ready -> leased -> completed | dead | cancelled`, and back from leased."""

    SCHEDULED = "scheduled"
    """Waiting, and not due yet."""
    READY = "ready"
    """Waiting, and due (due exactly now included)."""
    LEASED = "leased"
    """Delivered to a worker, whose lease has not ended."""
    COMPLETED = "completed"
    DEAD = "dead"
    """A dead letter: buried, or expired while it waited."""
    CANCELLED = "cancelled"


class NewTask(Struct, frozen=True, kw_only=True):
    """A task to be stored."""

    id: str
    """`[A-Za-z0-9._-]{1,64}`; UUIDv7 by default. The same id is never stored twice while it is known."""
    queue: str
    """`[A-Za-z0-9._-]{1,64}`."""
    name: str
    """The task's name, 1 to 200 bytes of UTF-8 without NUL."""
    payload: bytes
    """Any bytes, at most `limits.max_payload_bytes`. A driver never looks in."""
    correlation_id: str | None = None
    """1 to 200 bytes of UTF-8 without NUL."""
    priority: int = 4
    """0..9, 9 first."""
    delay: float = 0.0
    """Seconds from acceptance until the task is due."""
    available_at: datetime | None = None
    """The moment the task is due, aware UTC; instead of `delay`."""
    dedupe_key: str | None = None
    """At most one waiting or leased task of a queue holds a key. 1 to 200 bytes of UTF-8 without NUL."""
    expires_after: float | None = None
    """Seconds from acceptance after which a task that still waits is dead (reason `expired`)."""
    keep_for: float = 0.0
    """Seconds that the completed record and its result stay, at least."""
    remember_for: float = 60.0
    """Seconds that a finished id stays known, at least."""


class Delivery(Struct, frozen=True, kw_only=True):
    """A task handed to one worker, under a lease that is running."""

    id: str
    queue: str
    name: str
    payload: bytes
    correlation_id: str | None
    priority: int
    attempt: int
    """1 on the first delivery; no upper bound here."""
    receipt: Receipt
    enqueued_at: datetime
    lease: float
    """Seconds granted."""


class Failure(Struct, frozen=True, kw_only=True):
    """Why an attempt failed, as text: at most 8 KiB in all, without NUL and lone surrogates."""

    type: str
    message: str
    traceback: str = ""


class FailureRecord(Struct, frozen=True, kw_only=True):
    """A `Failure` with what the driver knows of the attempt."""

    type: str
    message: str
    traceback: str
    attempt: int
    worker: str
    at: datetime


class TaskRecord(Struct, frozen=True, kw_only=True):
    """Everything that is stored of a task, but never its receipt."""

    id: str
    queue: str
    name: str
    payload: bytes
    correlation_id: str | None
    priority: int
    dedupe_key: str | None
    expires_after: float | None
    keep_for: float
    remember_for: float
    state: TaskState
    attempts: int
    cancel_requested: bool
    worker: str | None
    """The latest delivery's worker; it stays."""
    lease: float | None
    """Seconds left while leased, else None."""
    reason: str | None
    """Bury's or Cancel's reason, `expired`, `cancelled`, or None."""
    result: bytes | None
    failures: tuple[FailureRecord, ...]
    """The last ten, oldest first. A lapsed lease adds none."""
    enqueued_at: datetime
    available_at: datetime
    """When it is or was due; while leased, the lease's end."""
    started_at: datetime | None
    """The latest delivery; it stays."""
    finished_at: datetime | None
    """For what time ended, that moment rather than when it was stored."""


class TaskPage(Struct, frozen=True, kw_only=True):
    """One page of a list. It may be short, even empty: only `after=None` ends the list."""

    tasks: tuple[TaskRecord, ...]
    after: str | None


class QueueStats(Struct, frozen=True, kw_only=True):
    """Four gauges, an age, and four totals that only grow."""

    ready: int = 0
    scheduled: int = 0
    leased: int = 0
    dead: int = 0
    oldest_ready_age: float | None = None
    """Now minus the smallest `available_at` of the ready tasks, in seconds; None when none is ready."""
    total_completed: int = 0
    total_dead: int = 0
    """Expired tasks included."""
    total_retried: int = 0
    """Applied Retries after which the task waits again; never a Release or a lapse."""
    total_cancelled: int = 0


class WorkerReport(Struct, frozen=True, kw_only=True):
    """A worker's own account of itself, for people to look at."""

    worker: str
    data: bytes
    reported_at: datetime


class Finding(Struct, frozen=True, kw_only=True):
    """Something that an operator should change in this store."""

    code: str
    severity: str
    """`error`, `warning` or `info`."""
    message: str
    cure: str


class MaintenanceReport(Struct, frozen=True, kw_only=True):
    """What one `maintain()` did."""

    removed: int
    """The records that it ended and the ids that it forgot, as the driver counts them."""
    more: bool
    """True: call again, there is more to do."""
