"""Connections: how many, which are used again, and what becomes of one whose call was cancelled."""

import anyio
import anyio.lowlevel
import pytest
from asynctasq_redis.addresses import address_of
from asynctasq_redis.connection_pool import ConnectionPool
from asynctasq_redis.driver import RedisDriver
from asynctasq_redis.settings import RedisConfig
from redis import Redis

from asynctasq.driver_api import DriverClosed, DriverUnavailable, NewTask

from .servers import RedisServer

pytestmark = pytest.mark.anyio


def _pool(url: str, *, max_connections: int = 10, command_timeout: float = 5.0) -> ConnectionPool:
    address = address_of(RedisConfig(url=url), "key")
    return ConnectionPool(address, max_connections=max_connections, command_timeout=command_timeout)


async def test_a_cancelled_call_takes_its_connection_along(server: RedisServer) -> None:
    """The answer to a cancelled command is never read by the next one."""
    server.start()
    pool = _pool(server.url)
    own_id = await pool.call("CLIENT", "ID")
    server.freeze()
    with anyio.move_on_after(0.1):
        await pool.call("ECHO", "for nobody")
    server.thaw()
    for number in range(20):
        assert await pool.call("ECHO", f"answer {number}") == f"answer {number}".encode()
    assert await pool.call("CLIENT", "ID") != own_id
    await pool.close()


async def test_cancelled_calls_leave_no_connection_behind(server: RedisServer) -> None:
    """After a storm of cancellations the server has no more clients than the pool has idle connections."""
    server.start()
    pool = _pool(server.url, max_connections=5)
    for number in range(100):
        with anyio.move_on_after(number / 50_000):
            await pool.call("ECHO", "x")
    with anyio.fail_after(5), Redis(port=server.port) as client:
        while client.info("clients")["connected_clients"] > 2:
            await anyio.lowlevel.checkpoint()
    assert await pool.call("ECHO", "fine") == b"fine"
    await pool.close()


async def test_calls_beyond_the_limit_wait_for_a_connection(server: RedisServer) -> None:
    """`max_connections` is never exceeded, and nobody gets an error for it."""
    server.start()
    pool = _pool(server.url, max_connections=2)
    ids: set[int] = set()

    async def look() -> None:
        ids.add(await pool.call("CLIENT", "ID"))

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(look)
    assert len(ids) <= 2
    await pool.close()


async def test_a_connection_that_the_server_closed_is_not_used(server: RedisServer) -> None:
    """An idle connection that was closed meanwhile costs no call."""
    server.start()
    pool = _pool(server.url)
    await pool.call("PING")
    with Redis(port=server.port) as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await anyio.sleep(0.05)  # for the end of the connection to reach this side
    assert await pool.call("PING") == b"PONG"
    await pool.close()


async def test_waiting_for_a_connection_counts_as_waiting(server: RedisServer) -> None:
    """`command_timeout` bounds the whole call, and the call that waits leaves nothing behind."""
    server.start()
    pool = _pool(server.url, max_connections=1, command_timeout=0.2)
    await pool.call("PING")
    server.freeze()

    async def ask() -> None:
        with pytest.raises(DriverUnavailable):
            await pool.call("PING")

    with anyio.fail_after(2):
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask)
    server.thaw()
    assert await pool.call("PING") == b"PONG"
    await pool.close()


async def test_warm_up_opens_connections_at_once(server: RedisServer) -> None:
    """`warmup_connections` are there when `connect()` returns, never above `max_connections`, and gone after
    `disconnect()`."""
    server.start()
    driver = RedisDriver(RedisConfig(url=server.url, warmup_connections=9, max_connections=4))
    await driver.connect()
    with Redis(port=server.port) as client:
        assert client.info("clients")["connected_clients"] == 5
        await driver.disconnect()
        with anyio.fail_after(5):
            while client.info("clients")["connected_clients"] > 1:
                await anyio.lowlevel.checkpoint()


async def test_features_end_with_the_driver(driver: RedisDriver) -> None:
    """After `disconnect()` the feature objects say so, instead of opening connections of their own."""
    pausing, reports, wake_ups = driver.pausing, driver.worker_reports, driver.wake_ups
    assert pausing is not None
    assert reports is not None
    assert wake_ups is not None
    await driver.disconnect()
    with pytest.raises(DriverClosed):
        await pausing.paused_queues()
    with pytest.raises(DriverClosed):
        await reports.reports()
    with pytest.raises(DriverClosed):
        wake_ups.listen(["q"])


async def test_the_largest_batches_of_the_largest_payloads_fit(driver: RedisDriver) -> None:
    """Payloads to the limit, and batches to the limit, go in and come out whole."""
    large = [NewTask(id=f"large-{i}", queue="large", name="n", payload=bytes([i]) * 262_144) for i in range(40)]
    many = [NewTask(id=f"many-{i}", queue="many", name="n", payload=b"x", dedupe_key=f"k{i}") for i in range(1000)]
    assert all(outcome.accepted for outcome in await driver.enqueue_many(large))
    assert all(outcome.accepted for outcome in await driver.enqueue_many(many))
    found: dict[str, bytes] = {}
    while deliveries := await driver.reserve(["large"], limit=1000, lease=60, worker="w"):
        found |= {delivery.id: delivery.payload for delivery in deliveries}
    assert found == {task.id: task.payload for task in large}
    assert len(await driver.reserve(["many"], limit=1000, lease=60, worker="w")) == 1000
