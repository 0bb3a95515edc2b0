"""asyncpg's connections."""

from collections.abc import Sequence
from typing import Any, cast

from asynctasq_postgres.client import Connection, Row, is_connection
from asynctasq_postgres.guests.guest import AsyncGuest, no_transaction


class AsyncpgGuest(AsyncGuest):
    """A connection of asyncpg, a pool's included."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def enter(self) -> None:
        """asyncpg commits each statement by itself unless a transaction was begun."""
        if not self._connection.is_closed() and not self._connection.is_in_transaction():
            raise no_transaction("this connection has no transaction open: use it inside `async with c.transaction():`")

    async def fetch(self, statement: str, arguments: Sequence[Any]) -> Sequence[Row]:
        """Run one statement."""
        return await self._connection.fetch(statement, *arguments)


def guest_of(connection: object) -> AsyncpgGuest | None:
    """The guest for this connection, if it is one of asyncpg."""
    return AsyncpgGuest(cast("Connection", connection)) if is_connection(connection) else None
