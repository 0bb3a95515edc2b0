"""Heartbeats."""

from collections.abc import Sequence

from asynctasq.driver_api import ExtendOutcome, Receipt
from asynctasq_mysql.clock import microseconds, seconds
from asynctasq_mysql.database import Database
from asynctasq_mysql.literals import Sql
from asynctasq_mysql.receipts import read_receipts
from asynctasq_mysql.rows import CANCEL_REQUESTED

_STALE = ExtendOutcome(applied=False)


async def extend(database: Database, receipts: Sequence[Receipt], lease: float) -> list[ExtendOutcome]:
    """Move the ends of live leases, in one round trip."""
    read = read_receipts(receipts)
    pairs = sorted({(int(pk), int(token)) for pk, token in filter(None, read)})
    if not pairs:
        await database.fetch("now")
        return [_STALE] * len(receipts)
    results = await database.execute(
        "extend_many",
        lease=microseconds(lease),
        pks=sorted({pk for pk, _ in pairs}),
        receipts=Sql("(" + ",".join([f"({pk},{token})" for pk, token in pairs]) + ")"),
    )
    live = {
        (str(pk), str(token)): ExtendOutcome(
            applied=True, lease=seconds(left), cancel_requested=state == CANCEL_REQUESTED
        )
        for pk, token, left, state in results[-2].rows
    }
    return [_STALE if receipt is None else live.get(receipt, _STALE) for receipt in read]
