"""Due tasks are handed out under leases, and leases are prolonged."""

from collections.abc import Sequence
from datetime import datetime

from asynctasq.driver_api import Delivery, ExtendOutcome
from asynctasq_sqlite.clock import moment_at, seconds
from asynctasq_sqlite.receipts import make_receipt, read_receipts, receipt_ending
from asynctasq_sqlite.rows import DueTask, due_tasks, lease_ends
from asynctasq_sqlite.session import Session, fresh_token, numbers, to_json
from asynctasq_sqlite.time_ends import SLICE, end_lapsed_leases, expire_waiting_tasks

LARGEST_CLAIM = 1000
"""Tasks per look: their payloads travel as one value, and SQLite's values have an upper limit."""

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


class _Claim:
    """One `reserve` on one queue."""

    def __init__(self, session: Session, queue: str, lease: int, worker: str) -> None:
        self._session = session
        self._queue = queue
        self._lease = lease
        self._worker = worker
        self._token = fresh_token()
        self._ending = receipt_ending(self._token)
        self.gave_up = False
        """Expired tasks are in the way: more than one call clears."""

    def take(self, limit: int) -> tuple[list[Delivery], bool]:
        """Lease the first `limit` due tasks; also whether the queue has no others."""
        tasks, payloads, has_expired = self._look(limit)
        looks = 0
        while has_expired and looks < _LOOKS_AT_EXPIRED:
            expire_waiting_tasks(self._session)
            tasks, payloads, has_expired = self._look(limit)
            looks += 1
        is_last = len(tasks) < limit
        if has_expired:
            self.gave_up = True
        if not tasks:
            return [], True
        deliveries, live = self._deliver(tasks, payloads)
        if live:
            self._store_leases(live)
            self._leave_queue(live, exactly=has_expired)
        return deliveries, is_last

    def _look(self, limit: int) -> tuple[list[DueTask], bytes, bool]:
        found, payloads = self._session.run("reserve", self._queue, self._session.now, limit).fetchone()
        tasks = due_tasks(found)
        now = self._session.now
        has_expired = any(task.expires_at is not None and task.expires_at <= now for task in tasks)
        return tasks, payloads or b"", has_expired

    def _deliver(self, tasks: Sequence[DueTask], payloads: bytes) -> tuple[list[Delivery], list[DueTask]]:
        """The deliveries, and the tasks that they are of: all but those that have expired."""
        now = self._session.now
        queue, ending, granted = self._queue, self._ending, seconds(self._lease)
        deliveries: list[Delivery] = []
        live: list[DueTask] = []
        start = enqueued_at = 0
        enqueued: datetime = moment_at(0)
        for task in tasks:
            end = start + task.payload_size
            if task.expires_at is None or task.expires_at > now:
                if task.enqueued_at != enqueued_at:
                    enqueued_at = task.enqueued_at
                    enqueued = moment_at(enqueued_at)
                live.append(task)
                deliveries.append(
                    Delivery(
                        id=task.id,
                        queue=queue,
                        name=task.name,
                        payload=payloads[start:end],
                        correlation_id=task.correlation_id,
                        priority=9 - task.rank,
                        attempt=task.attempt + 1,
                        receipt=make_receipt(task.seq, ending, task.payload_size),
                        enqueued_at=enqueued,
                        lease=granted,
                    )
                )
            start = end
        return deliveries, live

    def _store_leases(self, tasks: Sequence[DueTask]) -> None:
        session = self._session
        now, until = session.now, session.now + self._lease
        if until < session.stored_next_lapse:
            session.run("next_lapse_set", until)
            session.stored_next_lapse = until
        remember_for = tasks[0].remember_for
        if all(not task.attempt and not task.special and task.remember_for == remember_for for task in tasks):
            first = numbers([task.seq for task in tasks])
            session.run("reserve_lease_plain", first, self._token, until, now, remember_for, self._queue, self._worker)
            return
        rows = [(task.seq, task.attempt + 1, task.special, task.remember_for) for task in tasks]
        session.run("reserve_lease", to_json(rows), self._token, until, now, self._queue, self._worker)
        expiring = [task.seq for task in tasks if task.expires_at is not None]
        if expiring:
            session.run("reserve_started", numbers(expiring))

    def _leave_queue(self, tasks: Sequence[DueTask], *, exactly: bool) -> None:
        if exactly:
            rows = [(task.rank, task.at, task.seq) for task in tasks]
            self._session.run("reserve_take_exactly", self._queue, to_json(rows))
            return
        for last in {task.rank: task for task in tasks}.values():
            self._session.run("reserve_take", self._queue, last.rank, last.at, last.seq)


def extend(session: Session, receipts: Sequence[str], lease: int) -> list[ExtendOutcome]:
    """Move the ends of live leases, never to an earlier time."""
    found, first, again = read_receipts(receipts)
    new_end = session.now + lease
    ends = {str(end.seq): end for end in lease_ends(session.value("extend_find", to_json(first.tokens), session.now))}
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
        for seq in found
    ]
    if again:
        for place, outcome in zip(again, extend(session, [receipts[place] for place in again], lease), strict=True):
            outcomes[place] = outcome
    return outcomes
