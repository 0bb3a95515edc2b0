"""Claims."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from asynctasq.driver_api import Delivery, Receipt
from asynctasq_postgres.client import Row
from asynctasq_postgres.database import Database
from asynctasq_postgres.floors import FULL_LOOK_EVERY, FULL_LOOK_WHEN_SHORT, LINES, Floors, Head
from asynctasq_postgres.receipts import new_nonce, receipt_tail

CLEARED_PER_CLAIM = 100
"""Ended tasks that a claim which finds nothing else clears, though it wants fewer. One that wants more clears as many
as it wants."""
CLEARED_PER_CALL = 1_000
"""Ended tasks that a call clears, claim after claim, before it comes back with nothing: so a queue whose first tasks
have all expired is soon in order again."""

_decode_head = msgspec.json.Decoder(Head).decode


async def reserve(
    database: Database, floors: Floors, queues: Sequence[str], *, limit: int, lease: float, worker: str
) -> list[Delivery]:
    """Claim in one statement; in more if time has ended what was found, or if the floors may have hidden something."""
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


def claims_of(limit: int) -> int:
    """How many claims in a row a call makes while they find nothing but tasks that time has ended."""
    return max(CLEARED_PER_CALL // max(limit, CLEARED_PER_CLAIM), 1)


async def _claim(
    database: Database, floors: Floors, queues: Sequence[str], is_full_look: bool, limit: int, lease: float, worker: str
) -> tuple[int, list[Delivery]]:
    """How many tasks were found, those that time had ended included, and the deliveries in their order."""
    lines = [database.names.first_line(queue) for queue in queues]
    nonce = new_nonce()
    for _ in range(claims_of(limit)):
        begin = [None] * (len(queues) * LINES) if is_full_look else floors.of(queues)
        rows = await database.fetch(
            "reserve", database.namespace, queues, lines, limit, float(lease), worker, nonce, begin, CLEARED_PER_CLAIM
        )
        leased = {row[0]: row for row in rows}
        head = _decode_head(leased.pop(None)[4])
        floors.raise_to(queues, head)
        if leased or not head.ended:
            return head.found, _deliveries(leased, head.order, nonce, lease)
    return limit, []  # there may be more of the same: no reason to look elsewhere


def _deliveries(leased: dict[int, Row], order: Sequence[int], nonce: int, lease: float) -> list[Delivery]:
    """What was leased, without what time had ended."""
    tail = receipt_tail(nonce)
    moments = _Moments()
    return [
        Delivery(
            receipt=Receipt(f"{seq}{tail}"),
            id=row[1],
            queue=row[2],
            name=row[3],
            payload=row[4],
            correlation_id=row[5],
            priority=row[6],
            attempt=row[7],
            enqueued_at=moments[row[8]],
            lease=lease,
        )
        for seq in order
        if (row := leased.get(seq)) is not None
    ]


class _Moments(dict[float, datetime]):
    """Seconds since 1970 -> that moment. Tasks that were enqueued together share theirs."""

    def __missing__(self, seconds: float) -> datetime:
        moment = self[seconds] = datetime.fromtimestamp(seconds, UTC)
        return moment
