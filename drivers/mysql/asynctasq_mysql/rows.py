"""Tasks as they are stored, and what time has made of them."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from asynctasq.driver_api import TaskState

LIVE, CANCEL_REQUESTED, DEAD, COMPLETED, CANCELLED = range(5)
"""The states that are stored. A live task is waiting or leased, as its other columns and the time say."""

EXPIRED_REASON = "expired"
CANCELLED_REASON = "cancelled"


class StoredTask(Struct, gc=False):
    """A task's row, locked: the columns of `lock_by_pk.sql`, in that order."""

    pk: int
    id: str
    queue: str
    state: int
    priority_order: int
    at: int
    """When it is due, or when its lease ends."""
    token: int
    """0: not delivered."""
    attempt: int
    special: int
    expires_at: int
    remember_for: int
    keep_for: int
    dedupe_key: bytes | None
    failures: bytes | None
    worker: bytes | None

    @property
    def is_live(self) -> bool:
        """Waiting or leased, as far as it is stored."""
        return self.state <= CANCEL_REQUESTED

    def is_leased(self, now: int) -> bool:
        """Whether a lease on it has not ended."""
        return self.is_live and self.token != 0 and self.at > now

    @property
    def slot(self) -> bytes | None:
        """What it is in the table of dedupe keys."""
        return None if self.dedupe_key is None else slot_of(self.queue, self.dedupe_key)


class Fate(Struct, frozen=True):
    """How and when time ended a task."""

    state: int
    at: int
    reason: str


def stored_tasks(rows: Sequence[Sequence[Any]]) -> list[StoredTask]:
    """Rows of `lock_by_pk.sql`."""
    return [StoredTask(*row) for row in rows]


def slot_of(queue: str, dedupe_key: bytes) -> bytes:
    """What a dedupe key of a queue is called."""
    return queue.encode() + b"\0" + dedupe_key


def fate(state: int, at: int, token: int, expires_at: int, now: int) -> Fate | None:
    """What time has made of a task, if it has ended it."""
    if state > CANCEL_REQUESTED or (token and at > now):
        return None
    if state == CANCEL_REQUESTED:
        return Fate(CANCELLED, at, CANCELLED_REASON)
    if expires_at <= now:
        return Fate(DEAD, max(expires_at, at) if token else expires_at, EXPIRED_REASON)
    return None


def fate_of(task: StoredTask, now: int) -> Fate | None:
    """What time has made of a task, if it has ended it."""
    return fate(task.state, task.at, task.token, task.expires_at, now)


_ENDED = {DEAD: TaskState.DEAD, COMPLETED: TaskState.COMPLETED, CANCELLED: TaskState.CANCELLED}


def public_state(state: int, at: int, token: int, expires_at: int, now: int) -> TaskState:
    """The state, as the contract has it."""
    if state > CANCEL_REQUESTED:
        return _ENDED[state]
    if token and at > now:
        return TaskState.LEASED
    ended = fate(state, at, token, expires_at, now)
    if ended is not None:
        return _ENDED[ended.state]
    return TaskState.READY if at <= now else TaskState.SCHEDULED
