"""Reading: records, lists and statistics."""

import re
from collections.abc import Sequence

from asynctasq.driver_api import InvalidArgument, QueueStats, TaskPage, TaskRecord, TaskState
from asynctasq_postgres.database import Database
from asynctasq_postgres.records import task_record

_is_position = re.compile(r"[1-9][0-9]{0,17}").fullmatch


async def get_tasks(database: Database, ids: Sequence[str]) -> dict[str, TaskRecord]:
    """The records of these ids."""
    rows = await database.fetch("get_tasks", database.namespace, list(ids))
    return {row[1]: task_record(row) for row in rows}


async def list_tasks(
    database: Database,
    *,
    queue: str | None,
    state: TaskState | None,
    name: str | None,
    correlation_id: str | None,
    older_than: float | None,
    limit: int,
    after: str | None,
) -> TaskPage:
    """One page in enqueue order."""
    rows = await database.fetch(
        "list_tasks",
        database.namespace,
        queue,
        None if state is None else state.value,
        name,
        correlation_id,
        None if older_than is None else float(older_than),
        limit,
        _position(after),
    )
    found = sorted((row[1:] for row in rows if row[1] is not None), key=_seq)
    following: int | None = rows[0][0]
    return TaskPage(tasks=tuple(task_record(row) for row in found), after=None if following is None else str(following))


def _seq(row: Sequence[int]) -> int:
    return row[0]


def _position(after: object) -> int:
    if after is None:
        return 0
    if not isinstance(after, str) or _is_position(after) is None:
        raise InvalidArgument(f"after is {after!r:.80}; wanted the `after` of a page of this driver, or None")
    return int(after)


async def queue_stats(database: Database, queues: Sequence[str] | None) -> dict[str, QueueStats]:
    """Gauges, ages and totals."""
    rows = await database.fetch("queue_stats", database.namespace, None if queues is None else list(queues))
    stats = {
        row[0]: QueueStats(
            ready=row[1],
            scheduled=row[2],
            leased=row[3],
            dead=row[4],
            oldest_ready_age=row[5],
            total_completed=row[6],
            total_dead=row[7],
            total_retried=row[8],
            total_cancelled=row[9],
        )
        for row in rows
    }
    if queues is None:
        return stats
    return {queue: stats.get(queue) or QueueStats() for queue in queues}
