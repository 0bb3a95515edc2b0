"""Enqueueing and settling inside a caller's own transaction, on every kind of connection that there is."""

import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from asynctasq.driver_api import (
    Complete,
    Failure,
    InvalidArgument,
    NewTask,
    Retry,
    SettleOutcome,
    TaskState,
    TransactionAborted,
)

from .guests import GUESTS, Guest, _url

pytestmark = pytest.mark.anyio

MakeGuest = Callable[[], AbstractAsyncContextManager[Guest]]


def new_task(**fields: Any) -> NewTask:
    """A task with a fresh id."""
    return NewTask(
        **{"id": uuid.uuid4().hex, "queue": "q", "name": "tests.100%: task", "payload": b"%s\0\xff"} | fields
    )


@pytest.fixture(params=["READ COMMITTED", "REPEATABLE READ"])
def isolation(request: pytest.FixtureRequest) -> str:
    """The levels that the driver serves."""
    return request.param


@pytest.fixture(params=[*GUESTS])
async def guest(request: pytest.FixtureRequest, driver: MySQLDriver, isolation: str) -> AsyncGenerator[Guest]:
    """A connection with a transaction."""
    async with GUESTS[request.param](driver.settings, isolation) as guest:
        yield guest


async def test_a_transaction_of_everything(driver: MySQLDriver, guest: Guest) -> None:
    """Enqueueing and settling are one with the caller's own transaction: invisible until its commit."""
    done, again = new_task(), new_task()
    await driver.enqueue_many([done, again])
    taken = {delivery.id: delivery.receipt for delivery in await driver.reserve(["q"], limit=2, lease=60, worker="w")}
    plain, special = new_task(), new_task(dedupe_key="key", expires_after=60.0, correlation_id="100%")
    follow_up = new_task()
    assert all(outcome.accepted for outcome in await guest.enqueue(driver, plain, special))
    outcomes = await guest.settle(
        driver,
        Complete(receipt=taken[done.id], follow_ups=(follow_up,)),
        Retry(receipt=taken[again.id], failure=Failure(type="E", message="100% 'quoted' \\ ü")),
    )
    assert outcomes == [SettleOutcome.APPLIED] * 2
    records = await driver.get_tasks([done.id, again.id, plain.id, special.id, follow_up.id])
    assert {id: record.state for id, record in records.items()} == dict.fromkeys(taken, TaskState.LEASED)
    await guest.commit()
    records = await driver.get_tasks([done.id, again.id, plain.id, special.id, follow_up.id])
    ready = (again.id, plain.id, special.id, follow_up.id)
    assert {id: record.state for id, record in records.items()} == dict.fromkeys(ready, TaskState.READY)
    assert records[special.id].payload == special.payload
    assert records[special.id].correlation_id == "100%"
    assert records[special.id].name == special.name
    assert records[again.id].failures[0].message == "100% 'quoted' \\ ü"


async def test_a_rollback_takes_everything_back(driver: MySQLDriver, guest: Guest) -> None:
    """After the caller's rollback nothing has happened."""
    await driver.enqueue_many([new_task()])
    [delivery] = await driver.reserve(["q"], limit=1, lease=60, worker="w")
    task = new_task(dedupe_key="key")
    await guest.enqueue(driver, task)
    await guest.settle(driver, Complete(receipt=delivery.receipt))
    await guest.rollback()
    assert [*await driver.get_tasks([task.id, delivery.id])] == [delivery.id]
    assert await driver.settle_many([Complete(receipt=delivery.receipt)]) == [SettleOutcome.APPLIED]
    assert (await driver.enqueue_many([task]))[0].accepted


async def test_a_savepoint(driver: MySQLDriver, guest: Guest) -> None:
    """What was enqueued since a savepoint goes with it."""
    kept, gone = new_task(), new_task()
    await guest.enqueue(driver, kept)
    savepoint = await guest.savepoint()
    await guest.enqueue(driver, gone)
    result = savepoint.rollback()
    if result is not None:
        await result
    await guest.commit()
    assert [*await driver.get_tasks([kept.id, gone.id])] == [kept.id]


async def test_duplicates_are_found_behind_an_old_snapshot(driver: MySQLDriver, guest: Guest) -> None:
    """What others committed since the caller's transaction began is a duplicate all the same, and no error."""
    await guest.execute("SELECT COUNT(*) FROM " + driver._names.table("task"))
    known, holder = new_task(), new_task(dedupe_key="key")
    await driver.enqueue_many([known, holder])
    fresh = new_task()
    outcomes = await guest.enqueue(driver, known, new_task(dedupe_key="key"), fresh)
    assert [(outcome.accepted, outcome.existing_id) for outcome in outcomes][::2] == [(False, known.id), (True, None)]
    assert not outcomes[1].accepted
    await guest.commit()
    assert fresh.id in await driver.get_tasks([fresh.id])


async def test_a_key_freed_behind_an_old_snapshot(driver: MySQLDriver, guest: Guest) -> None:
    """A key whose holder has ended since the caller's transaction began is free."""
    await driver.enqueue_many([new_task(dedupe_key="key")])
    [delivery] = await driver.reserve(["q"], limit=1, lease=60, worker="w")
    await guest.execute("SELECT COUNT(*) FROM " + driver._names.table("task"))
    await driver.settle_many([Complete(receipt=delivery.receipt)])
    assert [outcome.accepted for outcome in await guest.enqueue(driver, new_task(dedupe_key="key"))] == [True]
    await guest.commit()


async def test_nobody_else_waits_for_an_open_transaction(driver: MySQLDriver, guest: Guest) -> None:
    """While a caller's transaction is open, producers of other ids and workers of other tasks go on."""
    await driver.enqueue_many([new_task(dedupe_key="held"), new_task()])
    await guest.enqueue(driver, new_task(), new_task(dedupe_key="key"), new_task(expires_after=60.0))
    with anyio.fail_after(2):
        for _ in range(3):
            await driver.enqueue_many([new_task(), new_task(dedupe_key=uuid.uuid4().hex), new_task(expires_after=9.0)])
            await driver.reserve(["empty"], limit=10, lease=60, worker="w")
        taken = await driver.reserve(["q"], limit=100, lease=60, worker="w")
        assert len(taken) == 11
        await driver.extend_many([delivery.receipt for delivery in taken], lease=60)
        await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in taken])
        await driver.maintain(limit=100)
    await guest.rollback()


@pytest.mark.parametrize("isolation", ["READ UNCOMMITTED", "SERIALIZABLE"], indirect=False)
async def test_other_levels_are_refused(driver: MySQLDriver, isolation: str) -> None:
    """An isolation level that the driver can't serve is refused, without harm to the transaction."""
    async with GUESTS["aiomysql"](driver.settings, isolation) as guest:
        with pytest.raises(InvalidArgument, match=f"{isolation.replace(' ', '-')}.*wanted READ-COMMITTED"):
            await guest.enqueue(driver, new_task())
        assert await guest.execute("SELECT 1") == ((1,),)


@pytest.mark.parametrize("kind", ["aiomysql-begun", "pymysql"])
async def test_without_a_transaction_it_is_refused(driver: MySQLDriver, kind: str) -> None:
    """With autocommit and no transaction begun, nothing is stored."""
    async with GUESTS[kind](driver.settings, "READ COMMITTED") as guest:
        await guest.rollback()
        await guest.execute("SET autocommit = 1")
        with pytest.raises(InvalidArgument, match="no transaction open"):
            await guest.enqueue(driver, new_task())


async def test_a_closed_connection_is_refused(driver: MySQLDriver) -> None:
    """A closed connection has no transaction."""
    for kind in ("aiomysql", "pymysql"):
        async with GUESTS[kind](driver.settings, "READ COMMITTED") as guest:
            guest.connection.close()
            with pytest.raises(InvalidArgument, match="closed"):
                await guest.enqueue(driver, new_task())


async def test_sqlalchemys_autocommit_is_refused(driver: MySQLDriver) -> None:
    """On a connection of SQLAlchemy in AUTOCOMMIT mode there is no transaction."""
    engine = create_async_engine(_url(driver.settings, "aiomysql"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        with pytest.raises(InvalidArgument, match="no transaction open"):
            await driver.transactions.on(connection).enqueue_many([new_task()])
    await engine.dispose()


async def test_a_deadlock_ends_the_callers_transaction(settings: MySQLConfig, driver: MySQLDriver) -> None:
    """A deadlock rolls back the caller's whole transaction: `TransactionAborted`, with the native error as cause."""
    tasks = [new_task(id=f"{number}-{uuid.uuid4().hex}") for number in range(2)]
    aborted: list[BaseException] = []
    make = GUESTS["aiomysql"]
    async with make(settings, "READ COMMITTED") as first, make(settings, "READ COMMITTED") as second:
        await first.enqueue(driver, tasks[0])
        await second.enqueue(driver, tasks[1])

        async def cross(guest: Guest, task: NewTask) -> None:
            try:
                await guest.enqueue(driver, task)
            except TransactionAborted as error:
                aborted.append(error)
            await guest.rollback()

        async with anyio.create_task_group() as group:
            group.start_soon(cross, first, tasks[1])
            group.start_soon(cross, second, tasks[0])
    assert len(aborted) == 1
    assert aborted[0].__cause__ is not None
    assert aborted[0].__cause__.args[0] == 1213
