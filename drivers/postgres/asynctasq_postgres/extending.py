"""Heartbeats."""

from collections.abc import Sequence

from asynctasq.driver_api import ExtendOutcome, Receipt
from asynctasq_postgres.database import Database
from asynctasq_postgres.receipts import read_receipts

_STALE = ExtendOutcome(applied=False)


async def extend(database: Database, receipts: Sequence[Receipt], lease: float) -> list[ExtendOutcome]:
    """One statement for all receipts; equal ones share their outcome."""
    fields = read_receipts(receipts)
    pairs = sorted({pair for pair in fields if pair is not None})
    rows = await database.fetch(
        "extend_many", database.namespace, [seq for seq, _ in pairs], [nonce for _, nonce in pairs], float(lease)
    )
    outcomes = {(row[0], row[1]): ExtendOutcome(applied=True, lease=row[2], cancel_requested=row[3]) for row in rows}
    return [_STALE if pair is None else outcomes.get(pair, _STALE) for pair in fields]
