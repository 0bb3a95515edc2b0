"""How a delivery ends, one small type per outcome, so that an impossible outcome cannot be built."""

from enum import Enum

from msgspec import Struct

from asynctasq.contract.envelopes import Failure, NewTask, Receipt


class Complete(Struct, frozen=True, kw_only=True):
    """The task is done. `follow_ups` are stored in the same atomic step, after its dedupe key was freed."""

    receipt: Receipt
    result: bytes | None = None
    follow_ups: tuple[NewTask, ...] = ()


class Retry(Struct, frozen=True, kw_only=True):
    """The attempt failed; the task waits again, due in `delay` seconds."""

    receipt: Receipt
    failure: Failure
    delay: float = 0.0


class Release(Struct, frozen=True, kw_only=True):
    """The task is given back untouched: it waits again, due in `delay` seconds, and the attempt does not count."""

    receipt: Receipt
    delay: float = 0.0


class Bury(Struct, frozen=True, kw_only=True):
    """The task becomes a dead letter, with its payload, attempts and failures."""

    receipt: Receipt
    failure: Failure
    reason: str = "failed"


class Cancel(Struct, frozen=True, kw_only=True):
    """The task ends as cancelled."""

    receipt: Receipt
    reason: str


Settlement = Complete | Retry | Release | Bury | Cancel


class EnqueueOutcome(Struct, frozen=True, kw_only=True):
    """What became of one `NewTask`: accepted, or a duplicate of `existing_id`."""

    accepted: bool
    existing_id: str | None = None
    """The known task of the same id or dedupe key; None if the holder of the key ended meanwhile."""


class SettleOutcome(Enum):
    """What became of one settlement."""

    APPLIED = "applied"
    STALE = "stale"
    """Without any effect: the lease ended, or the task was redelivered, settled, deleted, or never issued."""


class ExtendOutcome(Struct, frozen=True, kw_only=True):
    """What became of one receipt in `extend_many`. `applied=False` is stale, without any effect."""

    applied: bool
    lease: float = 0.0
    """Seconds left."""
    cancel_requested: bool = False
    """Somebody asked for this task's cancellation: it rides on the heartbeat."""


class CancelOutcome(Enum):
    """What became of one id in `cancel_many`."""

    CANCELLED = "cancelled"
    """It was waiting, or was cancelled already."""
    REQUESTED = "requested"
    """It is leased; its worker learns it from the next heartbeat."""
    TOO_LATE = "too_late"
    """Completed, dead, or known without a record."""
    NOT_FOUND = "not_found"


class ReplayStatus(Enum):
    """What became of one id in `replay_many`."""

    REPLAYED = "replayed"
    NOT_DEAD = "not_dead"
    DUPLICATE = "duplicate"
    """Another task holds its dedupe key now; the dead letter is unchanged."""
    NOT_FOUND = "not_found"


class ReplayOutcome(Struct, frozen=True, kw_only=True):
    """A `ReplayStatus`, and for DUPLICATE the id of the task that holds the key."""

    status: ReplayStatus
    existing_id: str | None = None
