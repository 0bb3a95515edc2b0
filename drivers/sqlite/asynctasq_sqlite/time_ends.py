"""What time decides is carried out: leases lapse, waiting tasks expire.

Nothing has to run for the decision itself; these functions store it when a call meets it, a bounded slice at a time.
"""

from collections.abc import Collection, Sequence

from asynctasq_sqlite.rows import Holding, holdings, seq_list
from asynctasq_sqlite.session import Session, numbers
from asynctasq_sqlite.transitions import CANCELLED, EXPIRED, Transitions

SLICE = 1000
"""Tasks that one call moves on behalf of time."""


def end_lapsed_leases(session: Session, limit: int = SLICE) -> int:
    """Store that leases have ended; gives how many. Fewer than `limit`: there are no others."""
    if session.stored_next_lapse > session.now:
        return 0
    lapsed = holdings(session.value("lapsed", session.now, limit))
    _end_leases(session, lapsed)
    if len(lapsed) < limit:
        session.run("next_lapse_found")
        session.stored_next_lapse = session.value("next_lapse")
    return len(lapsed)


def expire_waiting_tasks(session: Session, limit: int = SLICE) -> int:
    """Store that waiting tasks have expired; gives how many. Fewer than `limit`: there are no others."""
    expired = seq_list(session.value("expired_find", session.now, limit))
    _expire(session, expired)
    return len(expired)


def end_what_time_ended(session: Session, seqs: Collection[int]) -> bool:
    """Store what time has decided of these tasks; gives whether it has."""
    if not seqs:
        return False
    wanted = numbers(set(seqs))
    lapsed = holdings(session.value("lapsed_among", wanted, session.now))
    _end_leases(session, lapsed)
    expired = seq_list(session.value("expired_among", wanted, session.now))
    _expire(session, expired)
    return bool(lapsed or expired)


def _end_leases(session: Session, lapsed: Sequence[Holding]) -> None:
    transitions = Transitions(session)
    for held in lapsed:
        if held.cancel_requested:
            transitions.cancel(held, CANCELLED, at=held.until, attempt=held.attempt)
        elif held.expires_at is not None and held.expires_at <= session.now:
            transitions.bury(held, EXPIRED, at=max(held.until, held.expires_at), attempt=held.attempt)
        else:
            transitions.wait_again(held, at=held.until, attempt=held.attempt)
    transitions.write()


def _expire(session: Session, seqs: Sequence[int]) -> None:
    if not seqs:
        return
    expired = numbers(seqs)
    for queue, count in session.run("expired_count", expired).fetchall():
        session.add_totals(queue, dead=count)
    session.run("expired_end", expired)
    session.run("waiting_remove", expired)
    session.run("dedupe_free", expired)
    session.run("expired_done", expired)
