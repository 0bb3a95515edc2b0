"""Connecting: what the file must be, and how the session is set up."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from asynctasq_sqlite import SQLiteConfig, SQLiteDriver

from asynctasq.driver_api import ConfigurationError, DriverClosed, DriverUnavailable, Guarantee, StorageMissing

from .harness import connection_to
from .tasks import new_task, new_tasks, take

pytestmark = pytest.mark.anyio


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def read(path: Path) -> bytes:
    return path.read_bytes()


def open_files() -> int:
    """How many descriptors this process has; 0 where the system does not tell."""
    folder = "/proc/self/fd"
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0


@pytest.mark.parametrize(("synchronous", "number"), [("full", 2), ("normal", 1)])
async def test_durability_is_read_back_from_the_session(
    open_driver: Callable[..., Any], synchronous: str, number: int
) -> None:
    """The connections really run in WAL mode and sync every commit; NORMAL only by choice, and then not DURABLE."""
    driver = await open_driver(synchronous=synchronous)
    store = driver._open_store()

    def read(pragma: str) -> Any:
        return lambda session: session.run_sql(f"PRAGMA {pragma}", ()).fetchone()[0]

    for queue in (store.writer, store.reader):
        assert await queue.run(read("synchronous")) == number
        assert await queue.run(read("journal_mode")) == "wal"
        assert await queue.run(read("temp_store")) == 2
    assert (Guarantee.DURABLE in driver.traits.guarantees) == (number == 2)


async def test_missing_folder(tmp_path: Path) -> None:
    """A folder that does not exist is named."""
    driver = SQLiteDriver(SQLiteConfig(path=str(tmp_path / "nowhere" / "queue.db")))
    with pytest.raises(ConfigurationError, match="nowhere' of the database file does not exist"):
        await driver.connect()


async def test_folder_instead_of_file(tmp_path: Path) -> None:
    """A folder is no database."""
    with pytest.raises(ConfigurationError, match="is a folder"):
        await SQLiteDriver(SQLiteConfig(path=str(tmp_path))).connect()


async def test_file_of_another_kind(path: Path, new_driver: Callable[..., SQLiteDriver]) -> None:
    """A file that is no database is left as it is."""
    write(path, b"these are my notes, not a database\n" * 100)
    with pytest.raises(ConfigurationError, match="not an SQLite database"):
        await new_driver().connect()
    assert read(path).startswith(b"these are my notes")


async def test_other_encoding(path: Path, new_driver: Callable[..., SQLiteDriver]) -> None:
    """Payloads travel as text inside SQLite, which only UTF-8 leaves alone."""
    with connection_to(path) as connection:
        connection.execute("PRAGMA encoding = 'UTF-16'")
        connection.execute("CREATE TABLE mine (x)")
    with pytest.raises(ConfigurationError, match="UTF-16le; wanted UTF-8"):
        await new_driver().connect()


async def test_tables_are_not_made_unasked(new_driver: Callable[..., SQLiteDriver]) -> None:
    """With `prepare` off, connecting names the command, and `prepare_storage` makes the tables."""
    driver = new_driver(prepare=False)
    with pytest.raises(StorageMissing, match="asynctasq migrate"):
        await driver.connect()
    assert await driver.prepare_storage()
    async with driver:
        assert await driver.enqueue_many([new_task()])


async def test_connecting_waits_for_a_lock_and_gives_up(path: Path, new_driver: Callable[..., SQLiteDriver]) -> None:
    """A file that somebody keeps locked is unavailable, not misconfigured."""
    async with new_driver():
        pass
    with connection_to(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(DriverUnavailable, match="busy_timeout"):
            await new_driver(busy_timeout=0.05).connect()


def wait_until_it_is(wanted: tuple[int, int]) -> None:
    """aiosqlite's thread ends by itself, just after its last answer."""
    deadline = time.monotonic() + 5
    this_one = 1
    while True:
        threads, files = threading.active_count() - this_one, open_files()
        if threads <= wanted[0] and files <= wanted[1]:
            return
        assert time.monotonic() < deadline, f"{threads} threads and {files} files; wanted {wanted}"
        time.sleep(0.001)


async def test_a_failed_connect_leaves_nothing_open(tmp_path: Path) -> None:
    """After a refusal no connection, thread or warning is left."""
    bad = tmp_path / "bad.db"
    write(bad, b"x" * 4096)
    before = threading.active_count(), open_files()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConfigurationError):
            await SQLiteDriver(SQLiteConfig(path=str(bad))).connect()
    await anyio.to_thread.run_sync(wait_until_it_is, before)


async def test_other_tables_in_the_file_are_left_alone(path: Path, new_driver: Callable[..., SQLiteDriver]) -> None:
    """The store lives beside the application's own tables."""
    with connection_to(path) as connection:
        connection.execute("CREATE TABLE task (id INTEGER PRIMARY KEY, note TEXT)")
        connection.execute("INSERT INTO task (note) VALUES ('mine')")
    async with new_driver() as driver:
        await driver.enqueue_many(new_tasks(3))
        await driver.purge(["q"])
    with connection_to(path) as connection:
        assert connection.execute("SELECT note FROM task").fetchall() == [("mine",)]


async def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changing the working directory afterwards does not move the store."""
    monkeypatch.chdir(tmp_path)
    driver = SQLiteDriver(SQLiteConfig(path="here.db"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    async with driver:
        assert (tmp_path / "here.db").exists()


async def test_disconnecting_wakes_who_listens(driver: SQLiteDriver) -> None:
    """A listener does not keep waiting on a driver that is closed."""
    assert driver.wake_ups is not None
    async with driver.wake_ups.listen(["q"]) as stream, anyio.create_task_group() as tasks:

        async def wait() -> None:
            with anyio.fail_after(5), pytest.raises(DriverClosed):
                await stream.wait(30)

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await driver.disconnect()


async def test_many_drivers_at_once(new_driver: Callable[..., SQLiteDriver]) -> None:
    """Several drivers that are the first to connect prepare one store."""
    drivers = [new_driver() for _ in range(8)]
    async with anyio.create_task_group() as tasks:
        for driver in drivers:
            tasks.start_soon(driver.connect)
    await drivers[0].enqueue_many(new_tasks(8))
    assert [len(await take(driver, 1)) for driver in drivers] == [1] * 8
    for driver in drivers:
        await driver.disconnect()


FIRST_CONNECT = """
import asyncio, sys
from asynctasq.driver_api import NewTask
from asynctasq_sqlite import SQLiteConfig, SQLiteDriver

async def main():
    async with SQLiteDriver(SQLiteConfig(path=sys.argv[1])) as driver:
        task = NewTask(id=sys.argv[2], queue="q", name="work", payload=b"")
        assert (await driver.enqueue_many([task]))[0].accepted

asyncio.run(main())
"""


def run_at_once(arguments: list[list[str]]) -> list[int]:
    processes = [subprocess.Popen([sys.executable, "-c", FIRST_CONNECT, *each]) for each in arguments]
    return [process.wait(30) for process in processes]


async def test_several_processes_connect_for_the_first_time(path: Path, driver: SQLiteDriver) -> None:
    """Processes that meet at a file without tables all get to work."""
    fresh = path.with_name("fresh.db")
    assert run_at_once([[str(fresh), f"task-{number}"] for number in range(4)]) == [0] * 4
    async with SQLiteDriver(SQLiteConfig(path=str(fresh))) as reader:
        assert len(await take(reader)) == 4


async def test_too_old_sqlite(monkeypatch: pytest.MonkeyPatch, new_driver: Callable[..., SQLiteDriver]) -> None:
    """An SQLite without what the statements use is refused with both versions."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 0))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.31.0")
    with pytest.raises(ConfigurationError, match=r"3\.31\.0; wanted 3\.37\.0 or newer"):
        await new_driver().connect()
