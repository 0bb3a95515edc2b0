"""A disk without room: tables on a small file system of their own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.settings import PostgresConfig

from asynctasq.driver_api import Complete, NewTask, QueueFull, SettleOutcome

from .servers import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PAYLOAD = os.urandom(50_000)
IN_THE_WAY = 8_000_000
"""Bytes of a file that can be removed to make room."""


@pytest.fixture
def small_disk(private_server: PostgresServer) -> Iterator[Path]:
    """The folder of a file system of 40 MB, which the private server may write to."""
    folder = private_server.folder / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)]
    try:
        problem = subprocess.run(command, check=False, capture_output=True, text=True).stderr.strip()
    except OSError as error:  # there is no such program
        problem = str(error)
    if not folder.is_mount():
        pytest.skip(f"machine: NO FILE SYSTEM CAN BE MOUNTED HERE ({problem}): no full disk is tested")
    try:
        (folder / "tables").mkdir()
        shutil.chown(folder / "tables", private_server.folder.owner())
        yield folder
    finally:
        private_server.stop()
        subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk(private_server: PostgresServer, small_disk: Path, namespace: str) -> None:
    """QueueFull, and nothing of the call is applied, on the driver's connection and on a caller's own; what is stored
    stays; with room again the same batch is accepted and everything is worked off."""
    (small_disk / "in-the-way").write_bytes(bytes(IN_THE_WAY))
    connection = await asyncpg.connect(private_server.url)
    await connection.execute(f"CREATE TABLESPACE small LOCATION '{small_disk / 'tables'}'")
    await connection.execute("CREATE DATABASE small TABLESPACE small")
    await connection.close()
    driver = PostgresDriver(PostgresConfig(dsn=private_server.url, database="small", namespace=namespace))
    await driver.prepare_storage()
    async with driver:
        assert driver.transactions is not None
        accepted, batch, told = await _fill(driver)
        assert "SQLSTATE 53100" in told
        assert await driver.get_tasks([task.id for task in batch]) == {}
        connection = await asyncpg.connect(private_server.url, database="small")
        transaction = connection.transaction()
        await transaction.start()
        with pytest.raises(QueueFull):
            await driver.transactions.on(connection).enqueue_many(batch)
        await transaction.rollback()
        await connection.close()
        assert (await driver.queue_stats(["q"]))["q"].ready == len(accepted) > 0

        (small_disk / "in-the-way").unlink()
        assert all(outcome.accepted for outcome in await driver.enqueue_many(batch))
        done: list[str] = []
        while deliveries := await driver.reserve(["q"], limit=10, lease=60.0, worker="w"):
            outcomes = await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
            assert set(outcomes) == {SettleOutcome.APPLIED}
            done += [delivery.id for delivery in deliveries]
        assert done == [*accepted, *(task.id for task in batch)]


async def _fill(driver: PostgresDriver) -> tuple[list[str], list[NewTask], str]:
    """Enqueue until there is no room: the ids that were accepted, the batch that was not, and what was said."""
    accepted: list[str] = []
    while True:
        batch = _batch(len(accepted))
        try:
            await driver.enqueue_many(batch)
        except QueueFull as error:
            return accepted, batch, str(error)
        accepted += [task.id for task in batch]


def _batch(start: int) -> list[NewTask]:
    return [NewTask(id=f"t{number}", queue="q", name="n", payload=PAYLOAD) for number in range(start, start + 10)]
