"""Queues from which nothing is delivered."""

from collections.abc import Callable, Sequence

from asynctasq.driver_api import check_identifiers
from asynctasq_postgres.database import Database


class PostgresPausing:
    """The feature `pausing`: a row per paused queue, which every claim reads."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database

    async def pause(self, queues: Sequence[str]) -> None:
        """Leave these queues out of every `reserve` from now on."""
        await self._run("pause", queues)

    async def resume(self, queues: Sequence[str]) -> None:
        """Deliver from these queues again."""
        await self._run("resume", queues)

    async def paused_queues(self) -> frozenset[str]:
        """The names of all paused queues."""
        database = self._database()
        return frozenset(row[0] for row in await database.fetch("paused_queues", database.namespace))

    async def _run(self, statement: str, queues: Sequence[str]) -> None:
        database = self._database()
        check_identifiers("queue", queues)
        await database.fetch(statement, database.namespace, list(dict.fromkeys(queues)))
