"""Claims."""

import asyncio
from collections.abc import Sequence
from operator import itemgetter

from asynctasq.driver_api import Delivery, Receipt
from asynctasq_postgres.database import Database
from asynctasq_postgres.floors import FULL_LOOK_EVERY, FULL_LOOK_WHEN_SHORT, LINES, Floors, Head
from asynctasq_postgres.receipts import new_nonce, receipt_tail


async def reserve(
    database: Database, floors: Floors, queues: Sequence[str], *, limit: int, lease: float, worker: str
) -> list[Delivery]:
    """Claim in one statement, or two if the floors may have hidden something."""
    now = asyncio.get_running_loop().time()
    neglected = floors.since_full_look(queues, now)
    is_full_look = neglected >= FULL_LOOK_EVERY
    found, deliveries = await _claim(database, floors, queues, is_full_look, limit, lease, worker)
    is_short = found == 0 or (found < limit and neglected >= FULL_LOOK_WHEN_SHORT)
    if is_short and not is_full_look:
        is_full_look = True
        _, more = await _claim(database, floors, queues, is_full_look, limit - found, lease, worker)
        deliveries += more
    if is_full_look:
        floors.note_full_look(queues, now)
    return deliveries


async def _claim(
    database: Database, floors: Floors, queues: Sequence[str], is_full_look: bool, limit: int, lease: float, worker: str
) -> tuple[int, list[Delivery]]:
    """How many tasks were found, those that time had ended included, and the deliveries in their order."""
    nonce = new_nonce()
    begin = [None] * (len(queues) * LINES) if is_full_look else floors.of(queues)
    lines = [database.names.first_line(queue) for queue in queues]
    rows = await database.fetch("reserve", database.namespace, queues, lines, limit, float(lease), worker, nonce, begin)
    rows.sort(key=itemgetter(0))
    head = rows[0]
    found: int = head[8] or 0
    floors.raise_to(queues, Head(line=head[1], found=found, ready_at=head[9], clock=head[10], paused=head[11] or ()))
    tail = receipt_tail(nonce)
    return found, [
        Delivery(
            receipt=Receipt(f"{row[1]}{tail}"),
            id=row[2],
            queue=row[3],
            name=row[4],
            payload=row[5],
            correlation_id=row[6],
            priority=row[7],
            attempt=row[8],
            enqueued_at=row[9],
            lease=lease,
        )
        for row in rows[1:]
    ]
