"""Behind PgBouncer in transaction mode, with two server connections for everybody."""

import asyncio
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.settings import PostgresConfig
from msgspec.structs import replace

from asynctasq.driver_api import Complete, NewTask, SettleOutcome

from .servers import PgBouncer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def pooled(postgres_url: str, settings: PostgresConfig) -> Iterator[PostgresConfig]:
    """Settings that go through a PgBouncer of this test's own."""
    parts = urlsplit(postgres_url)
    bouncer = PgBouncer(parts.hostname or "127.0.0.1", parts.port or 5432, parts.path.lstrip("/"))
    try:
        bouncer.start()
        yield replace(settings, dsn=bouncer.url, statement_cache_size=0, listen=False)
    finally:
        bouncer.remove()


async def test_everything_works_in_transaction_mode(pooled: PostgresConfig) -> None:
    """Migration, enqueueing, claiming and settling from ten client connections over two server connections."""
    driver = PostgresDriver(pooled)
    await driver.prepare_storage()
    async with driver:
        assert driver.wake_ups is None
        tasks = [NewTask(id=f"t{number}", queue="q", name="n", payload=b"") for number in range(400)]
        await asyncio.gather(*(driver.enqueue_many(tasks[start : start + 10]) for start in range(0, 400, 10)))
        done: list[str] = []

        async def work(worker: str) -> None:
            while deliveries := await driver.reserve(["q"], limit=7, lease=60.0, worker=worker):
                outcomes = await driver.settle_many([Complete(receipt=d.receipt) for d in deliveries])
                assert set(outcomes) == {SettleOutcome.APPLIED}
                done.extend(d.id for d in deliveries)

        await asyncio.gather(*(work(f"w{number}") for number in range(10)))
        assert sorted(done) == sorted(task.id for task in tasks)
        assert (await driver.queue_stats(["q"]))["q"].total_completed == 400
