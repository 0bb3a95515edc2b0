"""One move at a time: a second one that begins meanwhile, or after the first was killed, waits for its turn.

Two moves side by side could store a task in the target that the other one has already moved, and that has run and been
forgotten there. The turn is a task in the source under a lease, so that the turn of a killed move ends by itself.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio

from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import NewTask, Receipt
from asynctasq.contract.settlements import Release
from asynctasq.errors import AsyncTasqError, DriverUnavailable, QueueFull, TransactionAborted
from asynctasq.moving.journal import JOURNAL_QUEUE

TURN_QUEUE = f"{JOURNAL_QUEUE}-turn"
"""No worker serves this queue: it holds the one task whose lease is the turn."""
LEASE = 10.0
_ASK_EVERY = 0.2
_LET_GO = 5.0
"""How long giving the turn back may take; it ends by itself anyway."""


@asynccontextmanager
async def turn_in(source: Driver, say: Callable[[str], None]) -> AsyncGenerator[None]:
    """The turn to move out of this source, kept until the block ends.

    Raises:
        AsyncTasqError: the turn was lost, because the source did not answer for as long as the lease lasts.
    """
    receipt = await _take(source, say)
    failed: list[Exception] = []  # raised at the end: out of the group they would come wrapped
    try:
        async with anyio.create_task_group() as group:

            async def keep() -> None:
                try:
                    await _keep(source, receipt)
                except Exception as error:
                    failed.append(error)
                    group.cancel_scope.cancel()

            group.start_soon(keep)
            try:
                yield
            except Exception as error:
                failed.append(error)
            group.cancel_scope.cancel()
    finally:
        with anyio.move_on_after(_LET_GO, shield=True):
            await _give_back(source, receipt)
    if failed:
        raise failed[0]


async def _take(source: Driver, say: Callable[[str], None]) -> Receipt:
    turn = NewTask(id=TURN_QUEUE, queue=TURN_QUEUE, name="asynctasq.move", payload=b"", remember_for=0.0)
    told = False
    while True:
        await source.enqueue_many([turn])
        for delivery in await source.reserve([TURN_QUEUE], limit=1, lease=LEASE, worker="asynctasq-move"):
            return delivery.receipt
        if not told and (await source.queue_stats([TURN_QUEUE]))[TURN_QUEUE].leased:
            say("waiting for another move out of this source; if it was killed, its turn ends within 10 seconds")
            told = True
        await anyio.sleep(_ASK_EVERY)


async def _keep(source: Driver, receipt: Receipt) -> None:
    while True:
        await anyio.sleep(LEASE / 3)
        try:
            [outcome] = await source.extend_many([receipt], lease=LEASE)
        except (DriverUnavailable, TransactionAborted):
            continue  # what the block does meets the same trouble, and tells of it
        if not outcome.applied:
            raise AsyncTasqError("the source did not answer for so long that another move may have begun; run it again")


async def _give_back(source: Driver, receipt: Receipt) -> None:
    try:
        await source.settle_many([Release(receipt=receipt)])
        await source.delete_many([TURN_QUEUE])
    except (DriverUnavailable, QueueFull, TransactionAborted):
        return  # its lease lapses
