"""Transactions on a user's own connection, beyond what the suite asks: connections of both kinds, left as they were."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiosqlite
import anyio
import anyio.to_thread
import pytest
from asynctasq_sqlite import SQLiteDriver

from asynctasq.driver_api import InvalidArgument, QueueFull, StorageMissing, TransactionAborted

from .harness import connection_to
from .tasks import completions, new_task, new_tasks, take

pytestmark = pytest.mark.anyio


@pytest.fixture
def connection(path: Path, driver: SQLiteDriver) -> Iterator[sqlite3.Connection]:
    """A user's own synchronous connection, with Python's way of beginning transactions."""
    with closing(sqlite3.connect(path, timeout=5)) as connection:
        connection.execute("CREATE TABLE account (balance INTEGER)")
        connection.commit()
        yield connection


async def test_synchronous_connection(driver: SQLiteDriver, connection: sqlite3.Connection) -> None:
    """On a connection of the standard library the methods are plain, and share its transaction."""
    assert driver.transactions is not None
    connection.execute("INSERT INTO account VALUES (1)")
    outcomes: Any = driver.transactions.on(connection).enqueue_many(new_tasks(2))
    assert [outcome.accepted for outcome in outcomes] == [True, True]
    assert await driver.get_tasks([]) == {}
    assert (await driver.queue_stats(["q"]))["q"].ready == 0
    connection.commit()
    deliveries = await take(driver)
    assert len(deliveries) == 2
    connection.execute("INSERT INTO account VALUES (2)")
    driver.transactions.on(connection).settle_many(completions(deliveries))
    connection.rollback()
    assert (await driver.queue_stats(["q"]))["q"].leased == 2


async def test_factories_of_the_user_are_restored(driver: SQLiteDriver, connection: sqlite3.Connection) -> None:
    """The user's row and text factories neither disturb the call nor are lost by it, even if it fails."""
    assert driver.transactions is not None

    def as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
        return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}

    connection.row_factory, connection.text_factory = as_dict, bytes
    with pytest.raises(InvalidArgument, match="no transaction open"):
        driver.transactions.on(connection).enqueue_many(new_tasks(1))
    connection.execute("BEGIN IMMEDIATE")
    driver.transactions.on(connection).enqueue_many(new_tasks(1))
    assert connection.execute("SELECT 'text' AS name").fetchone() == {"name": b"text"}
    connection.commit()
    assert len(await take(driver)) == 1


async def test_other_file(tmp_path: Path, driver: SQLiteDriver) -> None:
    """A transaction on another file can't carry the tasks of this one."""
    assert driver.transactions is not None
    async with aiosqlite.connect(tmp_path / "other.db", isolation_level=None) as other:
        await other.execute("BEGIN")
        bound: Any = driver.transactions.on(other)
        with pytest.raises(InvalidArgument, match="wanted the driver's own file"):
            await bound.enqueue_many(new_tasks(1))
        assert other.in_transaction
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute("BEGIN")
        with pytest.raises(InvalidArgument, match="a temporary database"):
            driver.transactions.on(memory).enqueue_many(new_tasks(1))


async def test_unknown_connection(driver: SQLiteDriver) -> None:
    """What is no connection of SQLite's is refused with the types that would do."""
    assert driver.transactions is not None
    with pytest.raises(InvalidArgument, match=r"aiosqlite\.Connection or sqlite3\.Connection"):
        driver.transactions.on(object())


async def test_a_closed_connection(path: Path, driver: SQLiteDriver) -> None:
    """A connection that is closed is named as the reason."""
    assert driver.transactions is not None
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        bound: Any = driver.transactions.on(connection)
    with pytest.raises(InvalidArgument, match="the connection is not open"):
        await bound.enqueue_many(new_tasks(1))


async def test_an_aiosqlite_that_is_built_differently(
    path: Path, driver: SQLiteDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version of aiosqlite without the part that the driver uses is refused by its number."""
    assert driver.transactions is not None
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        bound: Any = driver.transactions.on(connection)
        with monkeypatch.context() as version_to_come:
            version_to_come.setattr(connection, "_execute", None)
            with pytest.raises(InvalidArgument, match=f"aiosqlite {version('aiosqlite')} "):
                await bound.enqueue_many(new_tasks(1))


async def test_the_same_file_by_another_name(path: Path, driver: SQLiteDriver) -> None:
    """A link to the file is the file."""
    assert driver.transactions is not None
    link = path.with_name("link.db")
    link.symlink_to(path)
    async with aiosqlite.connect(link, isolation_level=None) as connection:
        await connection.execute("BEGIN IMMEDIATE")
        bound: Any = driver.transactions.on(connection)
        assert (await bound.enqueue_many(new_tasks(1)))[0].accepted
        await connection.execute("COMMIT")
    assert len(await take(driver)) == 1


async def test_old_snapshot(driver: SQLiteDriver, connection: sqlite3.Connection) -> None:
    """A transaction that has read before somebody else wrote can't write any more: it has to begin again."""
    assert driver.transactions is not None
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM account").fetchone()
    await driver.enqueue_many(new_tasks(1))
    with pytest.raises(TransactionAborted, match="begin again"):
        driver.transactions.on(connection).enqueue_many(new_tasks(1))
    connection.rollback()
    connection.execute("BEGIN IMMEDIATE")
    driver.transactions.on(connection).enqueue_many(new_tasks(1))
    connection.commit()
    assert len(await take(driver)) == 2


async def test_full_disk(driver: SQLiteDriver, connection: sqlite3.Connection) -> None:
    """Without room the caller's transaction is over, or the call alone has failed; nothing of it is stored."""
    assert driver.transactions is not None
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO account VALUES (1)")
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises((QueueFull, TransactionAborted), match="full"):
        driver.transactions.on(connection).enqueue_many(new_tasks(1, payload=b"x" * 200_000))
    connection.rollback()
    assert await take(driver) == []


async def test_others_wait_for_the_user(driver: SQLiteDriver, connection: sqlite3.Connection) -> None:
    """The same id, enqueued by others meanwhile, waits for the outcome and is then a duplicate."""
    assert driver.transactions is not None
    task = new_task()
    connection.execute("BEGIN IMMEDIATE")
    driver.transactions.on(connection).enqueue_many([task])
    outcomes: list[Any] = []

    async def enqueue() -> None:
        outcomes.extend(await driver.enqueue_many([task]))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(enqueue)
        await anyio.sleep(0.05)
        assert outcomes == []
        connection.commit()
    assert [outcome.accepted for outcome in outcomes] == [False]


async def test_the_users_commit_wakes_listeners(driver: SQLiteDriver, connection: sqlite3.Connection) -> None:
    """A listener hears of a guest's tasks after the commit, and not before."""
    assert driver.transactions is not None
    assert driver.wake_ups is not None
    async with driver.wake_ups.listen(["q"]) as stream:
        connection.execute("BEGIN IMMEDIATE")
        driver.transactions.on(connection).enqueue_many(new_tasks(1))
        assert not await stream.wait(0.1)
        connection.commit()
        assert await stream.wait(5)


async def test_a_cancelled_guest_leaves_its_connection_usable(path: Path, driver: SQLiteDriver) -> None:
    """Cancelled while SQLite waits, the call leaves neither a savepoint nor factories behind."""
    assert driver.transactions is not None
    async with aiosqlite.connect(path, isolation_level=None, timeout=0.2) as guest:
        guest.row_factory = sqlite3.Row
        bound: Any = driver.transactions.on(guest)
        with connection_to(path) as other:
            await guest.execute("BEGIN")
            other.execute("BEGIN IMMEDIATE")
            with anyio.move_on_after(0.02) as scope:
                await bound.enqueue_many(new_tasks(1))
            assert scope.cancelled_caught
            other.execute("ROLLBACK")
        await guest.execute("ROLLBACK")
        assert guest.row_factory is sqlite3.Row
        await guest.execute("BEGIN IMMEDIATE")
        assert (await bound.enqueue_many(new_tasks(1)))[0].accepted
        await guest.execute("COMMIT")
    assert len(await take(driver)) == 1


async def test_a_namespace_without_tables(path: Path, new_driver: Callable[..., SQLiteDriver]) -> None:
    """A guest needs the tables as everybody does."""
    async with new_driver() as driver:
        assert driver.transactions is not None
        with connection_to(path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute('ALTER TABLE "asynctasq:asynctasq:meta" RENAME TO gone')
            with pytest.raises(StorageMissing, match="asynctasq migrate"):
                driver.transactions.on(connection).enqueue_many(new_tasks(1))
            assert connection.in_transaction
            connection.execute("ROLLBACK")
