"""Large batches: one transaction, whatever the size of the server's packets."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver

from asynctasq.driver_api import Bury, Complete, Failure, InvalidArgument, NewTask, Retry, SettleOutcome

from .servers import MariaDBServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def new_task(**fields: Any) -> NewTask:
    """A task with a fresh id."""
    return NewTask(**{"id": uuid.uuid4().hex, "queue": "q", "name": "tests.task", "payload": b"payload"} | fields)


async def test_a_batch_of_the_largest_size(driver: MySQLDriver) -> None:
    """10,000 tasks are enqueued, reserved, extended, and settled in one call each."""
    size = driver.traits.limits.max_batch
    tasks = [new_task() for _ in range(size)]
    assert all(outcome.accepted for outcome in await driver.enqueue_many(tasks))
    taken = await driver.reserve(["q"], limit=size, lease=600.0, worker="worker")
    assert [delivery.id for delivery in taken] == [task.id for task in tasks]
    assert all(outcome.applied for outcome in await driver.extend_many([d.receipt for d in taken], lease=600.0))
    outcomes = await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in taken])
    assert outcomes == [SettleOutcome.APPLIED] * size
    again = await driver.enqueue_many(tasks)
    assert [outcome.existing_id for outcome in again] == [task.id for task in tasks]
    assert (await driver.queue_stats(["q"]))["q"].total_completed == size


async def test_a_batch_of_everything_special(driver: MySQLDriver) -> None:
    """1,000 tasks with keys, expiry and results take as many round trips as one."""
    tasks = [new_task(dedupe_key=str(n), expires_after=600.0, keep_for=600.0, correlation_id="x") for n in range(1000)]
    assert all(outcome.accepted for outcome in await driver.enqueue_many(tasks))
    taken = await driver.reserve(["q"], limit=1000, lease=600.0, worker="worker")
    failure = Failure(type="E", message="m", traceback="t" * 1000)
    kinds = (
        lambda receipt: Complete(receipt=receipt, result=b"result"),
        lambda receipt: Retry(receipt=receipt, failure=failure),
        lambda receipt: Bury(receipt=receipt, failure=failure),
        lambda receipt: Complete(receipt=receipt, follow_ups=(new_task(queue="next"),)),
    )
    settlements = [kinds[n % 4](delivery.receipt) for n, delivery in enumerate(taken)]
    assert await driver.settle_many(settlements) == [SettleOutcome.APPLIED] * 1000
    stats = await driver.queue_stats(["q", "next"])
    assert (stats["q"].total_completed, stats["q"].total_retried, stats["q"].dead) == (500, 250, 250)
    assert stats["next"].ready == 250


async def test_more_than_a_packet_is_still_one_transaction(server: MariaDBServer) -> None:
    """A batch of many packets is stored whole; if one of its ids is known, the others are, too, and once."""
    settings = MySQLConfig(dsn=server.url, max_payload_bytes=100_000)
    driver = MySQLDriver(settings)
    await driver.prepare_storage()
    async with driver:
        await driver._connected.run(lambda connection: connection.run("SET GLOBAL max_allowed_packet = 1048576"))
    async with driver:
        assert driver._names.statement_limit < 1_048_576
        tasks = [new_task(payload=bytes([n % 256]) * 100_000) for n in range(60)]
        assert all(outcome.accepted for outcome in await driver.enqueue_many(tasks))
        mixed = [new_task(payload=b"x" * 100_000, keep_for=60.0) for _ in range(30)] + [tasks[0]]
        outcomes = await driver.enqueue_many(mixed)
        assert [outcome.accepted for outcome in outcomes] == [True] * 30 + [False]
        plain = [*[new_task(payload=b"y" * 100_000) for _ in range(30)], tasks[1]]
        assert [outcome.accepted for outcome in await driver.enqueue_many(plain)] == [True] * 30 + [False]
        taken = await driver.reserve(["q"], limit=200, lease=600.0, worker="worker")
        assert [delivery.payload for delivery in taken[:60]] == [task.payload for task in tasks]
        assert len(taken) == 120
        outcomes = await driver.settle_many([Complete(receipt=d.receipt, result=d.payload) for d in taken])
        assert outcomes == [SettleOutcome.APPLIED] * 120
        kept = await driver.get_tasks([mixed[0].id])
        assert kept[mixed[0].id].result == b"x" * 100_000


async def test_any_bytes_are_a_payload(driver: MySQLDriver) -> None:
    """Every byte comes back as it was, and so does a payload, and a result, of the largest size."""
    for payload in (b"", bytes(range(256)) * 4, b"\0" * driver.traits.limits.max_payload_bytes):
        task = new_task(payload=payload, keep_for=60.0)
        await driver.enqueue_many([task])
        [delivery] = await driver.reserve(["q"], limit=1, lease=60.0, worker="worker")
        assert delivery.payload == payload
        await driver.settle_many([Complete(receipt=delivery.receipt, result=payload)])
        assert (await driver.get_tasks([task.id]))[task.id].result == payload


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_other_kinds_of_bytes_are_refused(driver: MySQLDriver, kind: Callable[[bytes], Any]) -> None:
    """What a client library may print rather than store is refused before anything is stored."""
    with pytest.raises(InvalidArgument, match="wanted bytes"):
        await driver.enqueue_many([new_task(), new_task(payload=kind(b"payload"))])
    assert (await driver.queue_stats(["q"]))["q"].ready == 0
