"""The driver's access to its database: statements by name, errors translated, undone transactions run again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from asynctasq.driver_api import ConfigurationError
from asynctasq_postgres.client import NATIVE_ERRORS, Connection, Row
from asynctasq_postgres.connections import ConnectionPool
from asynctasq_postgres.error_mapping import Meaning, meaning_of, own_error, sqlstate_of
from asynctasq_postgres.settings import PostgresConfig
from asynctasq_postgres.steps import Step, Steps
from asynctasq_postgres.storage_names import StorageNames

T = TypeVar("T")

ATTEMPTS = 10
"""How often a transaction that the server undid is run before the caller hears of it."""


class Database:
    """One open pool, one namespace."""

    def __init__(self, settings: PostgresConfig, names: StorageNames, pool: ConnectionPool) -> None:
        self.settings = settings
        self.names = names
        self.namespace = names.namespace
        self.undone = 0
        """Transactions that the server undid and that were run again."""
        self._pool = pool

    async def register_namespace(self) -> None:
        """Write down which name the namespace's key stands for.

        Raises:
            ConfigurationError: the key stands for another name already.
        """
        wanted = self.settings.namespace
        rows: list[Row] = []
        while not rows:  # empty while another driver is registering the same one
            rows = await self.fetch("register_namespace", self.namespace, wanted)
        if rows[0][0] != wanted:
            raise ConfigurationError(
                f"the namespaces {wanted!r} and {rows[0][0]!r} have the same key in the database; choose another name"
            )

    async def close(self) -> None:
        """Close the pool."""
        await self._pool.close()

    async def fetch(self, name: str, *arguments: Any) -> list[Row]:
        """Run one statement by itself."""
        text = self.names.statement(name)
        return await self.run(lambda connection: connection.fetch(text, *arguments))

    async def fetch_value(self, name: str, *arguments: Any) -> Any:
        """The first column of the first row."""
        return (await self.fetch(name, *arguments))[0][0]

    async def execute_script(self, script: str) -> None:
        """Run several statements in one round trip."""
        await self.run(lambda connection: connection.execute(script))

    async def run_steps(self, steps: Callable[[], Steps[T]]) -> T:
        """Run what usually is one statement; if it turns out to be more, then in one transaction."""

        async def run(connection: Connection) -> T:
            running = steps()
            step = next(running)
            if step.alone:
                rows = await connection.fetch(step.statement, *step.arguments)
                try:
                    running.send(rows)
                except StopIteration as end:
                    return end.value
                raise AssertionError("a step that is alone was followed by another one")
            async with connection.transaction():
                return await _run_all(connection, running, step)

        return await self.run(run)

    async def run(self, operation: Callable[[Connection], Awaitable[T]]) -> T:
        """Run an operation that is one transaction; again, if the server undid it.

        Raises:
            DriverError: as the error mapping says.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._pool.run(operation)
            except NATIVE_ERRORS as error:
                sqlstate = sqlstate_of(error)
                if attempt == ATTEMPTS or sqlstate is None or meaning_of(sqlstate) is not Meaning.RETRY:
                    raise own_error(error) from error
            self.undone += 1
            await asyncio.sleep(random.uniform(0, 0.002 * 2**attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")


async def _run_all(connection: Connection, running: Steps[T], step: Step) -> T:
    while True:
        rows = await connection.fetch(step.statement, *step.arguments)
        try:
            step = running.send(rows)
        except StopIteration as end:
            return end.value
