"""The driver's access to its database: errors translated, and transactions that the server undid run again."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from asynctasq_mysql.client import NATIVE_ERRORS, Connection, Result, Row
from asynctasq_mysql.connections import ConnectionPool
from asynctasq_mysql.error_mapping import is_retried, own_error
from asynctasq_mysql.literals import Value
from asynctasq_mysql.settings import MySQLConfig
from asynctasq_mysql.steps import Step, Steps
from asynctasq_mysql.storage_names import StorageNames

T = TypeVar("T")

ATTEMPTS = 20
"""How often a transaction that the server undid is run before the caller hears of it."""
LONGEST_PAUSE = 0.25
"""Seconds between two of them."""


class Database:
    """One open pool, one namespace."""

    def __init__(self, settings: MySQLConfig, names: StorageNames, pool: ConnectionPool) -> None:
        self.settings = settings
        self.names = names
        self.undone = 0
        """Transactions that the server undid and that were run again."""
        self._pool = pool
        self._workers: dict[str, int] = {}

    async def register_namespace(self) -> None:
        """Look up the number that the namespace's rows carry, or take a new one."""
        name = self.settings.namespace
        rows = await self.fetch("namespace", name=name)
        if not rows:
            await self.execute("namespace_add", name=name)
            rows = await self.fetch("namespace", name=name)
        self.names.namespace = rows[0][0]

    async def worker_number(self, worker: str) -> int:
        """The number that a worker's deliveries carry."""
        number = self._workers.get(worker)
        if number is None:
            rows = await self.fetch("worker", name=worker)
            if not rows:
                await self.execute("worker_add", name=worker)
                rows = await self.fetch("worker", name=worker)
            number = self._workers[worker] = int(rows[0][0])
        return number

    async def close(self) -> None:
        """Close the pool."""
        await self._pool.close()

    async def fetch(self, statement: str, /, **values: Value) -> list[Row]:
        """The rows of one statement by itself."""
        return list((await self.execute(statement, **values))[-1].rows)

    async def execute(self, statement: str, /, **values: Value) -> list[Result]:
        """Run one file of statements by itself, in one round trip."""
        sql = self.names.statement(statement, **values)
        return await self.run(lambda connection: connection.run(sql))

    async def run_steps(self, steps: Callable[[], Steps[T]]) -> T:
        """Run all steps in one transaction."""
        return await self.run(lambda connection: _run_steps(connection, steps()))

    async def run(self, operation: Callable[[Connection], Awaitable[T]]) -> T:
        """Run an operation that is one transaction; again, if the server undid it.

        Raises:
            DriverError: as the error mapping says.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + self.settings.command_timeout
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._pool.run(operation)
            except NATIVE_ERRORS as error:
                if attempt == ATTEMPTS or clock() > deadline or not is_retried(error):
                    raise own_error(error) from error
            self.undone += 1
            await asyncio.sleep(random.uniform(0, min(0.001 * 2**attempt, LONGEST_PAUSE)))
        raise AssertionError("unreachable: the last attempt returns or raises")


async def _run_steps(connection: Connection, steps: Steps[T]) -> T:
    step = next(steps)
    before = ["START TRANSACTION"]
    while True:
        after = ["COMMIT"] if step.is_last else []
        results = await connection.run_all([*before, *step.statements, *after])
        results = results[len(before) : len(before) + len(step.statements)]
        try:
            following: Step = steps.send(results)
        except StopIteration as end:
            if not step.is_last:
                await connection.run("COMMIT")
            return end.value
        before, step = [], following
