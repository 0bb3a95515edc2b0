"""What people do to tasks: cancel, replay, delete. Locked by their ids, decided in order, written in bulk."""

from collections.abc import Sequence

from asynctasq.driver_api import CancelOutcome, ReplayOutcome, ReplayStatus
from asynctasq_mysql.dedupe_keys import Holder, claim_keys
from asynctasq_mysql.rows import CANCELLED, CANCELLED_REASON, DEAD, LIVE, Fate, StoredTask, fate_of
from asynctasq_mysql.steps import Step, Steps
from asynctasq_mysql.storage_names import StorageNames
from asynctasq_mysql.transitions import Transitions

_REPLAYED = ReplayOutcome(status=ReplayStatus.REPLAYED)
_NOT_DEAD = ReplayOutcome(status=ReplayStatus.NOT_DEAD)
_NOT_FOUND = ReplayOutcome(status=ReplayStatus.NOT_FOUND)


def _lock(names: StorageNames, ids: Sequence[str]) -> Steps[tuple[dict[str, StoredTask | None], int]]:
    """The tasks of these ids, None for an id that is known without a record; and the time, read behind the locks."""
    locked, clock = yield Step([names.statement("lock_by_id", ids=sorted(set(ids))), names.statement("now")])
    tasks = {row[0]: None if row[1] is None else StoredTask(*row[1:]) for row in locked.rows}
    return tasks, clock.rows[0][0]


def _fates(tasks: dict[str, StoredTask | None], now: int) -> dict[str, Fate]:
    return {id: ended for id, task in tasks.items() if task is not None and (ended := fate_of(task, now)) is not None}


def cancel(names: StorageNames, ids: Sequence[str]) -> Steps[list[CancelOutcome]]:
    """End waiting tasks; of leased ones, request it."""
    tasks, now = yield from _lock(names, ids)
    transitions = Transitions(names, now)
    outcomes: dict[str, CancelOutcome] = {}
    requested: list[int] = []
    for id, task in tasks.items():
        if task is None:
            outcomes[id] = CancelOutcome.TOO_LATE
        elif (ended := fate_of(task, now)) is not None:
            transitions.end_as_fated(task, ended)
            outcomes[id] = CancelOutcome.CANCELLED if ended.state == CANCELLED else CancelOutcome.TOO_LATE
        elif task.is_leased(now):
            outcomes[id] = CancelOutcome.REQUESTED
            if task.state == LIVE:
                requested.append(task.pk)
                transitions.look_again(task, task.at)
        elif task.state == LIVE:
            transitions.cancel(task, CANCELLED_REASON, now)
            outcomes[id] = CancelOutcome.CANCELLED
        else:
            outcomes[id] = CancelOutcome.CANCELLED if task.state == CANCELLED else CancelOutcome.TOO_LATE
    statements = transitions.statements()
    if requested:
        statements.append(names.statement("tasks_request_cancel", pks=requested))
    yield Step(statements or [names.statement("now")], is_last=True)
    return [outcomes.get(id, CancelOutcome.NOT_FOUND) for id in ids]


def replay(names: StorageNames, ids: Sequence[str]) -> Steps[list[ReplayOutcome]]:
    """Make dead letters ready again."""
    tasks, now = yield from _lock(names, ids)
    transitions = Transitions(names, now)
    fates = _fates(tasks, now)
    for id, ended in fates.items():
        task = tasks[id]
        assert task is not None
        transitions.end_as_fated(task, ended)
    dead = {
        id: task
        for id in dict.fromkeys(ids)
        if (task := tasks.get(id)) is not None and (task.state == DEAD or (id in fates and fates[id].state == DEAD))
    }
    yield Step(transitions.statements() or [names.statement("now")])
    refused = yield from _take_keys(names, dead)
    pks = sorted(task.pk for id, task in dead.items() if id not in refused)
    if pks:
        statements = [names.statement("tasks_replay", now=now, pks=pks), names.statement("agenda_remove", pks=pks)]
        yield Step(statements, is_last=True)
    return _replay_outcomes(ids, tasks, dead, refused)


def _take_keys(names: StorageNames, dead: dict[str, StoredTask]) -> Steps[dict[str, str | None]]:
    """Take the keys of these dead letters again. Gives who has the key of those that did not get theirs."""
    wanted: dict[bytes, int] = {}
    first: dict[bytes, str] = {}
    refused: dict[str, str | None] = {}
    for id, task in dead.items():
        slot = task.slot
        if slot is not None and slot in first:
            refused[id] = first[slot]
        elif slot is not None:
            wanted[slot], first[slot] = task.pk, id
    held: dict[bytes, Holder] = {}
    if wanted:
        held = yield from claim_keys(names, wanted, sees_latest=True)
    for id, task in dead.items():
        slot = task.slot
        if slot is not None and slot in held:
            refused[id] = held[slot].id
    return refused


def _replay_outcomes(
    ids: Sequence[str],
    tasks: dict[str, StoredTask | None],
    dead: dict[str, StoredTask],
    refused: dict[str, str | None],
) -> list[ReplayOutcome]:
    outcomes: list[ReplayOutcome] = []
    replayed: set[str] = set()
    for id in ids:
        if tasks.get(id) is None:
            outcomes.append(_NOT_FOUND)
        elif id in refused:
            outcomes.append(ReplayOutcome(status=ReplayStatus.DUPLICATE, existing_id=refused[id]))
        elif id in dead and id not in replayed:
            replayed.add(id)
            outcomes.append(_REPLAYED)
        else:
            outcomes.append(_NOT_DEAD)
    return outcomes


def delete(names: StorageNames, ids: Sequence[str]) -> Steps[list[bool]]:
    """Remove records, but no leased ones, and forget their ids."""
    tasks, now = yield from _lock(names, ids)
    transitions = Transitions(names, now)
    removed: dict[str, int] = {}
    for id, task in tasks.items():
        if task is None or task.is_leased(now):
            continue
        if (ended := fate_of(task, now)) is not None:
            transitions.count_fate(task, ended)
        transitions.remove(task)
        removed[id] = task.pk
    statements = transitions.statements()
    if removed:
        statements.append(names.statement("known_remove", ids=sorted(removed), pks=sorted(removed.values())))
    yield Step(statements or [names.statement("now")], is_last=True)
    return [removed.pop(id, None) is not None for id in ids]
