"""The rows that statements give as JSON arrays, and those that they take as such: field by field, in the order of the
statement."""

import msgspec
from msgspec import Struct

DueTask = tuple[int, int, int, int, int, int | None, str, str, str | None, int, int, int]
"""A row of `reserve.sql`: seq, rank, at, attempt, special, expires_at, id, name, correlation_id, enqueued_at,
remember_for, the payload's size. Tuples, because unpacking one is faster than reading twelve attributes."""


StoredFailure = tuple[str, str, str, int, str, int]
"""One of the failures in `ns_extra.failures`: type, message, traceback, attempt, worker, time."""


class Holding(Struct, array_like=True, gc=False):
    """A leased task, with what is needed to let it wait again or to end it: a row of `settle_find.sql` and
    `lapsed.sql`."""

    seq: int
    token: int
    queue: str
    attempt: int
    until: int
    started_at: int
    remember_for: int
    worker: str
    rank: int
    enqueued_at: int
    special: int
    at: int | None
    expires_after: int | None
    keep_for: int
    cancel_requested: int
    failures: str | None

    @property
    def expires_at(self) -> int | None:
        """When it is dead if it waits then."""
        return None if self.expires_after is None else self.enqueued_at + self.expires_after


class LeaseEnd(Struct, array_like=True, gc=False):
    """A row of `extend_find.sql`."""

    seq: int
    until: int
    cancel_requested: int


class KeyHolder(Struct, array_like=True, gc=False):
    """A row of `dedupe_holders.sql`."""

    seq: int | None
    id: str | None


class StoredState(Struct, array_like=True, gc=False):
    """What a task is at, and what ending, replaying or deleting it needs: a row of `states.sql`."""

    seq: int
    id: str
    queue: str
    rank: int
    at: int
    enqueued_at: int
    remember_for: int
    waiting: int
    attempt: int
    until: int | None
    ended: str | None
    dedupe_key: str | None
    expires_after: int | None
    cancel_requested: int

    @property
    def expires_at(self) -> int | None:
        """When it is dead if it waits then."""
        return None if self.expires_after is None else self.enqueued_at + self.expires_after


due_tasks = msgspec.json.Decoder(list[DueTask]).decode
holdings = msgspec.json.Decoder(list[Holding]).decode
lease_ends = msgspec.json.Decoder(list[LeaseEnd]).decode
key_holders = msgspec.json.Decoder(list[KeyHolder]).decode
stored_states = msgspec.json.Decoder(list[StoredState]).decode
seq_list = msgspec.json.Decoder(list[int]).decode
_failures = msgspec.json.Decoder(list[StoredFailure]).decode


def stored_failures(text: str | None) -> list[StoredFailure]:
    """The failures in a column; none if somebody has damaged it, for a task has to end all the same."""
    try:
        return [] if text is None else _failures(text)
    except msgspec.MsgspecError:
        return []


def stored_seqs(text: str) -> list[int]:
    """The seqs in a column; none if somebody has damaged it, for what stands behind it has to be forgotten as well."""
    try:
        return seq_list(text)
    except msgspec.MsgspecError:
        return []
