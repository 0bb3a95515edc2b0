"""What stays, for how long, and times at the far end of the calendar."""

import datetime

import pytest
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.settings import PostgresConfig
from msgspec.structs import replace

from asynctasq.driver_api import Bury, Failure, NewTask, TaskState

from .harness import PostgresHarness

pytestmark = pytest.mark.anyio


async def test_dead_letters_stay_for_the_dead_retention(
    harness: PostgresHarness, settings: PostgresConfig, driver: PostgresDriver
) -> None:
    """For ever by default; with `dead_retention` until then, but never less than `remember_for`."""
    tasks = [NewTask(id=id, queue="q", name="n", payload=b"", remember_for=r) for id, r in (("a", 0.0), ("b", 900.0))]
    await driver.enqueue_many(tasks)
    deliveries = await driver.reserve(["q"], limit=2, lease=60.0, worker="w")
    await driver.settle_many([Bury(receipt=d.receipt, failure=Failure(type="E", message="m")) for d in deliveries])
    await harness.advance(600.0)
    await driver.maintain(limit=100)
    assert set(await driver.get_tasks(["a", "b"])) == {"a", "b"}
    async with PostgresDriver(replace(settings, dead_retention=300.0)) as tidy:
        await tidy.maintain(limit=100)
        assert set(await tidy.get_tasks(["a", "b"])) == {"b"}
        await harness.advance(600.0)
        await tidy.maintain(limit=100)
        assert await tidy.get_tasks(["a", "b"]) == {}
        assert (await tidy.queue_stats(["q"]))["q"].total_dead == 2
        assert [outcome.accepted for outcome in await tidy.enqueue_many(tasks)] == [True, True]


async def test_the_ends_of_the_calendar(driver: PostgresDriver) -> None:
    """The earliest and the latest moment that Python knows are legal."""
    last = datetime.datetime.max.replace(tzinfo=datetime.UTC)
    first = datetime.datetime.min.replace(tzinfo=datetime.UTC)
    await driver.enqueue_many(
        [
            NewTask(id="never", queue="q", name="n", payload=b"", available_at=last),
            NewTask(id="always", queue="q", name="n", payload=b"", available_at=first),
        ]
    )
    records = await driver.get_tasks(["never", "always"])
    assert records["never"].state is TaskState.SCHEDULED
    assert records["never"].available_at == last
    assert records["always"].state is TaskState.READY
    assert [d.id for d in await driver.reserve(["q"], limit=9, lease=60.0, worker="w")] == ["always"]


async def test_a_duration_is_rounded_up_to_a_microsecond(driver: PostgresDriver) -> None:
    """A tenth of a second is a tenth of a second, and nothing positive becomes nothing."""
    tasks = [NewTask(id=f"t{n}", queue="q", name="n", payload=b"", delay=d) for n, d in enumerate((0.1, 1.1, 1e-7))]
    await driver.enqueue_many([*tasks, NewTask(id="other", queue="r", name="n", payload=b"")])
    records = await driver.get_tasks(["t0", "t1", "t2"])
    waits = [(r.available_at - r.enqueued_at) // datetime.timedelta(microseconds=1) for r in records.values()]
    assert sorted(waits) == [1, 100_000, 1_100_000]
