"""Wake-ups: hints that recover."""

import asyncio
import time

import asyncpg
import pytest
from asynctasq_postgres import wake_ups
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.settings import PostgresConfig
from msgspec.structs import replace

from asynctasq.driver_api import Complete, DriverClosed, DriverUnavailable, NewTask

pytestmark = pytest.mark.anyio

LISTENERS = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND query ILIKE 'LISTEN%'"


def task(id: str, queue: str = "q", **options: float) -> NewTask:
    """A task."""
    return NewTask(id=id, queue=queue, name="n", payload=b"", **options)


@pytest.fixture
def named(settings: PostgresConfig, namespace: str) -> PostgresConfig:
    """Settings that let this test's connections be found on the server."""
    return replace(settings, application_name=namespace[:40])


async def kill_listeners(connection: asyncpg.Connection, settings: PostgresConfig) -> int:
    """Terminate the listening connections of these settings."""
    pids = [row[0] for row in await connection.fetch(LISTENERS, settings.application_name)]
    for pid in pids:
        await connection.execute("SELECT pg_terminate_backend($1)", pid)
    return len(pids)


async def test_a_broken_listener_says_so_and_the_next_one_works(
    named: PostgresConfig, driver: PostgresDriver, connection: asyncpg.Connection
) -> None:
    """Every stream raises DriverUnavailable, now and later; listening again opens a new connection."""
    async with PostgresDriver(named) as listening:
        assert listening.wake_ups is not None
        async with listening.wake_ups.listen(["q"]) as one, listening.wake_ups.listen(["other"]) as other:
            waiting = asyncio.gather(one.wait(10.0), other.wait(10.0), return_exceptions=True)
            await asyncio.sleep(0.05)
            assert await kill_listeners(connection, named) == 1
            assert [type(result) for result in await waiting] == [DriverUnavailable, DriverUnavailable]
            with pytest.raises(DriverUnavailable):
                await one.wait(1.0)
            async with listening.wake_ups.listen(["q"]) as again:
                await driver.enqueue_many([task("a")])
                assert await again.wait(5.0)


async def test_one_connection_for_all_streams_and_none_without(
    named: PostgresConfig, connection: asyncpg.Connection
) -> None:
    """A driver listens on at most one connection, and gives it up with the last stream."""
    async with PostgresDriver(named) as driver:
        assert driver.wake_ups is not None
        async with driver.wake_ups.listen(["a"]), driver.wake_ups.listen(["b", "c"]):
            assert len(await connection.fetch(LISTENERS, named.application_name)) == 1
        deadline = time.monotonic() + 5.0
        while await connection.fetch(LISTENERS, named.application_name):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


async def test_only_the_queues_asked_for_wake(driver: PostgresDriver) -> None:
    """Neither another queue nor a task that is not due."""
    assert driver.wake_ups is not None
    async with driver.wake_ups.listen(["q"]) as stream:
        await driver.enqueue_many([task("a", "other"), task("b", delay=60.0)])
        assert not await stream.wait(0.1)
        await driver.enqueue_many([task("c")])
        assert await stream.wait(5.0)


async def test_follow_ups_wake(driver: PostgresDriver) -> None:
    """A completion's follow-ups are enqueues like any other."""
    await driver.enqueue_many([task("a")])
    (delivery,) = await driver.reserve(["q"], limit=1, lease=60.0, worker="w")
    assert driver.wake_ups is not None
    async with driver.wake_ups.listen(["next"]) as stream:
        await driver.settle_many([Complete(receipt=delivery.receipt, follow_ups=(task("b", "next"),))])
        assert await stream.wait(5.0)


async def test_a_flood_is_coalesced(driver: PostgresDriver, postgres_url: str) -> None:
    """A thousand enqueues are told of in far fewer notifications, and the last one always is."""
    heard: list[float] = []
    listener = await asyncpg.connect(postgres_url)
    channel = driver._names.channel("q")
    await listener.add_listener(channel, lambda *_: heard.append(time.monotonic()))
    started = time.monotonic()
    await asyncio.gather(*(driver.enqueue_many([task(f"t{number}")]) for number in range(1_000)))
    took = time.monotonic() - started
    deadline = time.monotonic() + 5.0
    while not heard or heard[-1] < started + took:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
    assert len(heard) <= took / wake_ups.PAUSE_BETWEEN_NOTIFICATIONS + 2
    await listener.close()


async def test_the_last_enqueue_before_disconnecting_is_told(settings: PostgresConfig, driver: PostgresDriver) -> None:
    """A producer that enqueues and exits wakes the workers."""
    assert driver.wake_ups is not None
    async with driver.wake_ups.listen(["q"]) as stream:
        async with PostgresDriver(settings) as producer:
            await producer.enqueue_many([task("a")])
        assert await stream.wait(5.0)


async def test_both_directions_can_be_switched_off(settings: PostgresConfig, driver: PostgresDriver) -> None:
    """`listen=False` has no wake-ups at all, `notify=False` sends none."""
    async with PostgresDriver(replace(settings, listen=False, notify=False)) as quiet:
        assert quiet.wake_ups is None
        assert driver.wake_ups is not None
        async with driver.wake_ups.listen(["q"]) as stream:
            await quiet.enqueue_many([task("a")])
            assert not await stream.wait(0.1)


async def test_disconnecting_ends_the_streams(settings: PostgresConfig) -> None:
    """A worker that waits is told that the driver is gone."""
    driver = PostgresDriver(settings)
    await driver.prepare_storage()
    await driver.connect()
    assert driver.wake_ups is not None
    async with driver.wake_ups.listen(["q"]) as stream:
        waiting = asyncio.ensure_future(stream.wait(10.0))
        await asyncio.sleep(0.02)
        await driver.disconnect()
        with pytest.raises(DriverClosed):
            await waiting


async def test_a_silent_peer_is_asked(driver: PostgresDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a silence `wait` makes sure that the connection is still there, and stays usable."""
    monkeypatch.setattr(wake_ups, "SILENCE_BEFORE_CHECK", 0.0)
    assert driver.wake_ups is not None
    async with driver.wake_ups.listen(["q"]) as stream:
        assert not await stream.wait(0.01)
        await driver.enqueue_many([task("a")])
        assert await stream.wait(5.0)
