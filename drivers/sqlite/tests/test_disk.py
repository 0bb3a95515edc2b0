"""What a real disk does to a store: it fills up, it refuses to be written to."""

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio.to_thread
import pytest
from asynctasq_sqlite import SQLiteConfig, SQLiteDriver

from asynctasq.driver_api import ConfigurationError, DriverUnavailable, NewTask, QueueFull, SettleOutcome

from .harness import connection_to
from .tasks import completions, drain, new_tasks, take

pytestmark = pytest.mark.anyio

BALLAST = 1024 * 1024
NOBODY = 65534


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB, of which a file named `ballast` takes the fourth part."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(disk)]
    try:
        problem = subprocess.run(command, check=False, capture_output=True, text=True).stderr.strip()
    except OSError as error:  # there is no such program
        problem = str(error)
    if not disk.is_mount():
        pytest.skip(f"machine: NO SMALL DISK can be mounted ({problem}): a full disk is not tested")
    (disk / "ballast").write_bytes(b"x" * BALLAST)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def on_disk(folder: Path) -> SQLiteDriver:
    return SQLiteDriver(SQLiteConfig(path=str(folder / "queue.db")))


def make_room(disk: Path) -> None:
    (disk / "ballast").unlink()


def is_sound(path: Path) -> bool:
    with connection_to(path) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def fill(driver: SQLiteDriver, count: int = 10, size: int = 10_000) -> tuple[list[NewTask], list[NewTask]]:
    """Enqueue until there is no room for a batch; the tasks that were accepted, and the batch that was refused."""
    accepted: list[NewTask] = []
    while True:
        batch = new_tasks(count, payload=b"x" * size)
        try:
            await driver.enqueue_many(batch)
        except QueueFull:
            return accepted, batch
        accepted += batch


async def test_a_full_disk(small_disk: Path) -> None:
    """On a full disk nothing of a batch is stored; with room again the same batch is, and nothing was lost."""
    async with on_disk(small_disk) as driver:
        accepted, refused = await fill(driver)
        assert len(accepted) >= 50
        assert await driver.get_tasks([task.id for task in refused]) == {}
        await anyio.to_thread.run_sync(make_room, small_disk)
        assert all(outcome.accepted for outcome in await driver.enqueue_many(refused))
        assert await drain(driver) == [task.id for task in accepted + refused]
    assert await anyio.to_thread.run_sync(is_sound, small_disk / "queue.db")


async def test_what_is_leased_when_the_disk_fills_up(small_disk: Path) -> None:
    """A settlement that found no room is settled, once, when it is sent again."""
    async with on_disk(small_disk) as driver:
        await driver.enqueue_many(new_tasks(10))
        deliveries = await take(driver)
        await fill(driver)
        await fill(driver, count=1, size=10)  # not even a small write finds room
        settlements = completions(deliveries)
        refusals = 0
        while refusals < 3:
            try:
                outcomes = await driver.settle_many(settlements[:1])
            except QueueFull:
                refusals += 1
                continue
            assert outcomes == [SettleOutcome.APPLIED]
            settlements = settlements[1:]
            if not settlements:
                break
        assert refusals
        await anyio.to_thread.run_sync(make_room, small_disk)
        outcomes = await driver.settle_many(completions(deliveries))
        assert outcomes.count(SettleOutcome.APPLIED) == len(settlements)
        assert (await driver.queue_stats(["q"]))["q"].total_completed == len(deliveries)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """This process may write no file beyond `size` bytes."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


async def test_a_file_that_may_not_grow(driver: SQLiteDriver) -> None:
    """A failing write is unknown to have applied, and has not: what was stored before is there, and work goes on."""
    await driver.enqueue_many(new_tasks(5))
    batch = new_tasks(50, payload=b"x" * 10_000)
    with largest_file(200_000), pytest.raises(DriverUnavailable, match="disk I/O error"):
        await driver.enqueue_many(batch)
    assert await driver.get_tasks([task.id for task in batch]) == {}
    assert all(outcome.accepted for outcome in await driver.enqueue_many(batch))
    assert len(await drain(driver)) == 55


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without the superuser's rights, to whom no permission applies."""
    is_superuser = os.geteuid() == 0
    if is_superuser:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_superuser:
            os.seteuid(0)


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """A folder that everybody may look into."""
    folder = Path(tempfile.mkdtemp(prefix="asynctasq-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def permit(folder: Path, of_folder: int, of_file: int) -> None:
    (folder / "queue.db").chmod(of_file)
    folder.chmod(of_folder)


@pytest.mark.parametrize(("of_folder", "of_file"), [(0o555, 0o444), (0o555, 0o666), (0o755, 0o444), (0o755, 0o000)])
async def test_a_store_that_may_not_be_written_to(readable_folder: Path, of_folder: int, of_file: int) -> None:
    """Without the right to write to the file and its folder connecting says so, and names the file."""
    async with on_disk(readable_folder) as driver:
        await driver.enqueue_many(new_tasks(1))
    permit(readable_folder, of_folder, of_file)
    with as_nobody(), pytest.raises(ConfigurationError, match=r"queue\.db' can't be used as the store: the file"):
        await on_disk(readable_folder).connect()
