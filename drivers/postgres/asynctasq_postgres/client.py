"""asyncpg, as far as this driver uses it, with types: asyncpg has none of its own."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

Row = Sequence[Any]
"""One row, its columns by number."""

PostgresError = cast("type[Exception]", asyncpg.PostgresError)
"""The server answered with an error."""
UniqueViolation = cast("type[Exception]", asyncpg.UniqueViolationError)

NATIVE_ERRORS: tuple[type[BaseException], ...] = (
    PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""Everything that asyncpg raises on its own."""


class Connection(Protocol):
    """A connection."""

    async def fetch(self, query: str, *arguments: Any, timeout: float | None = None) -> list[Row]:
        """Run one statement."""
        ...

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        """The first column of the first row."""
        ...

    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> str:
        """Run statements, without their rows."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """Begin; commit or roll back at the end."""
        ...

    def is_in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...

    def is_closed(self) -> bool:
        """Whether it is of no more use."""
        ...

    async def close(self, *, timeout: float | None = None) -> None:
        """Say goodbye, wait for the answer, and close."""
        ...

    def terminate(self) -> None:
        """Close at once."""
        ...

    async def add_listener(self, channel: str, callback: Callable[[object, int, str, object], None]) -> None:
        """LISTEN."""
        ...

    def add_termination_listener(self, callback: Callable[[object], None]) -> None:
        """Call back once the connection has ended, whoever ended it."""
        ...


async def connect(**arguments: Any) -> Connection:
    """`asyncpg.connect`."""
    return cast("Connection", await asyncpg.connect(**arguments))  # pyright: ignore[reportUnknownMemberType]


def is_connection(value: object) -> bool:
    """Whether this is a connection of asyncpg, by itself or out of a pool."""
    return isinstance(value, asyncpg.Connection | asyncpg.pool.PoolConnectionProxy)
