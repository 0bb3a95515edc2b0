"""Claims: the head of a queue by a read without locks, its rows by one with locks, and the lease by their keys.

A line is what has one order: a queue's tasks of one priority. The first line that holds anything is looked at in the
first round trip; only if it gives too few, a second one asks for the heads of all others.

A claim is one transaction. It looks at no more tasks than its caller wants deliveries, takes those that are due, and
ends those that have expired, so that what the server reads for it is bounded by a multiple of what is wanted, whatever
is stored. Expired tasks use up a claim: it does not go on to a later line while live ones may stand behind them.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

from asynctasq.driver_api import Delivery
from asynctasq_mysql.client import Connection, Row
from asynctasq_mysql.clock import microseconds, moment_at
from asynctasq_mysql.database import Database
from asynctasq_mysql.receipts import fresh_token, receipt_of
from asynctasq_mysql.rows import fate_of, stored_tasks
from asynctasq_mysql.storage_names import StorageNames
from asynctasq_mysql.transitions import Transitions

LINES = 10
"""Priorities."""
LINES_PER_LOOK = 200
"""Lines that one statement looks at."""
CLEARED_PER_CALL = 1000
"""Expired tasks that one call of `reserve` ends, by as many claims as that takes; a single claim may end more."""
CLEARED_PER_CLAIM = 100
"""Tasks at the head of a line among which a claim ends what has expired, once it met any, though it wants fewer.

With a smaller limit than this, a claim may read ten times this many rows rather than ten times its limit: ending
expired tasks one by one would take a transaction for each.
"""


class _Claim(Struct):
    """What one claim has got."""

    names: StorageNames
    connection: Connection
    limit: int
    now: int = 0
    rows: list[tuple[str, int, Row]] = field(default_factory=list[tuple[str, int, Row]])
    """Queue, line, and the row."""
    expired: list[int] = field(default_factory=list[int])
    """Keys of tasks that have expired; locked, as the rows are."""
    blocked: tuple[str, int, int] = ("", 0, 0)
    """Queue, line, and its head: where the latest of the expired ones stood."""

    @property
    def missing(self) -> int:
        """How many more tasks it may look at."""
        return self.limit - len(self.rows) - len(self.expired)


async def reserve(
    database: Database, queues: Sequence[str], *, limit: int, lease: float, worker: str
) -> list[Delivery]:
    """Take due tasks: in one transaction, or in several while they find none but expired ones.

    There are at most as many as it takes to end `CLEARED_PER_CALL`, so that a queue whose first 200,000 tasks have
    expired is soon in order again, and no single call takes long.
    """
    number = await database.worker_number(worker)
    for _ in range(max(CLEARED_PER_CALL // max(limit, CLEARED_PER_CLAIM), 1)):
        deliveries, met_expired = await database.run(
            lambda connection: _reserve(_Claim(database.names, connection, limit), queues, lease, number)
        )
        if deliveries or not met_expired:
            return deliveries
    return []


async def _reserve(claim: _Claim, queues: Sequence[str], lease: float, worker: int) -> tuple[list[Delivery], bool]:
    """One claim: its deliveries, and whether it met, and ended, expired tasks."""
    names, connection = claim.names, claim.connection
    await _take(claim, queues)
    ended = await _end_expired(claim) if claim.expired else []
    if not claim.rows:
        await connection.run_all([*ended, "COMMIT"])
        return [], bool(ended)
    token = fresh_token()
    pks = sorted([row[0] for _, _, row in claim.rows])
    until = claim.now + microseconds(lease)
    leased = names.statement("reserve_lease", token=token, until=until, worker=worker, now=claim.now, pks=pks)
    await connection.run_all([*ended, leased])
    return [_delivery(queue, line, row, token, lease) for queue, line, row in claim.rows], bool(ended)


async def _take(claim: _Claim, queues: Sequence[str]) -> None:
    """Look at the heads of the lines, in order, as far as the claim goes."""
    first = queues[0]
    results = await claim.connection.run(claim.names.statement("reserve", queue=first, limit=claim.limit))
    line, now = results[-1].rows[0]
    claim.now = int(now)
    if line is not None:
        _add(claim, first, int(line), 0, results[-2].rows)
    if claim.missing and (line is not None or len(queues) > 1):
        await _take_from_others(claim, queues, LINES if line is None else int(line) + 1)


async def _take_from_others(claim: _Claim, queues: Sequence[str], begin: int) -> None:
    """Go through the lines behind `begin` of the first queue, and all of the other queues."""
    lines = [(queues[0], line) for line in range(begin, LINES)]
    for start in range(1, len(queues), LINES_PER_LOOK):
        lines += await _populated(claim, queues[start : start + LINES_PER_LOOK])
    for first in range(0, len(lines), LINES_PER_LOOK):
        if claim.missing:
            await _take_from(claim, lines[first : first + LINES_PER_LOOK])


async def _populated(claim: _Claim, queues: Sequence[str]) -> list[tuple[str, int]]:
    """The lines of these queues, in order, but for those ahead of the first one that holds anything."""
    looks = [
        claim.names.statement("reserve_first_line", place=place, queue=queue) for place, queue in enumerate(queues)
    ]
    [heads] = await claim.connection.run(" UNION ALL ".join(looks))
    found: list[tuple[int, int]] = sorted((row[0], row[1]) for row in heads.rows)
    return [(queues[place], line) for place, first in found for line in range(first, LINES)]


async def _take_from(claim: _Claim, lines: Sequence[tuple[str, int]]) -> None:
    looks = [
        claim.names.statement("reserve_heads", place=place, queue=queue, line=line)
        for place, (queue, line) in enumerate(lines)
    ]
    [heads] = await claim.connection.run(" UNION ALL ".join(looks))
    found: list[tuple[int, int | None]] = sorted((row[0], row[1]) for row in heads.rows)
    for place, head in found:
        if head is None or head > claim.now:
            continue
        if not claim.missing:
            return
        queue, line = lines[place]
        sql = claim.names.statement("reserve_line", queue=queue, line=line, head=head, limit=claim.missing)
        [found_there] = await claim.connection.run(sql)
        _add(claim, queue, line, head, found_there.rows)


def _add(claim: _Claim, queue: str, line: int, head: int, rows: Sequence[Row]) -> None:
    """Sort the rows of one line into those to deliver and those that have expired."""
    claim.rows += [(queue, line, row) for row in rows if not row[7]]
    expired = [row[0] for row in rows if row[7]]
    if expired:
        claim.expired += expired
        claim.blocked = (queue, line, head)


async def _end_expired(claim: _Claim) -> list[str]:
    """Statements that end what it met of expired tasks and, for a small claim, what follows them in their line."""
    names, connection = claim.names, claim.connection
    pks = set(claim.expired)
    if claim.limit < CLEARED_PER_CLAIM:
        queue, line, head = claim.blocked
        sql = names.statement("reserve_expired", queue=queue, line=line, head=head, limit=CLEARED_PER_CLAIM)
        [heads] = await connection.run(sql)
        pks.update(row[0] for row in heads.rows if row[1])
    [locked] = await connection.run(names.statement("lock_idle_by_pk", pks=sorted(pks)))
    transitions = Transitions(names, claim.now)
    for task in stored_tasks(locked.rows):
        ended = fate_of(task, claim.now)
        if ended is not None:
            transitions.end_as_fated(task, ended)
    return transitions.statements()


def _delivery(queue: str, line: int, row: Any, token: int, lease: float) -> Delivery:
    return Delivery(
        id=row[1],
        queue=queue,
        name=row[2].decode(),
        payload=row[3],
        correlation_id=None if row[4] is None else row[4].decode(),
        priority=9 - line,
        attempt=row[5] + 1,
        receipt=receipt_of(row[0], token),
        enqueued_at=moment_at(row[6]),
        lease=lease,
    )
