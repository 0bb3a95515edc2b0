"""Hints: coalesced, for the right queues, and honest about a connection that broke."""

import anyio
import pytest
from asynctasq_redis.addresses import address_of
from asynctasq_redis.connection_pool import ConnectionPool
from asynctasq_redis.driver import RedisDriver
from asynctasq_redis.script_library import installed_scripts
from asynctasq_redis.script_runner import ScriptRunner
from asynctasq_redis.settings import RedisConfig
from asynctasq_redis.wake_ups import RedisWakeUps
from redis import Redis

from asynctasq.driver_api import DriverUnavailable, Failure, NewTask, Release, Retry, WakeUps

from .servers import RedisServer

pytestmark = pytest.mark.anyio


def _task(task_id: str, queue: str = "q", delay: float = 0.0) -> NewTask:
    return NewTask(id=task_id, queue=queue, name="n", payload=b"x", delay=delay)


async def test_a_hint_comes_for_each_way_to_become_ready(driver: RedisDriver) -> None:
    """Enqueue, retry and release without delay, replay and resume wake; other queues and delayed tasks do not."""
    assert driver.wake_ups is not None
    assert driver.pausing is not None
    async with driver.wake_ups.listen(["q"]) as stream:
        await driver.enqueue_many([_task("other", "other"), _task("late", delay=60)])
        assert not await stream.wait(0.05)
        await driver.enqueue_many([_task("a"), _task("b")])
        assert await stream.wait(5)
        deliveries = await driver.reserve(["q"], limit=2, lease=60, worker="w")
        assert not await stream.wait(0.05)
        await driver.settle_many([Retry(receipt=deliveries[0].receipt, failure=Failure(type="t", message="m"))])
        assert await stream.wait(5)
        await driver.settle_many([Release(receipt=deliveries[1].receipt)])
        assert await stream.wait(5)
        await driver.pausing.resume(["q"])
        assert await stream.wait(5)


async def test_many_hints_are_one(driver: RedisDriver) -> None:
    """A thousand enqueues while nobody waits are one hint, not a thousand."""
    assert driver.wake_ups is not None
    async with driver.wake_ups.listen(["q"]) as stream:
        for number in range(100):
            await driver.enqueue_many([_task(f"t{number}")])
        assert await stream.wait(5)
        with anyio.move_on_after(0.2):
            while await stream.wait(0.1):
                pass
        assert not await stream.wait(0.01)


async def test_a_broken_connection_is_told_and_a_new_stream_works(server: RedisServer) -> None:
    """Killed by the server, `wait` raises DriverUnavailable, again and again; listening again works."""
    server.start()
    async with RedisDriver(RedisConfig(url=server.url)) as driver:
        assert driver.wake_ups is not None
        with pytest.raises(DriverUnavailable, match="wake-ups ended"):
            await _listen_until_killed(driver.wake_ups, server)
        async with driver.wake_ups.listen(["q"]) as stream:
            await driver.enqueue_many([_task("task")])
            assert await stream.wait(5)


async def _listen_until_killed(wake_ups: WakeUps, server: RedisServer) -> None:
    async with wake_ups.listen(["q"]) as stream:
        with Redis(port=server.port) as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        for _ in range(2):
            with pytest.raises(DriverUnavailable):
                await stream.wait(5)
        await stream.wait(5)


async def test_a_silent_server_is_noticed(server: RedisServer) -> None:
    """A server that is frozen, or behind a wire that was cut, is asked after a while and found out."""
    server.start()
    settings = RedisConfig(url=server.url)
    async with RedisDriver(settings) as driver:
        pool = ConnectionPool(address_of(settings, "key"), max_connections=1, command_timeout=5)
        scripts = ScriptRunner(installed_scripts(), pool, "prefix:")
        async with RedisWakeUps(driver, scripts, quiet_time=0.1).listen(["q"]) as stream:
            assert not await stream.wait(0.5)  # a server that answers is no failure
            server.freeze()
            with pytest.raises(DriverUnavailable):
                await stream.wait(5)
            server.thaw()


async def test_an_error_of_the_user_comes_out_as_it_is(driver: RedisDriver) -> None:
    """What is raised inside the stream's block is not wrapped in a group."""
    assert driver.wake_ups is not None
    with pytest.raises(KeyError):
        async with driver.wake_ups.listen(["q"]):
            raise KeyError("mine")
