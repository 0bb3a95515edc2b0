"""The care that some worker takes now and then: what time ended is stored, and what is due is forgotten."""

from collections.abc import Sequence

import msgspec

from asynctasq.driver_api import MaintenanceReport
from asynctasq_sqlite.rows import seq_list
from asynctasq_sqlite.session import Session, numbers
from asynctasq_sqlite.time_ends import end_lapsed_leases, expire_waiting_tasks
from asynctasq_sqlite.transitions import remember

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
    if forgotten:
        session.run("tasks_remove", numbers(forgotten))
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
        known = seq_list(seqs)
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
    if forgotten:
        session.run("tasks_remove", numbers(forgotten))
    return len(forgotten), row is not None
