"""What a move has to remember across an interruption: tasks in the source that are never delivered."""

import hashlib
from collections.abc import Iterable

from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import NewTask
from asynctasq.errors import ConfigurationError

JOURNAL_QUEUE = "asynctasq-move"
"""No worker serves this queue, and its tasks are due in years."""

_PAGE = 100


class Journal:
    """The queues of the target that were paused for the move's sake, one entry each: they are to be resumed at its end.

    An entry is written before its queue is paused, so that a crash between the two leaves an entry too many, which does
    no harm.
    """

    def __init__(self, source: Driver, target: Driver) -> None:
        self._source = source
        self._target = target

    async def check_apart(self) -> None:
        """Raises:
        ConfigurationError: what is written into the source stands in the target at once: they are one store.
        """
        await self.note_paused([JOURNAL_QUEUE])
        same = await self._target.get_tasks([_entry_id(JOURNAL_QUEUE)])
        await self.strike([JOURNAL_QUEUE])
        if same:
            raise ConfigurationError(
                "source and target are the same store: what is written into the one stands in the other. "
                "Say another URL, or another namespace"
            )

    async def paused_queues(self) -> set[str]:
        """The queues that this move, or an interrupted one before it, has paused in the target."""
        found: set[str] = set()
        after: str | None = None
        while True:
            page = await self._source.list_tasks(queue=JOURNAL_QUEUE, limit=_PAGE, after=after)
            found.update(task.payload.decode() for task in page.tasks)
            if (after := page.after) is None:
                return found

    async def note_paused(self, queues: Iterable[str]) -> None:
        """Write an entry for each of these queues; one that has an entry keeps it."""
        for queue in queues:
            entry = NewTask(
                id=_entry_id(queue),
                queue=JOURNAL_QUEUE,
                name="asynctasq.move",
                payload=queue.encode(),
                delay=self._source.traits.limits.max_delay,
                remember_for=0.0,
            )
            await self._source.enqueue_many([entry])

    async def strike(self, queues: Iterable[str]) -> None:
        """These queues need no entry any more."""
        for queue in queues:
            await self._source.delete_many([_entry_id(queue)])


def _entry_id(queue: str) -> str:
    return f"asynctasq-move-{hashlib.blake2b(queue.encode(), digest_size=16).hexdigest()}"
