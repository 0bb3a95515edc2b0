"""Reading: records, lists and statistics."""

import re
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from asynctasq.driver_api import InvalidArgument, QueueStats, TaskPage, TaskRecord, TaskState
from asynctasq_mysql.client import Row
from asynctasq_mysql.clock import microseconds, seconds
from asynctasq_mysql.database import Database
from asynctasq_mysql.literals import Sql, Value, literal, text
from asynctasq_mysql.records import task_record
from asynctasq_mysql.rows import CANCELLED, COMPLETED, DEAD
from asynctasq_mysql.storage_names import NOW

LOOKED_AT = 2000
"""Tasks that one page looks at, however few of them match."""

_ENDED = {TaskState.COMPLETED: COMPLETED, TaskState.DEAD: DEAD, TaskState.CANCELLED: CANCELLED}
_is_place = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?").fullmatch


async def get_tasks(database: Database, ids: Sequence[str]) -> dict[str, TaskRecord]:
    """The records of these ids."""
    rows = await database.fetch("get_tasks", ids=sorted(ids))
    return {row[2]: task_record(row) for row in rows}


class Wanted(Struct, frozen=True, kw_only=True):
    """The filters of a list."""

    queue: str | None
    state: TaskState | None
    name: str | None
    correlation_id: str | None
    older_than: float | None

    def filters(self) -> Sql:
        """All but the state, which the time decides."""
        conditions = ["1 = 1"]
        for column, wanted in (("queue", self.queue), ("name", self.name), ("correlation_id", self.correlation_id)):
            if wanted is not None:
                conditions.append(f"t.{column} = {text(wanted)}")
        if self.older_than is not None:
            conditions.append(f"t.enqueued_us <= {NOW} - {microseconds(self.older_than)}")
        if self.state in (TaskState.READY, TaskState.SCHEDULED, TaskState.LEASED):
            conditions.append("t.state <= 1")
        return Sql(" AND ".join(conditions))

    def has(self, record: TaskRecord) -> bool:
        """Whether its state is wanted."""
        return self.state is None or record.state is self.state


async def list_tasks(database: Database, wanted: Wanted, limit: int, after: str | None) -> TaskPage:
    """One page. Tasks that have ended come in the order in which they are forgotten, all others in enqueue order."""
    begin, last = _place(after)
    if wanted.state in _ENDED:
        return await _list_ended(database, wanted, limit, begin, last)
    window = max(limit, LOOKED_AT)
    looked, end = (await database.fetch("list_window", after=begin, window=window))[0]
    if not looked:
        return TaskPage(tasks=(), after=None)
    rows = await database.fetch("list_tasks", after=begin, last=end, filters=wanted.filters(), limit=limit)
    following = str(rows[-1][1]) if len(rows) == limit else str(end) if looked == window else None
    return _page(wanted, rows, following)


async def _list_ended(database: Database, wanted: Wanted, limit: int, begin: int, after: int) -> TaskPage:
    assert wanted.state is not None
    kind = _ENDED[wanted.state]
    window = max(limit, LOOKED_AT)
    looked = await database.fetch("list_ended_window", kind=kind, begin=begin, after=after, window=window)
    if not looked:
        return TaskPage(tasks=(), after=None)
    places = {pk: at for at, pk in looked}
    rows = await database.fetch("list_ended", kind=kind, pks=sorted(places), filters=wanted.filters(), limit=limit)
    following = None
    if len(rows) == limit:
        following = f"{places[rows[-1][1]]}-{rows[-1][1]}"
    elif len(looked) == window:
        following = f"{looked[-1][0]}-{looked[-1][1]}"
    return _page(wanted, rows, following)


def _page(wanted: Wanted, rows: Sequence[Row], following: str | None) -> TaskPage:
    records = map(task_record, rows)
    return TaskPage(tasks=tuple(record for record in records if wanted.has(record)), after=following)


def _place(after: object) -> tuple[int, int]:
    if after is None:
        return 0, 0
    match = _is_place(after) if isinstance(after, str) else None
    if match is None:
        raise InvalidArgument(f"after is {after!r:.80}; wanted the `after` of a page of this driver, or None")
    return int(match[1]), int(match[2] or 0)


async def queue_stats(database: Database, queues: Sequence[str] | None) -> dict[str, QueueStats]:
    """Gauges, ages and totals."""
    condition: Value = Sql("1 = 1" if queues is None else f"queue IN {literal(list(queues))}")
    stats = {queue: QueueStats() for queue in queues or ()}
    expired: list[str] = []
    for queue, what, *numbers in await database.fetch("queue_stats", queues=condition):
        stats[queue] = _with_numbers(stats.get(queue) or QueueStats(), what, [int(number) for number in numbers])
        if what == "expired_ready":
            expired.append(queue)
    if expired:
        ages: dict[str, int] = {row[0]: row[1] for row in await database.fetch("oldest_ready", queues=expired)}
        for queue in expired:
            age = ages.get(queue)
            stats[queue] = replace(stats[queue], oldest_ready_age=None if age is None else seconds(age))
    return stats


def _with_numbers(stats: QueueStats, what: str, numbers: Sequence[int]) -> QueueStats:
    count = numbers[0]
    if what == "ready":
        return replace(stats, ready=count, oldest_ready_age=seconds(max(numbers[1], 0)))
    if what == "scheduled":
        return replace(stats, scheduled=count)
    if what == "leased":
        return replace(stats, leased=stats.leased + count)
    if what == "dead":
        return replace(stats, dead=stats.dead + count)
    if what == "expired_ready":
        return replace(stats, ready=stats.ready - count, dead=stats.dead + count)
    if what == "expired_scheduled":
        return replace(stats, scheduled=stats.scheduled - count, dead=stats.dead + count)
    if what == "totals":
        completed, dead, retried, cancelled = numbers
        return replace(
            stats, total_completed=completed, total_dead=dead, total_retried=retried, total_cancelled=cancelled
        )
    return stats
