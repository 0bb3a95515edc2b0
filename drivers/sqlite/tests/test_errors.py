"""SQLite's errors become the contract's: each is provoked, none is made up."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from asynctasq_sqlite import SQLiteDriver
from asynctasq_sqlite.error_mapping import connect_error, driver_error

from asynctasq.driver_api import (
    Complete,
    ConfigurationError,
    DriverError,
    DriverUnavailable,
    QueueFull,
    StorageMissing,
)

from .harness import connection_to, drop_tables
from .tasks import completions, drain, new_task, new_tasks, take

pytestmark = pytest.mark.anyio


async def limit_pages(driver: SQLiteDriver, extra: int) -> int:
    """Let the database grow by at most `extra` pages; gives the old limit."""

    def limit(session: Any) -> int:
        (old,) = session.run_sql("PRAGMA max_page_count", ()).fetchone()
        (pages,) = session.run_sql("PRAGMA page_count", ()).fetchone()
        session.run_sql(f"PRAGMA max_page_count = {pages + extra}", ()).fetchone()
        return old

    return await driver._open_store().writer.run(limit)


async def test_full(driver: SQLiteDriver) -> None:
    """Without room nothing of a batch is stored; once there is room, the same batch works and nothing was lost."""
    await driver.enqueue_many(new_tasks(20))
    await limit_pages(driver, 2)
    batch = new_tasks(20, payload=b"x" * 20_000)
    with pytest.raises(QueueFull) as caught:
        await driver.enqueue_many(batch)
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert await driver.get_tasks([task.id for task in batch]) == {}
    deliveries = await take(driver, 10)  # leases and completions of small tasks still fit into pages that are there
    assert len(deliveries) == 10
    await driver._open_store().writer.run(
        lambda session: session.run_sql("PRAGMA max_page_count = 1000000", ()).fetchone()
    )
    assert all(outcome.accepted for outcome in await driver.enqueue_many(batch))
    await driver.settle_many(completions(deliveries))
    assert len(await drain(driver)) == 30


async def test_full_hurts_only_the_call_that_does_not_fit(driver: SQLiteDriver) -> None:
    """Of calls that share a transaction, those that fit are stored."""
    await limit_pages(driver, 2)
    errors: list[QueueFull] = []

    async def enqueue(payload: bytes) -> None:
        try:
            await driver.enqueue_many([new_task(payload=payload)])
        except QueueFull as error:
            errors.append(error)

    async with anyio.create_task_group() as tasks:
        for size in (1, 200_000, 1, 200_000, 1):
            tasks.start_soon(enqueue, b"x" * size)
    assert len(errors) == 2
    assert len(await take(driver)) == 3


async def test_locked(path: Path, open_driver: Callable[..., Any]) -> None:
    """Another's transaction that takes longer than `busy_timeout` makes a write unavailable; reading goes on."""
    driver = await open_driver(busy_timeout=0.1)
    with connection_to(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(DriverUnavailable, match="busy_timeout"):
            await driver.enqueue_many([new_task()])
        assert (await driver.queue_stats(["q"]))["q"].ready == 0
        connection.execute("ROLLBACK")
    assert await driver.enqueue_many([new_task()])


async def test_a_short_lock_is_waited_for(path: Path, driver: SQLiteDriver) -> None:
    """A lock that is released in time is not seen."""
    with connection_to(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(driver.enqueue_many, [new_task()])
            await anyio.sleep(0.05)
            connection.execute("COMMIT")
    assert len(await take(driver)) == 1


async def test_no_answer_in_time(path: Path, open_driver: Callable[..., Any]) -> None:
    """A call that gets no answer within `command_timeout` is unknown; what did not begin is dropped."""
    driver = await open_driver(busy_timeout=0.3, command_timeout=0.31)
    with connection_to(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        errors: list[DriverUnavailable] = []

        async def enqueue(delay: float) -> None:
            await anyio.sleep(delay)
            try:
                await driver.enqueue_many([new_task()])
            except DriverUnavailable as error:
                errors.append(error)

        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(enqueue, number / 100)
        assert len(errors) == 10
        assert any("command_timeout" in str(error) for error in errors)
        connection.execute("ROLLBACK")
    assert await take(driver) == []


async def test_tables_gone(path: Path, driver: SQLiteDriver) -> None:
    """A namespace that somebody dropped is missing, and the message says what to do."""
    await anyio.to_thread.run_sync(drop_tables, path, "asynctasq")
    with pytest.raises(StorageMissing, match="asynctasq migrate"):
        await driver.enqueue_many([new_task()])
    with pytest.raises(StorageMissing, match="asynctasq migrate"):
        await driver.get_tasks(["x"])


def damage(path: Path) -> None:
    """Overwrite the beginnings of most pages."""
    content = bytearray(path.read_bytes())
    for page in range(8, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)


async def test_damaged_file(path: Path, new_driver: Callable[..., SQLiteDriver]) -> None:
    """A damaged database is reported as such, not tried again for ever."""
    async with new_driver() as driver:
        await driver.enqueue_many(new_tasks(500))
    damage(path)
    with pytest.raises((DriverError, ConfigurationError), match="damaged"):
        async with new_driver() as driver:
            await drain(driver)


async def test_one_call_s_error_stays_its_own(driver: SQLiteDriver) -> None:
    """A value that SQLite refuses fails its call; the calls beside it are applied."""
    writer = driver._open_store().writer
    outcomes: list[object] = []

    async def call(sql: str) -> None:
        try:
            outcomes.append(await writer.run(lambda session: session.run_sql(sql, ()).fetchone()))
        except DriverError as error:
            outcomes.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(driver.enqueue_many, [new_task()])
        tasks.start_soon(call, "SELECT zeroblob(2000000000)")
        tasks.start_soon(driver.enqueue_many, [new_task()])
    assert "larger than SQLite allows" in str(outcomes[0])
    assert len(await take(driver)) == 2


def test_read_only(tmp_path: Path) -> None:
    """A file that can't be written to can't be a store; a store that becomes so is unavailable."""
    file = tmp_path / "read-only.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    with (
        closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection,
        pytest.raises(sqlite3.OperationalError) as caught,
    ):
        connection.execute("INSERT INTO mine VALUES (1)")
    assert isinstance(driver_error(caught.value), DriverUnavailable)
    error = connect_error(caught.value, str(file))
    assert isinstance(error, ConfigurationError)
    assert "can't be written to" in str(error)


def test_what_is_unknown_is_a_driver_error() -> None:
    """Nothing but the contract's errors escapes, whatever SQLite thinks of next."""
    error = driver_error(sqlite3.InternalError("something new"))
    assert type(error) is DriverError
    assert "something new" in str(error)


async def test_large_payloads_are_claimed_in_parts(open_driver: Callable[..., Any]) -> None:
    """More payload than fits into one of SQLite's values is handed out by one call nevertheless."""
    driver = await open_driver(max_payload_bytes=2_000_000)
    store = driver._open_store()
    await driver.enqueue_many(new_tasks(12, payload=b"x" * 1_000_000))
    await store.writer.run(lambda _: store.writer._raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 5_000_000))
    deliveries = await take(driver, 12)
    assert [len(delivery.payload) for delivery in deliveries] == [1_000_000] * 12
    await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
