"""What people do to tasks: cancel, replay, delete, purge. Decided in order, written in bulk."""

from collections.abc import Sequence

from asynctasq.driver_api import CancelOutcome, ReplayOutcome, ReplayStatus, TaskState
from asynctasq_sqlite.enqueueing import take_keys
from asynctasq_sqlite.rows import StoredState, seq_list, stored_states
from asynctasq_sqlite.session import Session, numbers, to_json
from asynctasq_sqlite.time_ends import SLICE, end_lapsed_leases, end_what_time_ended, expire_waiting_tasks
from asynctasq_sqlite.transitions import CANCELLED, DEAD

PURGE_SLICE = 5000
"""Tasks that one transaction of a purge removes."""

_REPLAYED = ReplayOutcome(status=ReplayStatus.REPLAYED)
_NOT_DEAD = ReplayOutcome(status=ReplayStatus.NOT_DEAD)
_NOT_FOUND = ReplayOutcome(status=ReplayStatus.NOT_FOUND)


def _states(session: Session, ids: Sequence[str]) -> dict[str, StoredState]:
    """What these tasks are at, once everything is stored that time has decided of them."""
    wanted = to_json(tuple(dict.fromkeys(ids)))
    found = stored_states(session.value("states", wanted))
    overdue = [
        state.seq
        for state in found
        if (state.until is not None and state.until <= session.now)
        or (state.expires_at is not None and state.expires_at <= session.now)
    ]
    if end_what_time_ended(session, overdue):
        found = stored_states(session.value("states", wanted))
    return {state.id: state for state in found}


def cancel(session: Session, ids: Sequence[str]) -> list[CancelOutcome]:
    """End waiting tasks; of leased ones, request it."""
    states = _states(session, ids)
    waiting = [state for state in states.values() if state.waiting]
    leased = numbers([state.seq for state in states.values() if state.until is not None])
    if waiting:
        seqs = numbers([state.seq for state in waiting])
        session.run("waiting_remove", seqs)
        session.run("dedupe_free", seqs)
        session.run("expired_done", seqs)
        now = session.now
        rows = [
            (state.seq, state.queue, CANCELLED, state.attempt, now, now + state.remember_for, CANCELLED, 0, None)
            for state in waiting
        ]
        session.run("ended_add", to_json(rows), b"")
        for state in waiting:
            session.add_totals(state.queue, cancelled=1)
    if leased != "[]":
        session.run("cancel_request", leased)
        session.run("cancel_mark_leases", leased)
    return [_cancel_outcome(states.get(id)) for id in ids]


def _cancel_outcome(state: StoredState | None) -> CancelOutcome:
    if state is None:
        return CancelOutcome.NOT_FOUND
    if state.waiting or state.ended == CANCELLED:
        return CancelOutcome.CANCELLED
    return CancelOutcome.TOO_LATE if state.until is None else CancelOutcome.REQUESTED


def replay(session: Session, ids: Sequence[str]) -> list[ReplayOutcome]:
    """Make dead letters ready again."""
    states = _states(session, ids)
    dead = [state for state in states.values() if state.ended == DEAD]
    keys = [(state.queue, state.dedupe_key, state.seq) for state in dead if state.dedupe_key is not None]
    lost: dict[int, str] = {}
    if keys and session.run("enqueue_dedupe", to_json(keys)).rowcount < len(keys):
        lost = take_keys(session, keys)
    replayed = [state for state in dead if state.seq not in lost]
    if replayed:
        seqs = numbers([state.seq for state in replayed])
        session.run("ended_remove", seqs)
        session.run("replay", seqs, session.now)
        rows = [(state.seq, state.queue, state.rank, session.now, 0) for state in replayed]
        session.run("waiting_add", to_json(rows))
        session.ready_queues.update(state.queue for state in replayed)
    outcomes: list[ReplayOutcome] = []
    ready = {state.seq for state in replayed}
    for id in ids:
        state = states.get(id)
        if state is None or not (state.waiting or state.until is not None or state.ended is not None):
            outcomes.append(_NOT_FOUND)
        elif state.seq in lost:
            outcomes.append(ReplayOutcome(status=ReplayStatus.DUPLICATE, existing_id=lost[state.seq]))
        elif state.seq in ready:
            ready.discard(state.seq)  # the second of two equal ids is not dead any more
            outcomes.append(_REPLAYED)
        else:
            outcomes.append(_NOT_DEAD)
    return outcomes


def delete(session: Session, ids: Sequence[str]) -> list[bool]:
    """Remove records, but no leased ones."""
    states = _states(session, ids)
    deleted = {id: state.seq for id, state in states.items() if state.waiting or state.ended is not None}
    if deleted:
        _remove(session, list(deleted.values()))
    return [deleted.pop(id, None) is not None for id in ids]


def _remove(session: Session, seqs: Sequence[int]) -> None:
    """Remove tasks that have a record, in whatever state, and forget their ids."""
    removed = numbers(seqs)
    session.run("waiting_remove", removed)
    session.run("leases_remove", removed)
    session.run("dedupe_free", removed)
    session.run("ended_remove", removed)
    session.run("extra_remove", removed)
    session.run("tasks_remove", removed)


def purge_slice(session: Session, queue: str, states: Sequence[TaskState] | None, newest: int) -> bool:
    """Remove some of a queue's tasks, none behind seq `newest`. True: call again, there may be more."""
    if end_lapsed_leases(session) == SLICE or expire_waiting_tasks(session) == SLICE:
        return True
    for state in TaskState if states is None else states:
        seqs = seq_list(_purgeable(session, queue, state, newest))
        if seqs:
            _remove(session, seqs)
            return True
    return False


def _purgeable(session: Session, queue: str, state: TaskState, newest: int) -> str:
    if state is TaskState.LEASED:
        return session.value("purge_leased", queue, newest, PURGE_SLICE)
    if state in (TaskState.READY, TaskState.SCHEDULED):
        is_ready = state is TaskState.READY
        return session.value("purge_waiting", queue, session.now, is_ready, newest, PURGE_SLICE)
    return session.value("purge_ended", queue, state.value, newest, PURGE_SLICE)
