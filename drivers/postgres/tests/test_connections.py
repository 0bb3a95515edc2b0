"""The pool: what becomes of connections that are cancelled, killed, silent, or too many."""

import asyncio
import time

import asyncpg
import pytest
from asynctasq_postgres import connections
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.settings import PostgresConfig
from msgspec.structs import replace

from asynctasq.driver_api import DriverUnavailable, Guarantee, NewTask

from .servers import PostgresServer

pytestmark = pytest.mark.anyio

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"


def task(id: str, **options: str) -> NewTask:
    """A task."""
    return NewTask(id=id, queue="q", name="n", payload=b"", **options)


@pytest.fixture
def named(settings: PostgresConfig, namespace: str) -> PostgresConfig:
    """Settings that let this test's connections be found on the server."""
    return replace(settings, application_name=namespace[:40], notify=False)


async def sessions(connection: asyncpg.Connection, settings: PostgresConfig, wanted: int) -> None:
    """Wait until the server has `wanted` sessions of these settings."""
    deadline = time.monotonic() + 5.0
    while (found := await connection.fetchval(SESSIONS, settings.application_name)) != wanted:
        assert time.monotonic() < deadline, f"{found} sessions; wanted {wanted}"
        await asyncio.sleep(0.01)


async def test_connections_open_when_needed_and_never_more(
    named: PostgresConfig, connection: asyncpg.Connection
) -> None:
    """One after `connect()`, at most `max_pool_size` under load, none after `disconnect()`."""
    async with PostgresDriver(replace(named, min_pool_size=3, max_pool_size=3)) as driver:
        await sessions(connection, named, 1)
        await asyncio.gather(*(driver.enqueue_many([task(f"t{number}")]) for number in range(50)))
        await sessions(connection, named, 3)
    await sessions(connection, named, 0)


async def test_connections_can_be_opened_beforehand(named: PostgresConfig, connection: asyncpg.Connection) -> None:
    """`warmup_connections` opens them in `connect()`."""
    async with PostgresDriver(replace(named, warmup_connections=4)):
        await sessions(connection, named, 4)


async def test_surplus_connections_close_when_idle(
    named: PostgresConfig, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is idle above `min_pool_size` goes after a while."""
    monkeypatch.setattr(connections, "IDLE_LIFETIME", 0.0)
    async with PostgresDriver(replace(named, min_pool_size=1, max_pool_size=5, warmup_connections=5)) as driver:
        for _ in range(10):
            await driver.now()
        await sessions(connection, named, 1)


async def test_a_cancelled_call_leaves_a_pool_in_order(
    named: PostgresConfig, driver: PostgresDriver, connection: asyncpg.Connection
) -> None:
    """Its connection is discarded, its slot is free again, and the answers of later calls are their own."""
    async with PostgresDriver(replace(named, min_pool_size=1, max_pool_size=1)) as small:
        async with connection.transaction():
            await driver.transactions.on(connection).enqueue_many([task("held")])
            for _ in range(3):
                call = asyncio.ensure_future(small.enqueue_many([task("held")]))
                await asyncio.sleep(0.05)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
            assert [outcome.accepted for outcome in await small.enqueue_many([task("free")])] == [True]
        assert set(await small.get_tasks(["held", "free"])) == {"held", "free"}


async def test_a_killed_connection_is_unavailable_once(
    named: PostgresConfig, driver: PostgresDriver, connection: asyncpg.Connection
) -> None:
    """A call whose session is terminated raises DriverUnavailable; idle ones that were terminated go unnoticed."""
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"
    async with PostgresDriver(named) as victim:
        async with connection.transaction():
            await driver.transactions.on(connection).enqueue_many([task("held")])
            call = asyncio.ensure_future(victim.enqueue_many([task("held")]))
            await asyncio.sleep(0.05)
            await connection.execute(kill, named.application_name)
            with pytest.raises(DriverUnavailable) as raised:
                await call
            assert raised.value.__cause__ is not None
        await victim.now()
        await connection.execute(kill, named.application_name)
        await asyncio.sleep(0.05)
        await victim.now()


async def test_a_call_that_is_not_answered_is_unavailable(
    named: PostgresConfig, driver: PostgresDriver, connection: asyncpg.Connection
) -> None:
    """After `command_timeout`, whether it waits for an answer or for a connection of the pool."""
    async with PostgresDriver(replace(named, min_pool_size=1, max_pool_size=1, command_timeout=0.2)) as hasty:
        async with connection.transaction():
            await driver.transactions.on(connection).enqueue_many([task("held")])
            started = time.monotonic()
            results = await asyncio.gather(
                hasty.enqueue_many([task("held")]), hasty.enqueue_many([task("held")]), return_exceptions=True
            )
            assert [type(result) for result in results] == [DriverUnavailable, DriverUnavailable]
            assert time.monotonic() - started < 2.0
        await hasty.now()


@pytest.mark.slow
async def test_a_frozen_server_is_noticed_and_recovered_from(private_server: PostgresServer, namespace: str) -> None:
    """SIGSTOP of every process, as in a machine that hangs: time-outs, then service again without a new driver."""
    settings = PostgresConfig(dsn=private_server.url, namespace=namespace, command_timeout=0.3, connect_timeout=0.3)
    driver = PostgresDriver(settings)
    await driver.prepare_storage()
    async with driver:
        await driver.enqueue_many([task("before")])
        private_server.freeze()
        for _ in range(2):
            with pytest.raises(DriverUnavailable):
                await driver.enqueue_many([task("during")])
        private_server.thaw()
        await driver.enqueue_many([task("during")])
        await driver.enqueue_many([task("after")])
        assert set(await driver.get_tasks(["before", "during", "after"])) == {"before", "during", "after"}


@pytest.mark.slow
async def test_a_killed_server_is_recovered_from(private_server: PostgresServer, namespace: str) -> None:
    """kill -9, down, up again: DriverUnavailable meanwhile, then every acknowledged task is there."""
    driver = PostgresDriver(PostgresConfig(dsn=private_server.url, namespace=namespace))
    await driver.prepare_storage()
    async with driver:
        await driver.enqueue_many([task(f"t{number}") for number in range(100)])
        private_server.kill()
        with pytest.raises(DriverUnavailable):
            await driver.now()
        private_server.start()
        deliveries = await driver.reserve(["q"], limit=200, lease=60.0, worker="w")
        assert len(deliveries) == 100


async def test_durability_is_as_the_session_has_it(driver: PostgresDriver, settings: PostgresConfig) -> None:
    """The driver relaxes nothing, reads what the server says, and claims no more than that."""
    assert Guarantee.DURABLE in driver.traits.guarantees
    row = await driver._connected.run(
        lambda connection: connection.fetch(
            "SELECT current_setting('synchronous_commit'), current_setting('fsync'),"
            " current_setting('full_page_writes')"
        )
    )
    assert tuple(row[0]) == ("on", "on", "on")
    async with PostgresDriver(replace(settings, dsn=f"{settings.dsn}?synchronous_commit=off")) as relaxed:
        assert Guarantee.DURABLE not in relaxed.traits.guarantees
        assert "postgres.synchronous_commit_off" in {finding.code for finding in await relaxed.diagnose()}


async def test_an_old_snapshot_is_a_finding(
    driver: PostgresDriver, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forgotten transaction makes every claim slower; `diagnose()` says so, and how to find it."""
    monkeypatch.setattr("asynctasq_postgres.diagnosis.OLD_SNAPSHOT", 0.0)
    async with connection.transaction(isolation="repeatable_read"):
        await connection.execute("SELECT 1")
        findings = {finding.code: finding for finding in await driver.diagnose()}
    assert "backend_xmin" in findings["postgres.old_snapshot"].cure


async def test_a_pool_larger_than_the_server_is_a_finding(settings: PostgresConfig) -> None:
    """Ten processes later it would be refused connections."""
    async with PostgresDriver(replace(settings, max_pool_size=1_000)) as driver:
        assert "postgres.few_connections" in {finding.code for finding in await driver.diagnose()}
