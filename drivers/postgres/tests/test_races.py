"""Two calls about one task at the same time: the outcome is that of one after the other, whichever came first."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

import asyncpg
import pytest
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.receipts import read_receipts
from asynctasq_postgres.settings import PostgresConfig

from asynctasq.driver_api import (
    Bury,
    CancelOutcome,
    Complete,
    Delivery,
    Failure,
    MaintenanceReport,
    NewTask,
    Release,
    ReplayOutcome,
    ReplayStatus,
    SettleOutcome,
    TaskState,
)

pytestmark = pytest.mark.anyio

T = TypeVar("T")

FAILURE = Failure(type="E", message="m")
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pg_blocking_pids(pid) @> ARRAY[$1::int]"
)


def task(id: str, **options: float | str) -> NewTask:
    """A task."""
    return NewTask(id=id, queue="q", name="n", payload=b"", **options)


async def bury(driver: PostgresDriver, *ids: str) -> None:
    """Enqueue these tasks, and bury them."""
    await driver.enqueue_many([task(id) for id in ids])
    deliveries = await driver.reserve(["q"], limit=len(ids), lease=60.0, worker="w")
    outcomes = await driver.settle_many([Bury(receipt=d.receipt, failure=FAILURE) for d in deliveries])
    assert outcomes == [SettleOutcome.APPLIED] * len(ids)


async def once_it_waits(connection: asyncpg.Connection, call: Awaitable[T]) -> "asyncio.Future[T]":
    """The call, under way, and waiting for what this connection's transaction holds."""
    under_way = asyncio.ensure_future(call)
    deadline = time.monotonic() + 10.0
    while not await connection.fetchval(WAITING, connection.get_server_pid()):
        assert time.monotonic() < deadline
        assert not under_way.done(), "it did not wait"
        await asyncio.sleep(0.01)
    return under_way


async def replay(driver: PostgresDriver, connection: asyncpg.Connection, *ids: str) -> None:
    """Replay in a transaction of this connection, which is open."""
    statement = driver._names.statement("replay_many")
    rows = await connection.fetch(statement, driver._connected.namespace, list(ids))
    assert {row[1] for row in rows} == {"replayed"}


async def test_a_deletion_behind_a_replay(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """What is deleted while it becomes ready again is gone, and the outcome says so."""
    await bury(driver, "a", "b")
    async with connection.transaction():
        await replay(driver, connection, "a", "b")
        deleting = await once_it_waits(connection, driver.delete_many(["b", "a"]))
    assert await deleting == [True, True]
    assert await driver.get_tasks(["a", "b"]) == {}
    assert [outcome.accepted for outcome in await driver.enqueue_many([task("a")])] == [True]


async def test_a_cancellation_behind_a_replay(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """What is cancelled while it becomes ready again is cancelled: not too late, and not merely requested."""
    await bury(driver, "a")
    async with connection.transaction():
        await replay(driver, connection, "a")
        cancelling = await once_it_waits(connection, driver.cancel_many(["a"]))
    assert await cancelling == [CancelOutcome.CANCELLED]
    assert (await driver.get_tasks(["a"]))["a"].state is TaskState.CANCELLED


async def test_a_replay_behind_a_replay(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """One replays, and the other finds the task alive."""
    await bury(driver, "a")
    async with connection.transaction():
        await replay(driver, connection, "a")
        replaying = await once_it_waits(connection, driver.replay_many(["a"]))
    assert [outcome.status for outcome in await replaying] == [ReplayStatus.NOT_DEAD]


async def test_a_replay_behind_a_burial(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """What is replayed while it is being buried was dead."""
    await driver.enqueue_many([task("a")])
    [delivery] = await driver.reserve(["q"], limit=1, lease=60.0, worker="w")
    assert driver.transactions is not None
    async with connection.transaction():
        await driver.transactions.on(connection).settle_many([Bury(receipt=delivery.receipt, failure=FAILURE)])
        replaying = await once_it_waits(connection, driver.replay_many(["a"]))
    assert [outcome.status for outcome in await replaying] == [ReplayStatus.REPLAYED]


async def test_a_purge_behind_a_burial(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """A task that is buried while the purge waits for it goes as a dead letter."""
    await driver.enqueue_many([task("a"), task("b")])
    [delivery, _] = await driver.reserve(["q"], limit=2, lease=60.0, worker="w")
    assert driver.transactions is not None
    async with connection.transaction():
        await driver.transactions.on(connection).settle_many([Bury(receipt=delivery.receipt, failure=FAILURE)])
        purging = await once_it_waits(connection, driver.purge(["q"]))
    await purging
    assert await driver.get_tasks(["a", "b"]) == {}
    assert [outcome.accepted for outcome in await driver.enqueue_many([task("a")])] == [True]


async def test_a_purge_behind_a_replay(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """A dead letter that becomes ready again while the purge waits for it goes as a waiting task."""
    await bury(driver, "a", "b")
    async with connection.transaction():
        await replay(driver, connection, "a")
        purging = await once_it_waits(connection, driver.purge(["q"]))
    await purging
    assert await driver.get_tasks(["a", "b"]) == {}


async def test_a_purge_and_a_deletion_do_not_wait_in_a_circle(
    driver: PostgresDriver, connection: asyncpg.Connection
) -> None:
    """Both lock what waits and what has ended in one order: a purge that waits for the first holds nothing later."""
    await bury(driver, "a")
    await driver.enqueue_many([task("b")])
    namespace = driver._connected.namespace
    async with connection.transaction():
        lock = driver._names.fill("SELECT FROM {finished} WHERE namespace = $1 FOR UPDATE")
        await connection.execute(lock, namespace)
        purging = await once_it_waits(connection, driver.purge(["q"]))
        delete = driver._names.statement("delete_many")
        assert sorted(await connection.fetchval(delete, namespace, ["a", "b"])) == ["a", "b"]
    await purging
    assert driver._connected.undone == 0


@pytest.mark.parametrize(
    ("call", "expected"),
    [("cancel_many", CancelOutcome.NOT_FOUND), ("replay_many", ReplayOutcome(status=ReplayStatus.NOT_FOUND))],
)
async def test_an_id_that_is_enqueued_again_meanwhile(
    driver: PostgresDriver, connection: asyncpg.Connection, call: str, expected: object
) -> None:
    """What a call waited for is gone, and another task has its id: that one the call has not touched, nor found."""
    await driver.enqueue_many([task("a")])
    async with connection.transaction():
        delete = driver._names.statement("delete_many")
        assert await connection.fetchval(delete, driver._connected.namespace, ["a"]) == ["a"]
        assert driver.transactions is not None
        [outcome] = await driver.transactions.on(connection).enqueue_many([task("a")])
        assert outcome.accepted
        under_way = await once_it_waits(connection, getattr(driver, call)(["a"]))
    assert await under_way == [expected]
    assert (await driver.get_tasks(["a"]))["a"].state is TaskState.READY


class CountingDriver(PostgresDriver):
    """Counts its maintenance calls."""

    maintained = 0

    async def _maintain(self, *, limit: int) -> MaintenanceReport:
        self.maintained += 1
        return await super()._maintain(limit=limit)


async def test_a_worker_does_not_hammer_at_what_others_hold(
    settings: PostgresConfig, driver: PostgresDriver, connection: asyncpg.Connection
) -> None:
    """Beside an idle transaction that holds a due row, each round of maintenance is a few calls; then it is stored."""
    await driver.enqueue_many([task("a", expires_after=0.0)])
    async with CountingDriver(settings) as worker:
        async with connection.transaction():
            await connection.execute(
                driver._names.fill("SELECT FROM {task} WHERE namespace = $1 FOR UPDATE"), driver._connected.namespace
            )
            for round_number in range(1, 4):
                while (await worker.maintain(limit=10)).more:
                    assert worker.maintained < 3 * round_number
        report = await worker.maintain(limit=10)
        assert (report.removed, report.more) == (1, False)


async def test_maintenance_beside_who_holds_the_rest(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """It waits for nobody, and there is more as long as something is left that others hold."""
    await driver.enqueue_many([task("a", expires_after=0.0)])
    async with connection.transaction():
        await connection.execute(
            driver._names.fill("SELECT FROM {task} WHERE namespace = $1 FOR UPDATE"), driver._connected.namespace
        )
        report = await driver.maintain(limit=10)
        assert (report.removed, report.more) == (0, True)
    report = await driver.maintain(limit=10)
    assert (report.removed, report.more) == (1, False)


async def test_maintenance_says_when_it_is_done(driver: PostgresDriver) -> None:
    """Notes with ids to forget among notes without any: there is more until the last id is forgotten."""
    ids = [f"t{number}" for number in range(12)]
    await driver.enqueue_many([task(id, remember_for=0.0) for id in ids])
    await driver.enqueue_many([task(f"e{number}", expires_after=0.0) for number in range(6)])
    for number in range(6):
        await driver.cancel_many([f"e{number}"])
    for _ in range(3):
        deliveries = await driver.reserve(["q"], limit=4, lease=60.0, worker="w")
        await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
    while (await driver.maintain(limit=10)).more:
        pass
    assert all(outcome.accepted for outcome in await driver.enqueue_many([task(id) for id in ids]))


async def test_equal_ids_among_follow_ups(driver: PostgresDriver) -> None:
    """In their order: the second of an id is a duplicate, unless the first was refused for its dedupe key."""
    await driver.enqueue_many([task("a"), task("holder", dedupe_key="held", delay=60.0)])
    [delivery] = await driver.reserve(["q"], limit=1, lease=60.0, worker="w")
    follow_ups = (
        task("x", dedupe_key="held"),
        task("x", dedupe_key="free", priority=9),
        task("y", dedupe_key="free"),
        task("x", priority=8),
        task("z"),
        task("z", priority=7),
    )
    outcomes = await driver.settle_many([Complete(receipt=delivery.receipt, follow_ups=follow_ups)])
    assert outcomes == [SettleOutcome.APPLIED]
    records = await driver.get_tasks(["x", "y", "z"])
    assert {id: record.priority for id, record in records.items()} == {"x": 9, "z": 4}


async def test_a_completion_behind_a_heartbeat(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """A lease that is being extended is still the same lease."""
    await driver.enqueue_many([task("a"), task("b")])
    deliveries = await driver.reserve(["q"], limit=2, lease=60.0, worker="w")
    async with connection.transaction():
        seq, nonce = _fields(deliveries[1])
        statement = driver._names.statement("extend_many")
        assert len(await connection.fetch(statement, driver._connected.namespace, [seq], [nonce], 90.0)) == 1
        settling = await once_it_waits(
            connection, driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
        )
    assert await settling == [SettleOutcome.APPLIED] * 2
    assert (await driver.queue_stats(["q"]))["q"].total_completed == 2


async def test_a_completion_behind_another_settlement(driver: PostgresDriver, connection: asyncpg.Connection) -> None:
    """What was given back and delivered again meanwhile is no longer this delivery's to complete."""
    await driver.enqueue_many([task("a"), task("b")])
    deliveries = await driver.reserve(["q"], limit=2, lease=60.0, worker="w")
    assert driver.transactions is not None
    async with connection.transaction():
        await driver.transactions.on(connection).settle_many([Release(receipt=deliveries[1].receipt)])
        claim = driver._names.statement("reserve")
        lines = [driver._names.first_line("q")]
        rows = await connection.fetch(
            claim, driver._connected.namespace, ["q"], lines, 9, 60.0, "other", 7, [None] * 10, 100
        )
        assert len(rows) == 2  # what the claim saw, and the task
        settling = await once_it_waits(
            connection, driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
        )
    assert await settling == [SettleOutcome.APPLIED, SettleOutcome.STALE]
    record = (await driver.get_tasks(["b"]))["b"]
    assert (record.state, record.worker, record.attempts) == (TaskState.LEASED, "other", 1)


async def test_a_lease_that_ends_while_its_completion_waits(
    driver: PostgresDriver, connection: asyncpg.Connection
) -> None:
    """The end of a lease counts when the lock is there, not when it was asked for: such a task was not completed."""
    await driver.enqueue_many([task("a"), task("b")])
    [lapsing] = await driver.reserve(["q"], limit=1, lease=0.5, worker="w")
    [lasting] = await driver.reserve(["q"], limit=1, lease=60.0, worker="w")
    async with connection.transaction():
        locked = driver._names.fill("SELECT ready_at FROM {task} WHERE namespace = $1 AND seq = $2 FOR UPDATE")
        lease_end = await connection.fetchval(locked, driver._connected.namespace, _fields(lapsing)[0])
        settling = await once_it_waits(
            connection, driver.settle_many([Complete(receipt=delivery.receipt) for delivery in (lapsing, lasting)])
        )
        assert await connection.fetchval("SELECT clock_timestamp()") < lease_end
        await connection.execute("SELECT pg_sleep_until($1)", lease_end)
    assert await settling == [SettleOutcome.STALE, SettleOutcome.APPLIED]
    assert (await driver.get_tasks(["a"]))["a"].state is TaskState.READY
    assert (await driver.queue_stats(["q"]))["q"].total_completed == 1


def _fields(delivery: Delivery) -> tuple[int, int]:
    fields = read_receipts([delivery.receipt])[0]
    assert fields is not None
    return fields
