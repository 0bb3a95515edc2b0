"""What a real server does to the driver: full, restarted, frozen, read-only, loading, forgetful, closed to us."""

import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from asynctasq_redis.driver import RedisDriver
from asynctasq_redis.settings import RedisConfig
from redis import Redis

from asynctasq.driver_api import (
    CancelOutcome,
    Complete,
    ConfigurationError,
    DriverUnavailable,
    Guarantee,
    NewTask,
    QueueFull,
    SettleOutcome,
)

from .servers import RedisServer, free_port

pytestmark = pytest.mark.anyio


def _task(task_id: str, payload: bytes = b"x", **fields: Any) -> NewTask:
    return NewTask(id=task_id, queue="q", name="n", payload=payload, **fields)


@asynccontextmanager
async def _connected(server: RedisServer, **settings: Any) -> AsyncGenerator[RedisDriver]:
    async with RedisDriver(RedisConfig(url=server.url, **settings)) as driver:
        yield driver


async def test_a_full_server_takes_no_tasks_and_settles_the_others(server: RedisServer) -> None:
    """At maxmemory an enqueue is QueueFull without effect; reserve, extend, settle, cancel and delete go on."""
    server.start()
    async with _connected(server) as driver:
        await driver.enqueue_many([_task(f"t{number}", keep_for=60) for number in range(50)])
        with Redis(port=server.port) as client:
            client.config_set("maxmemory", client.info("memory")["used_memory"] // 2)
        for tasks in ([_task("alone")], [_task("plain"), _task("keyed", dedupe_key="k")]):
            with pytest.raises(QueueFull):
                await driver.enqueue_many(tasks)
        assert await driver.get_tasks(["alone", "plain", "keyed"]) == {}

        deliveries = await driver.reserve(["q"], limit=40, lease=60, worker="w")
        receipts = [delivery.receipt for delivery in deliveries]
        assert len(receipts) == 40
        assert all(outcome.applied for outcome in await driver.extend_many(receipts, lease=90))
        assert await driver.cancel_many(["t49"]) == [CancelOutcome.CANCELLED]
        settlements = [Complete(receipt=receipt, result=b"r", follow_ups=(_task("follow-up"),)) for receipt in receipts]
        assert set(await driver.settle_many(settlements)) == {SettleOutcome.APPLIED}
        assert "follow-up" in await driver.get_tasks(["follow-up"])
        assert all(await driver.delete_many([delivery.id for delivery in deliveries]))
        async with _connected(server, namespace="another") as other:
            await other.now()
        with Redis(port=server.port) as client:
            client.config_set("maxmemory", 0)
        assert (await driver.enqueue_many([_task("alone")]))[0].accepted


async def test_scripts_that_the_server_has_forgotten_are_sent_again(server: RedisServer) -> None:
    """SCRIPT FLUSH is healed within the same call, for each script."""
    server.start()
    async with _connected(server) as driver:
        for number in range(3):
            with Redis(port=server.port) as client:
                client.script_flush()
            await driver.enqueue_many([_task(f"one-{number}")])
            await driver.enqueue_many([_task(f"two-{number}"), _task(f"three-{number}")])
            deliveries = await driver.reserve(["q"], limit=3, lease=60, worker="w")
            outcomes = await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
            assert outcomes == [SettleOutcome.APPLIED] * 3


async def test_a_restarted_server_is_used_again(server: RedisServer) -> None:
    """A killed server is DriverUnavailable until it is back; what was acknowledged is there, and works."""
    server = RedisServer(server.folder, "--appendonly", "yes", "--appendfsync", "always", port=server.port)
    with server:
        async with _connected(server) as driver:
            assert Guarantee.DURABLE in driver.traits.guarantees
            await driver.enqueue_many([_task("kept")])
            deliveries = await driver.reserve(["q"], limit=1, lease=60, worker="w")
            server.kill()
            with pytest.raises(DriverUnavailable):
                await driver.settle_many([Complete(receipt=deliveries[0].receipt)])
            server.start()
            outcomes = await _first_answer(driver, deliveries[0].receipt)
            assert outcomes == [SettleOutcome.APPLIED]


async def _first_answer(driver: RedisDriver, receipt: Any) -> list[SettleOutcome]:
    with anyio.fail_after(10):
        await _until_up(driver)
        return await driver.settle_many([Complete(receipt=receipt)])


async def test_a_frozen_server_is_noticed_in_time(server: RedisServer) -> None:
    """A server that holds its connections and says nothing is an outage after `command_timeout`, also while waiting
    for a connection."""
    server.start()
    async with _connected(server, command_timeout=0.3, max_connections=1) as driver:
        server.freeze()
        try:
            started = time.monotonic()
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(_expect_outage, driver)
            assert time.monotonic() - started < 2
        finally:
            server.thaw()
        assert (await driver.enqueue_many([_task("after")]))[0].accepted


async def _expect_outage(driver: RedisDriver) -> None:
    with pytest.raises(DriverUnavailable, match="in time"):
        await driver.now()


async def test_a_replica_is_an_outage_until_it_is_a_master(server: RedisServer) -> None:
    """READONLY is DriverUnavailable; once the server is a master again the same driver works."""
    server.start()
    async with _connected(server) as driver:
        await driver.enqueue_many([_task("before")])
        with Redis(port=server.port) as client:
            client.execute_command("REPLICAOF", "127.0.0.1", free_port())
            with pytest.raises(DriverUnavailable, match="replica"):
                await driver.enqueue_many([_task("after")])
            client.execute_command("REPLICAOF", "NO", "ONE")
        assert (await driver.enqueue_many([_task("after")]))[0].accepted


async def test_a_loading_server_is_an_outage(server: RedisServer) -> None:
    """LOADING is DriverUnavailable, for `connect()` and for calls, and heals itself."""
    options = ("--key-load-delay", "300", "--loading-process-events-interval-bytes", "1024")
    with RedisServer(server.folder, *options, port=server.port) as it:
        async with _connected(it) as driver:
            await driver.enqueue_many([_task("kept")])
            with Redis(port=it.port) as client:
                client.mset({f"filler-{number}": number for number in range(20_000)})
                client.save()
            it.kill()
            it.start()
            with pytest.raises(DriverUnavailable):
                await driver.now()  # on a connection that broke
            with pytest.raises(DriverUnavailable, match="loading"):
                await driver.now()
            with pytest.raises(DriverUnavailable, match="loading"):
                await RedisDriver(RedisConfig(url=it.url)).connect()
            with Redis(port=it.port) as client:
                client.config_set("key-load-delay", 0)
            with anyio.fail_after(20):
                await _until_up(driver)
            assert set(await driver.get_tasks(["kept"])) == {"kept"}


async def _until_up(driver: RedisDriver) -> None:
    while True:
        try:
            await driver.now()
        except DriverUnavailable:
            await anyio.sleep(0.05)
        else:
            return


async def test_wrong_credentials_are_a_configuration_error(server: RedisServer) -> None:
    """NOAUTH and WRONGPASS end `connect()` at once, name the settings, and show no password."""
    server = RedisServer(server.folder, "--requirepass", "right-secret", port=server.port)
    with server:
        for password in (None, "wrong-secret"):
            driver = RedisDriver(RedisConfig(url=server.url, password=password))
            with pytest.raises(ConfigurationError, match="password") as caught:
                await driver.connect()
            assert "secret" not in str(caught.value) + repr(driver)
        async with _connected(server, password="right-secret") as driver:
            await driver.now()


async def test_nobody_there_is_an_outage_within_two_seconds() -> None:
    """A missing server is told of quickly."""
    started = time.monotonic()
    with pytest.raises(DriverUnavailable, match="connection to Redis failed"):
        await RedisDriver(RedisConfig(url=f"redis://127.0.0.1:{free_port()}/0")).connect()
    assert time.monotonic() - started < 2


async def test_a_server_that_is_no_redis_is_an_outage() -> None:
    """Whatever else listens on the port can't make a call hang or surface as a foreign exception."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.setblocking(False)

        async def talk_nonsense() -> None:
            while True:
                await anyio.wait_readable(listener)
                connection, _ = listener.accept()
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.close()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(talk_nonsense)
            with pytest.raises(DriverUnavailable):
                await RedisDriver(RedisConfig(url=f"redis://127.0.0.1:{port}/0", command_timeout=2)).connect()
            tasks.cancel_scope.cancel()


async def test_an_evicting_server_is_a_finding_and_a_warning(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Eviction and missing persistence are told of at connect, and by `diagnose()` with a cure."""
    server.start()
    with Redis(port=server.port) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    async with _connected(server) as driver:
        codes = {finding.code: finding for finding in await driver.diagnose()}
        assert set(codes) == {"redis.eviction", "redis.persistence"}
        assert "noeviction" in codes["redis.eviction"].cure
        assert Guarantee.DURABLE not in driver.traits.guarantees
    assert "allkeys-lru" in caplog.text
    assert "appendonly" in caplog.text


async def test_what_changes_later_is_an_outage(server: RedisServer) -> None:
    """A configuration error comes from `connect()` alone: credentials that were changed since make every call
    unavailable, `diagnose()` too, until an operator has cured it."""
    server.start()
    async with _connected(server) as driver:
        with Redis(port=server.port) as client:
            client.config_set("requirepass", "changed")
            client.execute_command("CLIENT", "KILL", "TYPE", "normal")
        for call in (driver.diagnose, driver.now):
            with pytest.raises(DriverUnavailable):
                await call()


async def test_a_user_with_few_rights_is_enough(server: RedisServer, namespace: str) -> None:
    """The least-privilege ACL of the README lets the driver do everything, and nothing outside its keys."""
    server.start()
    with Redis(port=server.port) as client:
        client.execute_command(
            *("ACL", "SETUSER", "queue", "on", ">secret", "resetkeys", "resetchannels", "-@all"),
            *(f"~asynctasq:{{{namespace}}}:*", f"&asynctasq:{{{namespace}}}:*"),
            *("+@connection", "+@scripting", "-script", "+@read", "+@write", "+info", "+config|get", "+time"),
            *("+publish", "+subscribe", "-@dangerous", "+info", "+config|get"),
        )
    settings = {"username": "queue", "password": "secret", "namespace": namespace}
    async with _connected(server, **settings) as driver:
        assert driver.wake_ups is not None
        async with driver.wake_ups.listen(["q"]) as stream:
            await driver.enqueue_many([_task("task")])
            assert await stream.wait(5)
        deliveries = await driver.reserve(["q"], limit=1, lease=60, worker="w")
        await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
        await driver.maintain(limit=10)
        assert {finding.code for finding in await driver.diagnose()} == {"redis.persistence"}
    with pytest.raises(ConfigurationError, match="may not"):
        await RedisDriver(RedisConfig(url=server.url, **settings | {"namespace": "other"})).connect()
