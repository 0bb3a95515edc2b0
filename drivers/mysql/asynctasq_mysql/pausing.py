"""Queues from which nothing is delivered."""

from collections.abc import Callable, Sequence

import anyio.lowlevel

from asynctasq.driver_api import check_identifiers
from asynctasq_mysql.database import Database
from asynctasq_mysql.literals import Sql, text


class MySQLPausing:
    """The feature `pausing`."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database

    async def pause(self, queues: Sequence[str]) -> None:
        """Leave these queues out of every `reserve` from now on."""
        database = self._database()
        check_identifiers("queue", queues)
        if not queues:
            await anyio.lowlevel.checkpoint()
            return
        rows = ",".join([f"({database.names.namespace},{text(queue)})" for queue in sorted(set(queues))])
        await database.execute("pause", rows=Sql(rows))

    async def resume(self, queues: Sequence[str]) -> None:
        """Deliver from these queues again."""
        database = self._database()
        check_identifiers("queue", queues)
        if not queues:
            await anyio.lowlevel.checkpoint()
            return
        await database.execute("resume", queues=sorted(set(queues)))

    async def paused_queues(self) -> frozenset[str]:
        """The names of all paused queues."""
        return frozenset(row[0] for row in await self._database().fetch("paused_queues"))
