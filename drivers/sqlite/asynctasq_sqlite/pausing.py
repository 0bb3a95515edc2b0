"""Pausing: queues from which nothing is delivered."""

from collections.abc import Callable, Sequence

from asynctasq.driver_api import check_identifiers
from asynctasq_sqlite.session import Session, to_json
from asynctasq_sqlite.store import Store


class SQLitePausing:
    """The feature `pausing`. Every transaction reads which queues are paused, so that it holds at once."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open_store = open_store

    async def pause(self, queues: Sequence[str]) -> None:
        """Leave these queues out of every `reserve` from now on."""
        store = self._open_store()
        check_identifiers("queue", queues)
        await store.writer.run(lambda session: session.run("pause", to_json(queues)).rowcount)

    async def resume(self, queues: Sequence[str]) -> None:
        """Deliver from these queues again."""
        store = self._open_store()
        check_identifiers("queue", queues)

        def resume(session: Session) -> None:
            session.run("resume", to_json(queues))
            session.ready_queues.update(queues)

        await store.writer.run(resume)

    async def paused_queues(self) -> frozenset[str]:
        """The names of all paused queues."""
        return await self._open_store().reader.run(lambda session: session.paused)
