"""Dedupe keys are taken: by new tasks, and by dead letters that are replayed.

A key whose holder is seen to be live is simply held. Only what seems to be free is claimed, since a claim that fails
locks the holder's entry, and so would make its worker wait for a caller's open transaction.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from asynctasq_mysql.literals import Sql, binary
from asynctasq_mysql.rows import fate, fate_of, stored_tasks
from asynctasq_mysql.steps import Step, Steps
from asynctasq_mysql.storage_names import StorageNames
from asynctasq_mysql.transitions import Transitions


class Holder(Struct, frozen=True):
    """Who holds a key: another task, whose id is None if it is gone already."""

    id: str | None


def claim_keys(names: StorageNames, wanted: Mapping[bytes, int], *, sees_latest: bool) -> Steps[dict[bytes, Holder]]:
    """Take keys for the tasks with these pks (0: a new one of this call). Gives those that others hold.

    `sees_latest`: plain reads show what was committed last, as at READ COMMITTED.
    """
    slots = sorted(wanted)
    [looked] = yield Step([names.statement("dedupe_look", slots=slots)])
    held: dict[bytes, Holder] = {}
    overdue: list[int] = []
    for slot, pk, id, state, at, token, expires_at, now in looked.rows:
        if id is not None and fate(state, at, token, expires_at, now) is not None:
            overdue.append(pk)
        elif id is not None and sees_latest:
            held[bytes(slot)] = Holder(id)
    before = (yield from _end_overdue(names, overdue)) if overdue else []
    free = [slot for slot in slots if slot not in held]
    if not free:
        return held
    namespace = names.namespace
    claims = Sql(",".join([f"({namespace},{binary(slot)},{wanted[slot]})" for slot in free]))
    results = yield Step(
        [*before, names.statement("dedupe_claim", rows=claims), names.statement("dedupe_claimed", slots=free)]
    )
    claimed = {bytes(slot): (pk, id) for slot, pk, id in results[-1].rows}
    for slot in free:
        pk, id = claimed.get(slot, (None, None))
        if pk != wanted[slot]:
            held[slot] = Holder(id)
    return held


def _end_overdue(names: StorageNames, pks: Sequence[int]) -> Steps[list[str]]:
    """What ends those of these tasks that time has ended."""
    locked, now = yield Step([names.statement("lock_by_pk", pks=sorted(pks)), names.statement("now")])
    transitions = Transitions(names, now.rows[0][0])
    for task in stored_tasks(locked.rows):
        ended = fate_of(task, transitions.now)
        if ended is not None:
            transitions.end_as_fated(task, ended)
    return transitions.statements()
