"""A disk without room: the tables are on a small file system of their own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver

from asynctasq.driver_api import Complete, NewTask, QueueFull, SettleOutcome

from .guests import GUESTS
from .servers import MariaDBServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PAYLOAD = os.urandom(50_000)
IN_THE_WAY = 16_000_000
"""Bytes of a file that can be removed to make room."""


@pytest.fixture
def small_disk(server: MariaDBServer) -> Iterator[Path]:
    """The folder of the database `small`: a file system of 48 MB."""
    folder = server.folder / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    try:
        problem = subprocess.run(command, check=False, capture_output=True, text=True).stderr.strip()
    except OSError as error:  # there is no such program
        problem = str(error)
    if not folder.is_mount():
        pytest.skip(f"machine: NO FILE SYSTEM CAN BE MOUNTED HERE ({problem}): no full disk is tested")
    try:
        yield folder
    finally:
        server.kill()
        subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk(server: MariaDBServer, small_disk: Path) -> None:
    """QueueFull, and nothing of the call is applied, on the driver's connection and on a caller's own; what is stored
    stays; with room again the same batch is accepted and everything is worked off."""
    (small_disk / "in-the-way").write_bytes(bytes(IN_THE_WAY))
    driver = MySQLDriver(MySQLConfig(dsn=server.url, database="small", command_timeout=60.0))
    await driver.prepare_storage()
    async with driver:
        accepted, batch = await _fill(driver)
        assert await driver.get_tasks([task.id for task in batch]) == {}
        async with GUESTS["aiomysql"](driver.settings, "READ COMMITTED") as guest:
            with pytest.raises(QueueFull):
                await guest.enqueue(driver, *batch)
            await guest.rollback()
        assert (await driver.queue_stats(["q"]))["q"].ready == len(accepted) > 0

        (small_disk / "in-the-way").unlink()
        assert all(outcome.accepted for outcome in await driver.enqueue_many(batch))
        done: list[str] = []
        while deliveries := await driver.reserve(["q"], limit=10, lease=60.0, worker="w"):
            outcomes = await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
            assert set(outcomes) == {SettleOutcome.APPLIED}
            done += [delivery.id for delivery in deliveries]
        assert done == [*accepted, *(task.id for task in batch)]


async def _fill(driver: MySQLDriver) -> tuple[list[str], list[NewTask]]:
    """Enqueue until there is no room: the ids that were accepted, and the batch that was not."""
    accepted: list[str] = []
    while True:
        batch = _batch(len(accepted))
        try:
            await driver.enqueue_many(batch)
        except QueueFull:
            return accepted, batch
        accepted += [task.id for task in batch]


def _batch(start: int) -> list[NewTask]:
    return [NewTask(id=f"t{number}", queue="q", name="n", payload=PAYLOAD) for number in range(start, start + 10)]
