"""Enqueueing through a short outage: the same batch with the same ids, again and again, for a bounded time."""

import random
from collections.abc import Sequence

import anyio

from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import NewTask
from asynctasq.contract.settlements import EnqueueOutcome
from asynctasq.errors import DriverUnavailable, QueueFull

RESEND_FOR = 1.5
"""Seconds from the first attempt within which another one may begin."""
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.5


async def enqueue_resending(
    driver: Driver, tasks: Sequence[NewTask], *, resend_for: float = RESEND_FOR
) -> list[EnqueueOutcome]:
    """Store a batch. A task that an unanswered first attempt stored is a duplicate of itself in the outcomes.

    Raises:
        DriverUnavailable, QueueFull: still, after `resend_for` seconds.
        DriverError: what else the driver raises, at once.
    """
    give_up_at = anyio.current_time() + resend_for
    pause = _FIRST_PAUSE
    while True:
        try:
            return await driver.enqueue_many(tasks)
        except (DriverUnavailable, QueueFull):
            if anyio.current_time() + pause > give_up_at:
                raise
        await anyio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, _LONGEST_PAUSE)
