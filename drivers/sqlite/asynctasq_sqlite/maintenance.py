"""The care that some worker takes now and then: what time ended is stored, and what is due is forgotten."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from asynctasq.driver_api import MaintenanceReport
from asynctasq_sqlite.rows import stored_seqs
from asynctasq_sqlite.session import Session, numbers
from asynctasq_sqlite.time_ends import end_lapsed_leases, expire_waiting_tasks
from asynctasq_sqlite.transitions import remember

_SHORTEST_RANGE = 10
"""Tasks per range, on average, from which on ranges are the faster way."""

_read_due = msgspec.json.Decoder(list[tuple[int, str, int]]).decode


def maintain(session: Session, limit: int, dead_retention: int | None) -> MaintenanceReport:
    """One bounded round."""
    more = end_lapsed_leases(session, limit) == limit
    more |= expire_waiting_tasks(session, limit) == limit
    due = _read_due(session.value("records_due", session.now, limit))
    if dead_retention is not None and len(due) < limit:
        due += _read_due(session.value("dead_due", session.now - dead_retention, limit - len(due)))
    _drop_records(session, due)
    forgotten, more_due = _forget_ids(session, limit)
    session.run("reports_forget", session.now)
    return MaintenanceReport(removed=len(due) + forgotten, more=more or more_due or len(due) == limit)


def _drop_records(session: Session, due: Sequence[tuple[int, str, int]]) -> None:
    if not due:
        return
    seqs = numbers([seq for seq, _, _ in due])
    session.run("ended_remove", seqs)
    session.run("extra_remove", seqs)
    forgotten = [seq for seq, _, forget_at in due if forget_at <= session.now]
    remembered = [(forget_at, queue, seq) for seq, queue, forget_at in due if forget_at > session.now]
    _remove_tasks(session, forgotten)
    if remembered:
        session.run("payloads_clear", numbers([seq for _, _, seq in remembered]))
        remember(session, remembered)


def _forget_ids(session: Session, limit: int) -> tuple[int, bool]:
    """Forget at most `limit` ids whose time has come; gives how many, and whether there are more."""
    forgotten: list[int] = []
    last: tuple[int, int, str] | None = None
    rest: list[int] = []
    due = session.run("forget_find", session.now)
    while row := due.fetchone():
        if len(forgotten) >= limit:
            break
        forget_at, token, queue, seqs = row
        known = stored_seqs(seqs)
        room = limit - len(forgotten)
        forgotten += known[:room]
        rest = known[room:]
        if rest:
            session.run("forget_partly", forget_at, token, queue, numbers(rest))
            break
        last = forget_at, token, queue
    due.close()
    if last is not None:
        session.run("forget", *last)
    _remove_tasks(session, forgotten)
    return len(forgotten), row is not None


def _remove_tasks(session: Session, seqs: Sequence[int]) -> None:
    """Remove these rows of `task`. A range of them, as a queue that was drained in order leaves them, is removed in one
    walk along the tree, which takes a quarter less than finding each."""
    ranges = _ranges(seqs)
    if len(ranges) * _SHORTEST_RANGE > len(seqs):
        session.run("tasks_remove", numbers(seqs))
        return
    for first, last in ranges:
        session.run("tasks_remove_range", first, last)


def _ranges(seqs: Sequence[int]) -> list[tuple[int, int]]:
    """The first and the last of every run of numbers without a gap."""
    if not seqs:
        return []
    ordered = sorted(seqs)
    gaps = [(before, after) for before, after in pairwise(ordered) if after - before > 1]
    firsts = [ordered[0], *(after for _, after in gaps)]
    lasts = [*(before for before, _ in gaps), ordered[-1]]
    return list(zip(firsts, lasts, strict=True))
