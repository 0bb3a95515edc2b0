"""Enqueueing and settling inside the caller's own transaction, for every client library."""

import asyncio
import datetime
from typing import Any

import asyncpg
import psycopg
import pytest
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.settings import PostgresConfig
from msgspec.structs import replace
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from asynctasq.driver_api import (
    Bury,
    Complete,
    DriverClosed,
    Failure,
    InvalidArgument,
    NewTask,
    PayloadTooLarge,
    Receipt,
    Release,
    Retry,
    SettleOutcome,
    TaskState,
    TransactionAborted,
)

from .guests import GUESTS, Maker

pytestmark = pytest.mark.anyio

FAILURE = Failure(type="ValueError", message="no \u2603", traceback="line 1\nline 2")


@pytest.fixture(params=list(GUESTS))
def make_guest(request: pytest.FixtureRequest) -> Maker:
    """Every kind of connection in turn."""
    return GUESTS[request.param]


def task(id: str, **options: Any) -> NewTask:
    """A task with every kind of byte in its payload."""
    return NewTask(id=id, queue="q", name="n", payload=bytes(range(256)), **options)


FULL = {
    "correlation_id": "c",
    "priority": 9,
    "available_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    "dedupe_key": "k",
    "expires_after": 3600.5,
    "keep_for": 7.25,
    "remember_for": 90.0,
}


async def test_a_commit_makes_tasks_visible(driver: PostgresDriver, postgres_url: str, make_guest: Maker) -> None:
    """Invisible until the commit, then complete to the last byte and option."""
    tasks = [task("full", **FULL), task("plain", delay=30.0), task("low", priority=0)]
    async with make_guest(postgres_url, None) as guest:
        outcomes = await guest.enqueue(driver, tasks)
        assert [outcome.accepted for outcome in outcomes] == [True] * 3
        assert await driver.get_tasks(["full", "plain", "low"]) == {}
        await guest.end("commit")
    records = await driver.get_tasks(["full", "plain", "low"])
    assert {record.payload for record in records.values()} == {bytes(range(256))}
    full = records["full"]
    assert (full.correlation_id, full.priority, full.dedupe_key) == ("c", 9, "k")
    assert (full.expires_after, full.keep_for, full.remember_for) == (3600.5, 7.25, 90.0)
    assert (records["plain"].state, records["low"].state) == (TaskState.SCHEDULED, TaskState.READY)


async def test_a_rollback_leaves_nothing(driver: PostgresDriver, postgres_url: str, make_guest: Maker) -> None:
    """The task is gone, and so is the memory of its id and the hold on its dedupe key."""
    async with make_guest(postgres_url, None) as guest:
        await guest.enqueue(driver, [task("a", dedupe_key="k")])
        await guest.end("rollback")
    assert await driver.get_tasks(["a"]) == {}
    (outcome,) = await driver.enqueue_many([task("a", dedupe_key="k")])
    assert outcome.accepted


async def test_a_duplicate_never_aborts_the_transaction(
    driver: PostgresDriver, postgres_url: str, make_guest: Maker
) -> None:
    """The caller's transaction goes on after a known id and after a held key, and commits."""
    await driver.enqueue_many([task("known", dedupe_key="held")])
    async with make_guest(postgres_url, None) as guest:
        outcomes = await guest.enqueue(driver, [task("known"), task("other", dedupe_key="held"), task("new")])
        assert [outcome.existing_id for outcome in outcomes] == ["known", "known", None]
        await guest.execute("SELECT 1")
        await guest.end("commit")
    assert set(await driver.get_tasks(["known", "other", "new"])) == {"known", "new"}


async def test_settling_is_part_of_the_transaction(
    driver: PostgresDriver, postgres_url: str, make_guest: Maker
) -> None:
    """Rolled back, the leases are as they were; committed, all settlements and the follow-ups are there."""
    await driver.enqueue_many([task(id, keep_for=60.0) for id in "abcd"])
    leases = {d.id: d.receipt for d in await driver.reserve(["q"], limit=4, lease=60.0, worker="w")}
    settlements = [
        Complete(receipt=leases["a"], result=b"\x00\xff", follow_ups=(task("next", dedupe_key="k"),)),
        Retry(receipt=leases["b"], failure=FAILURE, delay=30.0),
        Release(receipt=leases["c"]),
        Bury(receipt=leases["d"], failure=FAILURE, reason="broken"),
        Complete(receipt=Receipt("never issued")),
    ]
    wanted = [SettleOutcome.APPLIED] * 4 + [SettleOutcome.STALE]
    async with make_guest(postgres_url, None) as guest:
        assert await guest.settle(driver, settlements) == wanted
        await guest.end("rollback")
    assert {record.state for record in (await driver.get_tasks(list("abcd"))).values()} == {TaskState.LEASED}
    async with make_guest(postgres_url, None) as guest:
        assert await guest.settle(driver, settlements) == wanted
        await guest.end("commit")
    records = await driver.get_tasks([*"abcd", "next"])
    states = [records[id].state.value for id in (*"abcd", "next")]
    assert states == ["completed", "scheduled", "ready", "dead", "ready"]
    assert records["a"].result == b"\x00\xff"
    assert [(f.type, f.message, f.traceback, f.worker) for f in records["d"].failures] == [
        ("ValueError", "no \u2603", "line 1\nline 2", "w")
    ]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
async def test_a_stricter_isolation_level_is_refused_without_harm(
    driver: PostgresDriver, postgres_url: str, make_guest: Maker, level: str
) -> None:
    """InvalidArgument, and the transaction goes on."""
    await driver.enqueue_many([task("a")])
    (delivery,) = await driver.reserve(["q"], limit=1, lease=60.0, worker="w")
    async with make_guest(postgres_url, level) as guest:
        with pytest.raises(InvalidArgument, match="READ COMMITTED"):
            await guest.enqueue(driver, [task("b")])
        with pytest.raises(InvalidArgument, match="READ COMMITTED"):
            await guest.settle(driver, [Complete(receipt=delivery.receipt)])
        await guest.execute("SELECT 1")
        await guest.end("commit")
    assert set(await driver.get_tasks(["a", "b"])) == {"a"}


async def test_arguments_are_checked_before_anything_happens(
    driver: PostgresDriver, postgres_url: str, make_guest: Maker
) -> None:
    """The transaction is unharmed, and empty batches are fine."""
    async with make_guest(postgres_url, None) as guest:
        with pytest.raises(PayloadTooLarge):
            await guest.enqueue(driver, [NewTask(id="a", queue="q", name="n", payload=bytes(262_145))])
        with pytest.raises(InvalidArgument):
            await guest.enqueue(driver, [task("a b")])
        assert (await guest.enqueue(driver, []), await guest.settle(driver, [])) == ([], [])
        await guest.execute("SELECT 1")
        await guest.enqueue(driver, [task("a")])
        await guest.end("commit")
    assert set(await driver.get_tasks(["a"])) == {"a"}


async def test_a_transaction_that_the_server_ended(
    driver: PostgresDriver, postgres_url: str, make_guest: Maker
) -> None:
    """A statement that failed before, and a session that was terminated: roll back, and begin again."""
    async with make_guest(postgres_url, None) as guest:
        with pytest.raises(Exception, match="division by zero"):
            await guest.execute("SELECT 1 / 0")
        with pytest.raises(TransactionAborted) as raised:
            await guest.enqueue(driver, [task("a")])
        assert raised.value.__cause__ is not None
        await guest.end("rollback")
    assert await driver.get_tasks(["a"]) == {}


async def test_a_deadlock_with_the_caller_is_told(driver: PostgresDriver, postgres_url: str) -> None:
    """Two callers that enqueue the same two ids in opposite orders: one gets TransactionAborted, the other goes on."""
    async with GUESTS["asyncpg"](postgres_url, None) as one, GUESTS["psycopg"](postgres_url, None) as other:
        await one.enqueue(driver, [task("a")])
        await other.enqueue(driver, [task("b")])
        results = await asyncio.gather(
            one.enqueue(driver, [task("b")]), other.enqueue(driver, [task("a")]), return_exceptions=True
        )
        ended = [isinstance(result, TransactionAborted) for result in results]
        assert sorted(ended) == [False, True]
        await one.end("rollback")
        await other.end("rollback")


async def test_connections_without_a_transaction_are_refused(driver: PostgresDriver, postgres_url: str) -> None:
    """Whatever would be committed at once is no transaction."""
    connection = await asyncpg.connect(postgres_url)
    with pytest.raises(InvalidArgument, match="no transaction open"):
        await driver.transactions.on(connection).enqueue_many([task("a")])
    await connection.close()
    with psycopg.connect(postgres_url, autocommit=True) as automatic:
        with pytest.raises(InvalidArgument, match="commits automatically"):
            driver.transactions.on(automatic).enqueue_many([task("a")])
        with automatic.transaction():
            driver.transactions.on(automatic).enqueue_many([task("b")])
    engine = create_async_engine(
        postgres_url.replace("postgresql:", "postgresql+asyncpg:"), isolation_level="AUTOCOMMIT"
    )
    async with engine.connect() as connection:
        with pytest.raises(InvalidArgument, match="commits automatically"):
            await driver.transactions.on(connection).enqueue_many([task("a")])
    await engine.dispose()
    sync_engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with (
        sync_engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        pytest.raises(InvalidArgument, match="commits automatically"),
    ):
        driver.transactions.on(connection).enqueue_many([task("a")])
    sync_engine.dispose()
    assert set(await driver.get_tasks(["a", "b"])) == {"b"}


async def test_what_is_no_connection_is_refused(driver: PostgresDriver) -> None:
    """A string, a driver, an engine, a connection to something else."""
    sqlite = create_engine("sqlite://")
    with sqlite.connect() as connection, pytest.raises(InvalidArgument, match="sqlite"):
        driver.transactions.on(connection).enqueue_many([task("a")])
    for nonsense in ("postgresql://", driver, sqlite, None):
        with pytest.raises(InvalidArgument, match="no connection that the driver postgres knows"):
            driver.transactions.on(nonsense)
    sqlite.dispose()


async def test_connections_out_of_a_pool_and_user_subclasses_work(driver: PostgresDriver, postgres_url: str) -> None:
    """asyncpg's proxies, and a class of the user's own that derives from the library's."""

    class OwnConnection(asyncpg.Connection):
        """A subclass in another module."""

    async with (
        asyncpg.create_pool(postgres_url, min_size=1, max_size=1, connection_class=OwnConnection) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        await driver.transactions.on(connection).enqueue_many([task("a")])
    assert set(await driver.get_tasks(["a"])) == {"a"}


async def test_a_commit_wakes_listeners_and_a_rollback_does_not(driver: PostgresDriver, postgres_url: str) -> None:
    """NOTIFY is part of the caller's transaction."""
    assert driver.wake_ups is not None
    async with driver.wake_ups.listen(["q"]) as stream, GUESTS["psycopg-sync"](postgres_url, None) as guest:
        await guest.enqueue(driver, [task("a")])
        await guest.end("rollback")
        await guest.enqueue(driver, [task("b")])
        assert not await stream.wait(0.1)
        await guest.end("commit")
        assert await stream.wait(5.0)


async def test_a_closed_driver_lends_nothing(driver: PostgresDriver, postgres_url: str) -> None:
    """After `disconnect()` what was bound before is of no use either."""
    async with GUESTS["asyncpg"](postgres_url, None) as guest:
        bound = driver.transactions.on(guest.connection)
        await driver.disconnect()
        with pytest.raises(DriverClosed):
            await bound.enqueue_many([task("a")])
        with pytest.raises(DriverClosed):
            driver.transactions.on(guest.connection)


@pytest.mark.parametrize("options", [{"dedupe_key": "k", "expires_after": 0.6}, {"delay": 0.6}], ids=["key", "id"])
async def test_who_waited_for_another_transaction_counts_from_then(
    settings: PostgresConfig, schema: str, connection: asyncpg.Connection, options: dict[str, Any]
) -> None:
    """An enqueue that waits for a caller's transaction to end is accepted then: not late, and not expired already."""
    waiting = NewTask(id="waiting", queue="q", name="n", payload=b"", **options)
    guest = replace(waiting, id="guest") if waiting.dedupe_key else waiting
    driver = PostgresDriver(replace(settings, schema=schema))
    await driver.prepare_storage()
    async with driver:
        assert driver.transactions is not None
        transaction = connection.transaction()
        await transaction.start()
        await driver.transactions.on(connection).enqueue_many([guest])
        enqueueing = asyncio.create_task(driver.enqueue_many([waiting]))
        await asyncio.sleep(0.7)  # the server's clock is the matter: its locks have to last
        assert not enqueueing.done()
        ended_at = await connection.fetchval("SELECT clock_timestamp()")
        await transaction.rollback()
        [outcome] = await enqueueing
        assert outcome.accepted
        record = (await driver.get_tasks(["waiting"]))["waiting"]
        assert record.state in (TaskState.READY, TaskState.SCHEDULED)
        assert record.enqueued_at >= ended_at
        assert (record.available_at - record.enqueued_at).total_seconds() == pytest.approx(waiting.delay)
