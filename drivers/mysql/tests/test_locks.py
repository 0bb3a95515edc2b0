"""What a call holds while its transaction is open: the rows that it has taken, and no gap between any two."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver
from asynctasq_mysql.client import Connection
from asynctasq_mysql.connections import open_connection

from asynctasq.driver_api import NewTask

from .harness import Administrator
from .servers import MariaDBServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LIMIT = 10
WAITS = 4.0
"""Seconds, less than the 5 that the server waits for a lock."""


def new_task(priority: int = 4) -> NewTask:
    """A task with a fresh id."""
    return NewTask(id=uuid.uuid4().hex, queue="q", name="tests.task", payload=b"", priority=priority)


@pytest.fixture
async def driver(server: MariaDBServer) -> AsyncGenerator[MySQLDriver]:
    """A driver on a server that tells of every lock."""
    driver = MySQLDriver(MySQLConfig(dsn=server.url))
    await driver.prepare_storage()
    Administrator(driver.settings).run(
        "SET GLOBAL innodb_status_output = ON", "SET GLOBAL innodb_status_output_locks = ON"
    )
    async with driver:
        yield driver


@asynccontextmanager
async def open_claim(driver: MySQLDriver) -> AsyncGenerator[Connection]:
    """A connection of the driver's kind that has claimed, and neither leased nor committed."""
    connection = await open_connection(driver.settings)
    await connection.run(driver._names.statement("reserve", queue="q", limit=LIMIT))
    yield connection
    await connection.run("ROLLBACK")
    await connection.close(1.0)


def record_locks(driver: MySQLDriver) -> list[str]:
    """How the server describes the locks that open transactions have on tasks, index by index."""
    [(_, _, status)] = Administrator(driver.settings).run("SHOW ENGINE INNODB STATUS")
    table = f"`{driver.settings.queue_table}`"
    return [line for line in status.splitlines() if line.startswith("RECORD LOCKS") and table in line]


async def test_a_claim_locks_rows_and_no_gaps(driver: MySQLDriver) -> None:
    """Every record lock of an open claim is `rec but not gap`; about as many rows are locked as were claimed."""
    await driver.enqueue_many([new_task(priority) for priority in range(10) for _ in range(20)])
    async with open_claim(driver):
        locks = record_locks(driver)
        assert {line.split(" of table ")[0].rpartition(" index ")[2] for line in locks} == {"line", "PRIMARY"}
        assert all("locks rec but not gap" in line for line in locks), locks
        [(locked,)] = Administrator(driver.settings).run(
            "SELECT SUM(trx_rows_locked) FROM information_schema.INNODB_TRX"
        )
        assert LIMIT <= locked <= 3 * LIMIT


@pytest.mark.parametrize("stored", [0, 1, 50])
async def test_a_claim_keeps_nobody_from_enqueueing_or_claiming(driver: MySQLDriver, stored: int) -> None:
    """Beside an open claim, of an empty queue too, others enqueue into the same queue at once, at every priority, and
    claim what is left."""
    await driver.enqueue_many([new_task() for _ in range(stored)])
    async with open_claim(driver):
        with anyio.fail_after(WAITS):
            await driver.enqueue_many([new_task(priority) for priority in range(10)])
            taken = await driver.reserve(["q"], limit=100, lease=60.0, worker="other")
        assert len(taken) == max(stored - LIMIT, 0) + 10
    assert len(await driver.reserve(["q"], limit=100, lease=60.0, worker="w")) == min(stored, LIMIT)
