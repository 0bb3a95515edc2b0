"""Due tasks are handed out under leases, and leases are prolonged."""

import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from asynctasq.driver_api import Delivery, ExtendOutcome, Receipt
from asynctasq_sqlite.clock import moment_at, seconds
from asynctasq_sqlite.receipts import LARGE_PAYLOAD, read_receipts, receipt_token
from asynctasq_sqlite.rows import DueTask, due_tasks, lease_ends
from asynctasq_sqlite.session import Session, numbers, to_json
from asynctasq_sqlite.time_ends import SLICE, end_lapsed_leases, expire_waiting_tasks

LARGEST_CLAIM = 1000
"""Tasks per look: their payloads travel as one value, which SQLite limits (by default to 10^9 bytes)."""

READ_APART = 1024 * 1024
"""Bytes above which a payload is read by itself, once its task is sure to be delivered."""

LARGEST_READ = 64 * 1024 * 1024
"""Bytes of such payloads in one call: the rest waits for the next one."""

_LOOKS_AT_EXPIRED = 2
_STALE = ExtendOutcome(applied=False)


def reserve(session: Session, queues: Sequence[str], limit: int, lease: int, worker: str) -> list[Delivery]:
    """Lease up to `limit` due tasks, queue after queue."""
    if end_lapsed_leases(session) == SLICE:
        return []  # more leases have ended: their tasks come before others, and the next call goes on
    deliveries: list[Delivery] = []
    for queue in queues:
        if queue in session.paused:
            continue
        claim = _Claim(session, queue, lease, worker)
        while len(deliveries) < limit:
            wanted = min(limit - len(deliveries), LARGEST_CLAIM)
            found, is_last = claim.take(wanted)
            deliveries += found
            if claim.gave_up:
                return deliveries
            if is_last:
                break
    return deliveries


class _Look(Struct, frozen=True):
    """The due tasks at the head of a queue."""

    tasks: list[DueTask]
    payloads: bytes
    """One behind the other."""
    seqs: str
    """As a JSON array."""
    remember_for: int | None
    """Of first deliveries of plain tasks that are all remembered equally long; else None."""
    has_expired: bool
    is_last: bool
    """There are no others."""
    was_cut: bool
    """The others have to wait, because of the size of these."""


class _Claim:
    """One `reserve` on one queue."""

    def __init__(self, session: Session, queue: str, lease: int, worker: str) -> None:
        self._session = session
        self._queue = queue
        self._lease = lease
        self._worker = worker
        self._token = receipt_token()
        self.gave_up = False
        """Expired tasks are in the way, more than one call clears; or large payloads, more than one call takes."""

    def take(self, limit: int) -> tuple[list[Delivery], bool]:
        """Lease the first `limit` due tasks; also whether the queue has no others."""
        look = self._look(limit)
        for _ in range(_LOOKS_AT_EXPIRED):
            if not look.has_expired:
                break
            expire_waiting_tasks(self._session)
            look = self._look(limit)
        self.gave_up = look.has_expired or look.was_cut
        deliveries, live = self._deliver(look)
        if live:
            self._store_leases(look, live)
            self._leave_queue(live, exactly=look.has_expired)
        return deliveries, look.is_last

    def _look(self, limit: int) -> _Look:
        now = self._session.now
        try:
            row = self._session.run("reserve", self._queue, now, limit, READ_APART).fetchone()
        except sqlite3.DataError:  # more payload than fits into one value
            if limit == 1:
                raise
            return self._look(limit // 2)
        found, payloads, seqs, is_special, shortest, longest, largest = row
        tasks = due_tasks(found)
        taken = _within_one_read(tasks) if largest is not None and largest > READ_APART else tasks
        was_cut, is_last = len(taken) < len(tasks), len(tasks) < limit
        if was_cut:
            tasks, seqs = taken, numbers([task[0] for task in taken])
        return _Look(
            tasks=tasks,
            payloads=payloads or b"",
            seqs=seqs,
            remember_for=None if is_special or shortest != longest else shortest,
            has_expired=bool(is_special) and any(_has_expired(task, now) for task in tasks),
            is_last=is_last,
            was_cut=was_cut,
        )

    def _deliver(self, look: _Look) -> tuple[list[Delivery], list[DueTask]]:
        """The deliveries, and the tasks that they are of: all but those that have expired."""
        now = self._session.now
        queue, token, granted, payloads = self._queue, self._token, seconds(self._lease), look.payloads
        live = [task for task in look.tasks if not _has_expired(task, now)] if look.has_expired else look.tasks
        deliveries: list[Delivery] = []
        start = last_enqueued = 0
        enqueued_at = moment_at(0)
        for task in look.tasks:
            seq, rank, _, attempt, _, expires_at, id, name, correlation_id, enqueued, _, size = task
            end = start + size if size <= READ_APART else start
            if expires_at is not None and expires_at <= now:
                start = end
                continue
            if enqueued != last_enqueued:
                last_enqueued = enqueued
                enqueued_at = moment_at(enqueued)
            deliveries.append(
                Delivery(
                    id=id,
                    queue=queue,
                    name=name,
                    payload=payloads[start:end] if size <= READ_APART else self._session.value("payload", seq),
                    correlation_id=correlation_id,
                    priority=9 - rank,
                    attempt=attempt + 1,
                    receipt=Receipt(f"{seq}.{token}" if size < LARGE_PAYLOAD else f"{seq}.{token}L"),
                    enqueued_at=enqueued_at,
                    lease=granted,
                )
            )
            start = end
        return deliveries, live

    def _store_leases(self, look: _Look, live: Sequence[DueTask]) -> None:
        session, token, queue, worker = self._session, self._token, self._queue, self._worker
        now, until = session.now, session.now + self._lease
        if until < session.stored_next_lapse:
            session.run("next_lapse_set", until)
            session.stored_next_lapse = until
        if look.remember_for is not None:
            session.run("reserve_lease_plain", look.seqs, token, until, now, look.remember_for, queue, worker)
            return
        rows = [(task[0], task[3] + 1, task[4], task[10]) for task in live]
        session.run("reserve_lease", to_json(rows), token, until, now, queue, worker)
        expiring = [task[0] for task in live if task[5] is not None]
        if expiring:
            session.run("reserve_started", numbers(expiring))

    def _leave_queue(self, live: Sequence[DueTask], *, exactly: bool) -> None:
        if exactly:
            rows = [(rank, at, seq) for seq, rank, at, *_ in live]
            self._session.run("reserve_take_exactly", self._queue, to_json(rows))
            return
        last = live[-1]
        lasts = [last] if live[0][1] == last[1] else {task[1]: task for task in live}.values()
        for seq, rank, at, *_ in lasts:
            self._session.run("reserve_take", self._queue, rank, at, seq)


def _within_one_read(tasks: list[DueTask]) -> list[DueTask]:
    """The first ones, one at least, whose large payloads may all be in memory at once."""
    left = LARGEST_READ
    for index, (*_, size) in enumerate(tasks):
        if size > READ_APART:
            left -= size
            if left < 0 and index:
                return tasks[:index]
    return tasks


def _has_expired(task: DueTask, now: int) -> bool:
    expires_at = task[5]
    return expires_at is not None and expires_at <= now


def extend(session: Session, receipts: Sequence[str], lease: int) -> list[ExtendOutcome]:
    """Move the ends of live leases, never to an earlier time."""
    read = read_receipts(receipts)
    new_end = session.now + lease
    ends = {str(end.seq): end for end in lease_ends(session.value("extend_find", to_json(read.tokens), session.now))}
    if ends:
        session.run("extend", "[" + ",".join(ends) + "]", new_end)
    outcomes = [
        _STALE
        if seq is None or (end := ends.get(seq)) is None
        else ExtendOutcome(
            applied=True,
            lease=seconds(max(end.until, new_end) - session.now),
            cancel_requested=bool(end.cancel_requested),
        )
        for seq in read.seqs
    ]
    if read.again:
        others = extend(session, [receipts[place] for place in read.again], lease)
        for place, outcome in zip(read.again, others, strict=True):
            outcomes[place] = outcome
    return outcomes
