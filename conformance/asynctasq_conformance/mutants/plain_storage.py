"""The storage of the plain driver: dictionaries, a clock that is moved by hand, and times in whole microseconds."""

from __future__ import annotations

import copy
import math
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio

from asynctasq.driver_api import FailureRecord, NewTask, TaskRecord, TaskState

WAITING = "waiting"
LEASED = "leased"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self._microseconds = int(time.time()) * 1_000_000

    def advance(self, seconds: float) -> None:
        """Move forward."""
        self._microseconds += ticks(seconds)

    def read(self) -> int:
        """Microseconds since 1970."""
        return self._microseconds


def ticks(seconds: float) -> int:
    """Seconds as microseconds, rounded up."""
    return math.ceil(round(seconds * 1_000_000, 3))


def moment(microseconds: int) -> datetime:
    """Microseconds since 1970 as an aware datetime."""
    return _EPOCH + timedelta(microseconds=microseconds)


def since_epoch(when: datetime) -> int:
    """The inverse of `moment`."""
    return (when - _EPOCH) // timedelta(microseconds=1)


@dataclass
class StoredTask:
    """One task. `at` is when it is due; while leased, when the lease ends."""

    task: NewTask
    number: int
    enqueued_at: int
    at: int
    expires_at: int | None
    state: str = WAITING
    attempts: int = 0
    receipt: str | None = None
    cancel_requested: bool = False
    worker: str | None = None
    reason: str | None = None
    result: bytes | None = None
    failures: list[FailureRecord] = field(default_factory=list[FailureRecord])
    started_at: int | None = None
    finished_at: int | None = None

    @property
    def is_live(self) -> bool:
        """Waiting or leased."""
        return self.state in (WAITING, LEASED)

    def shown_state(self, now: int) -> TaskState:
        """The state as the contract names it."""
        if self.state == WAITING:
            return TaskState.READY if self.at <= now else TaskState.SCHEDULED
        return TaskState(self.state)

    def record(self, now: int) -> TaskRecord:
        """What `get_tasks` tells."""
        task = self.task
        return TaskRecord(
            id=task.id,
            queue=task.queue,
            name=task.name,
            payload=task.payload,
            correlation_id=task.correlation_id,
            priority=task.priority,
            dedupe_key=task.dedupe_key,
            expires_after=task.expires_after,
            keep_for=task.keep_for,
            remember_for=task.remember_for,
            state=self.shown_state(now),
            attempts=self.attempts,
            cancel_requested=self.cancel_requested,
            worker=self.worker,
            lease=(self.at - now) / 1e6 if self.state == LEASED else None,
            reason=self.reason,
            result=self.result,
            failures=tuple(self.failures[-10:]),
            enqueued_at=moment(self.enqueued_at),
            available_at=moment(self.at),
            started_at=None if self.started_at is None else moment(self.started_at),
            finished_at=None if self.finished_at is None else moment(self.finished_at),
        )


@dataclass
class QueueTotals:
    """The totals of one queue."""

    completed: int = 0
    dead: int = 0
    retried: int = 0
    cancelled: int = 0


@dataclass
class Space:
    """Everything that is stored in one namespace."""

    tasks: dict[str, StoredTask] = field(default_factory=dict[str, StoredTask])
    remembered: dict[str, int] = field(default_factory=dict[str, int])
    """Finished ids whose record is gone, and when they are forgotten."""
    totals: dict[str, QueueTotals] = field(default_factory=dict[str, QueueTotals])
    paused: set[str] = field(default_factory=set[str])
    reports: dict[str, tuple[bytes, int, int]] = field(default_factory=dict[str, tuple[bytes, int, int]])
    """Worker -> data, when it was reported, when it is gone."""
    enqueued: int = 0
    signals: dict[str, int] = field(default_factory=dict[str, int])
    """Queue -> how often ready work was put in."""

    def totals_of(self, queue: str) -> QueueTotals:
        """The totals of one queue, begun at zero."""
        return self.totals.setdefault(queue, QueueTotals())


class Storage:
    """A store that several drivers share: one writer at a time, readers see what was committed."""

    def __init__(self) -> None:
        self.space = Space()
        self.mutex = threading.Lock()
        self.writer: object | None = None
        """The guest's transaction that is open."""
        self.restarts = 0

    async def until_nobody_writes(self) -> None:
        """Wait for the guest's transaction that is open to end."""
        while True:
            if self.writer is None:
                return
            await anyio.sleep(0.001)

    def copy_of_space(self) -> Space:
        """What a transaction works on until it commits."""
        return copy.deepcopy(self.space)
