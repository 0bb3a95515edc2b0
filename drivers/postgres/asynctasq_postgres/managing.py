"""What people do to tasks: cancel, replay, delete, purge."""

from collections.abc import Sequence

from asynctasq.driver_api import CancelOutcome, ReplayOutcome, ReplayStatus, TaskState
from asynctasq_postgres.database import Database

PURGE_SLICE = 5_000
"""Rows that one transaction of a purge looks at."""

_CANCEL_OUTCOMES = {outcome.value: outcome for outcome in CancelOutcome}
_REPLAY_STATUSES = {status.value: status for status in ReplayStatus}
_NOT_FOUND = ReplayOutcome(status=ReplayStatus.NOT_FOUND)
_NOT_DEAD = ReplayOutcome(status=ReplayStatus.NOT_DEAD)


async def cancel(database: Database, ids: Sequence[str]) -> list[CancelOutcome]:
    """A repeated id has the same outcome each time."""
    rows = await database.fetch("cancel_many", database.namespace, list(dict.fromkeys(ids)))
    outcomes = {row[0]: _CANCEL_OUTCOMES[row[1]] for row in rows}
    return [outcomes.get(id, CancelOutcome.NOT_FOUND) for id in ids]


async def replay(database: Database, ids: Sequence[str]) -> list[ReplayOutcome]:
    """A repeated id is replayed once, and is not dead the next time."""
    rows = await database.fetch("replay_many", database.namespace, list(dict.fromkeys(ids)))
    outcomes = {row[0]: ReplayOutcome(status=_REPLAY_STATUSES[row[1]], existing_id=row[2]) for row in rows}
    result: list[ReplayOutcome] = []
    for id in ids:
        outcome = outcomes.get(id, _NOT_FOUND)
        if outcome.status is ReplayStatus.REPLAYED:
            outcomes[id] = _NOT_DEAD
        result.append(outcome)
    return result


async def delete(database: Database, ids: Sequence[str]) -> list[bool]:
    """A repeated id is gone the second time."""
    gone: list[str] | None = await database.fetch_value("delete_many", database.namespace, list(dict.fromkeys(ids)))
    removed = set(gone or ())
    result: list[bool] = []
    for id in ids:
        result.append(id in removed)
        removed.discard(id)
    return result


async def purge(database: Database, queues: Sequence[str], states: Sequence[TaskState] | None) -> None:
    """In slices, each a transaction of its own, so that a large queue blocks nobody for long."""
    wanted = None if states is None else [state.value for state in states]
    after: int | None = 0
    while after is not None:
        after = await database.fetch_value("purge", database.namespace, list(queues), wanted, after, PURGE_SLICE)
