"""Claims: the head of a queue by a read without locks, its rows by one with locks, and the lease by their keys.

A line is what has one order: a queue's tasks of one priority. The first line that holds anything is looked at in the
first round trip; only if it gives too few, a second one asks for the heads of all others.
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
EXPIRED_SLICE = 1000
"""Expired tasks at the head of a line that one call ends."""


class _Claim(Struct):
    """What one call of `reserve` has got."""

    names: StorageNames
    connection: Connection
    limit: int
    now: int = 0
    rows: list[tuple[str, int, Row]] = field(default_factory=list[tuple[str, int, Row]])
    """Queue, line, and the row."""

    @property
    def missing(self) -> int:
        return self.limit - len(self.rows)


async def reserve(
    database: Database, queues: Sequence[str], *, limit: int, lease: float, worker: str
) -> list[Delivery]:
    """Take due tasks, in one transaction."""
    number = await database.worker_number(worker)
    return await database.run(
        lambda connection: _reserve(_Claim(database.names, connection, limit), queues, lease, number)
    )


async def _reserve(claim: _Claim, queues: Sequence[str], lease: float, worker: int) -> list[Delivery]:
    names, connection = claim.names, claim.connection
    first = queues[0]
    results = await connection.run(names.statement("reserve", queue=first, limit=claim.limit))
    line, now = results[-1].rows[0]
    claim.now = int(now)
    if line is not None:
        await _add(claim, first, int(line), 0, results[-2].rows)
    if claim.missing and (line is not None or len(queues) > 1):
        await _take_from_others(claim, queues, LINES if line is None else int(line) + 1)
    if not claim.rows:
        await connection.run("COMMIT")
        return []
    token = fresh_token()
    pks = sorted([row[0] for _, _, row in claim.rows])
    until = claim.now + microseconds(lease)
    await connection.run(
        names.statement("reserve_lease", token=token, until=until, worker=worker, now=claim.now, pks=pks)
    )
    return [_delivery(queue, line, row, token, lease) for queue, line, row in claim.rows]


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
        await _add(claim, queue, line, head, await _line(claim, queue, line, head, claim.missing))


async def _line(claim: _Claim, queue: str, line: int, head: int, limit: int) -> Sequence[Row]:
    sql = claim.names.statement("reserve_line", queue=queue, line=line, head=head, limit=limit)
    [result] = await claim.connection.run(sql)
    return result.rows


async def _add(claim: _Claim, queue: str, line: int, head: int, rows: Sequence[Row]) -> None:
    """Take the rows of one line; if there are expired ones among them, end a slice of those, and look once more."""
    claim.rows += [(queue, line, row) for row in rows if not row[7]]
    if any(row[7] for row in rows):
        await _end_expired(claim, queue, line, head)
        if claim.missing:
            taken = {row[0] for _, _, row in claim.rows}  # which are due until the lease is written
            more = await _line(claim, queue, line, head, claim.limit)
            claim.rows += [(queue, line, row) for row in more if not row[7] and row[0] not in taken]


async def _end_expired(claim: _Claim, queue: str, line: int, head: int) -> None:
    names, connection = claim.names, claim.connection
    sql = names.statement("reserve_expired", queue=queue, line=line, head=head, limit=EXPIRED_SLICE)
    [found] = await connection.run(sql)
    taken = {row[0] for _, _, row in claim.rows}
    pks = [row[0] for row in found.rows if row[0] not in taken]
    if not pks:
        return
    [locked] = await connection.run(names.statement("lock_idle_by_pk", pks=pks))
    transitions = Transitions(names, claim.now)
    for task in stored_tasks(locked.rows):
        ended = fate_of(task, claim.now)
        if ended is not None:
            transitions.end_as_fated(task, ended)
    await connection.run_all(transitions.statements())


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
