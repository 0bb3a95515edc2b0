"""The best practices, line by line: performance."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import aiomysql
import aiosqlite
import anyio
import anyio.lowlevel
import anyio.to_thread
import asyncpg
import pytest

from asynctasq import (
    Config,
    MonitoringService,
    dispatch_many,
    init,
    task,
)
from asynctasq.errors import PayloadTooLarge, UnknownTask
from asynctasq.testing import drain
from tests.acceptance import best_practice_tasks
from tests.acceptance.best_practice_application import (
    charge,
    store,
)
from tests.acceptance.notes import note, notes
from tests.acceptance.workers import PATIENCE, until, work

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]


@task
async def meet(count: int) -> None:
    note("here")
    await until(lambda: len(notes) == count)


async def test_line_95_io_bound_concurrency(url: str) -> None:
    """95: I/O-bound tasks, high concurrency: a concurrency of 50 has 50 of them waiting at the same time."""
    init(url=url)
    await dispatch_many([meet(50) for _ in range(50)])
    worker = await work(concurrency=50)
    assert worker.get_health_status()["tasks_processed"] == 50


@pytest.mark.slow
async def test_line_96_cpu_bound_concurrency(sqlite_url: str) -> None:
    """96: CPU-bound tasks, number of CPU cores: that many children unless something else is said."""
    init(url=sqlite_url)
    handles = [await best_practice_tasks.Square(number=number).dispatch() for number in range(4)]
    worker = await work("compute")
    assert [await handle.result(timeout=1) for handle in handles] == [0, 1, 4, 9]
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert worker.get_health_status()["process_pool"]["size"] == processors


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
async def test_line_97_connection_pooling(redis_url: str) -> None:
    """97: Use connection pooling: 200 dispatches at the same time share a few connections, with nothing configured."""
    init(url=redis_url)
    await charge(0).dispatch()
    before = most = len(os.listdir("/proc/self/fd"))

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(os.listdir("/proc/self/fd")))
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as watching:
        watching.start_soon(watch)
        async with anyio.create_task_group() as clients:
            for number in range(1, 200):
                clients.start_soon(charge(number).dispatch)
        watching.cancel_scope.cancel()
    assert most - before < 20
    async with Config.get().open_driver() as driver:
        assert (await driver.queue_stats(["default"]))["default"].ready == 200


async def test_line_98_queue_sizes(every_url: str) -> None:
    """98: Monitor queue sizes: what waits, what is due, what runs, and how old the oldest is."""
    init(url=every_url)
    await dispatch_many([charge(number) for number in range(3)])
    await charge(9).delay(60).dispatch()
    async with Config.get().open_driver() as driver:
        stats = (await driver.queue_stats(["default"]))["default"]
        assert (stats.ready, stats.scheduled, stats.leased) == (3, 1, 0)
        assert stats.oldest_ready_age is not None
        assert (await MonitoringService(driver).get_queue_stats("default")).depth == 4


async def test_line_99_batching(every_url: str) -> None:
    """99: Consider task batching: thousands in one go, all or none."""
    init(url=every_url)
    handles = await dispatch_many([charge(number) for number in range(1000)])
    assert len(set(handles)) == 1000
    with pytest.raises(PayloadTooLarge):
        await dispatch_many([charge(1).task_id("small"), store("x" * 300_000)])
    async with Config.get().open_driver() as driver:
        assert (await driver.queue_stats(["default"]))["default"].ready == 1000
        assert await driver.get_tasks(["small"]) == {}


async def test_line_100_same_code_on_every_server(server_url: str) -> None:
    """100: Prefer Redis for general use, or PostgreSQL and MySQL: the same code runs there, by changing the URL."""
    init(url=server_url)
    handle = await charge(5).dispatch()
    await drain()
    assert await handle.result(timeout=1) == 5


async def test_line_100_acid(sqlite_url: str, tmp_path: Path) -> None:
    """100: ACID guarantees of SQL drivers: a task is there if and only if its caller's transaction commits."""
    init(url=sqlite_url)
    await charge(0).dispatch()
    async with aiosqlite.connect(tmp_path / "tasks.db", isolation_level=None) as connection:
        await connection.execute("create table orders (number integer)")
        await connection.execute("begin immediate")
        await connection.execute("insert into orders values (1)")
        lost = await charge(1).dispatch(on=connection)
        await connection.rollback()
        await connection.execute("begin immediate")
        await connection.execute("insert into orders values (2)")
        kept = await charge(2).dispatch(on=connection)
        await connection.commit()
    with pytest.raises(UnknownTask):
        await lost.status()
    await drain()
    assert (await kept.result(timeout=1), notes) == (2, [0, 2])


async def test_line_106_throughput(redis_url: str) -> None:
    """106: Use Redis for high throughput: what 2,000 dispatches at once bring is taken in batches, each task once, and
    settled together."""
    init(url=redis_url)
    async with anyio.create_task_group() as clients:
        for number in range(2000):
            clients.start_soon(charge(number).dispatch)
    started = anyio.current_time()
    worker = await work(concurrency=100)
    assert anyio.current_time() - started < PATIENCE / 2
    assert sorted(notes) == list(range(2000))
    assert worker.get_health_status()["tasks_processed"] == 2000
    async with Config.get().open_driver() as driver:
        assert (await driver.queue_stats(["default"]))["default"].total_completed == 2000


async def test_line_106_acid_on_postgres(postgres_url: str) -> None:
    """106: PostgreSQL for ACID guarantees: on the caller's asyncpg connection a task is there if and only if it
    commits, together with its rows."""
    init(url=postgres_url)
    connection = await asyncpg.connect(postgres_url.partition("?")[0])
    try:
        await connection.execute("create temporary table orders (number integer)")
        undone = connection.transaction()
        await undone.start()
        await connection.execute("insert into orders values (1)")
        lost = await charge(1).dispatch(on=connection)
        await undone.rollback()
        async with connection.transaction():
            await connection.execute("insert into orders values (2)")
            kept = await charge(2).dispatch(on=connection)
        assert [row["number"] for row in await connection.fetch("select number from orders")] == [2]
    finally:
        await connection.close()
    with pytest.raises(UnknownTask):
        await lost.status()
    await drain()
    assert (await kept.result(timeout=1), notes) == (2, [2])


async def test_line_106_acid_on_mysql(mysql_url: str) -> None:
    """106: MySQL for ACID guarantees: on the caller's aiomysql connection a task is there if and only if it commits,
    together with its rows."""
    init(url=mysql_url)
    parts = urlsplit(mysql_url)
    connection = await aiomysql.connect(
        host=parts.hostname, port=parts.port, user=parts.username, password=parts.password or "", db=parts.path[1:]
    )
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("create temporary table orders (number integer) engine=innodb")
            await connection.begin()
            await cursor.execute("insert into orders values (1)")
            lost = await charge(1).dispatch(on=connection)
            await connection.rollback()
            await connection.begin()
            await cursor.execute("insert into orders values (2)")
            kept = await charge(2).dispatch(on=connection)
            await connection.commit()
            await cursor.execute("select number from orders")
            assert await cursor.fetchall() == ((2,),)
    finally:
        connection.close()
    with pytest.raises(UnknownTask):
        await lost.status()
    await drain()
    assert (await kept.result(timeout=1), notes) == (2, [2])
