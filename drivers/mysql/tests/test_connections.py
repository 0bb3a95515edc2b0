"""Connections: their sessions, and what becomes of them when something goes wrong."""

import time
import uuid
from typing import Any

import anyio
import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver
from asynctasq_mysql.connections import open_connection
from asynctasq_mysql.session_checks import Session, begin_session
from msgspec.structs import replace

from asynctasq.driver_api import (
    Complete,
    ConfigurationError,
    DriverUnavailable,
    Guarantee,
    NewTask,
    SettleOutcome,
)

from .harness import Administrator
from .servers import MariaDBServer

pytestmark = pytest.mark.anyio


def new_task(**fields: Any) -> NewTask:
    """A task with a fresh id."""
    return NewTask(**{"id": uuid.uuid4().hex, "queue": "q", "name": "tests.task", "payload": b"payload"} | fields)


async def variables(driver: MySQLDriver) -> dict[str, str]:
    """A pooled connection's session, as the server tells."""
    [found] = await driver._connected.run(lambda connection: connection.run("SHOW SESSION VARIABLES"))
    return dict(found.rows)


async def test_every_pooled_session(settings: MySQLConfig, administrator: Administrator, driver: MySQLDriver) -> None:
    """Every pooled connection is at READ COMMITTED, waits briefly for locks, and is as durable as the server is."""
    sessions: list[dict[str, str]] = []

    async def look() -> None:
        sessions.append(await variables(driver))

    async with anyio.create_task_group() as group:
        for _ in range(driver.settings.max_pool_size):
            group.start_soon(look)
    assert len({session["pseudo_thread_id"] for session in sessions}) > 1
    for session in sessions:
        assert session.get("transaction_isolation", session.get("tx_isolation")) == "READ-COMMITTED"
        assert session["innodb_lock_wait_timeout"] == "5"
        assert session["autocommit"] == "ON"
    durable = sessions[0]["innodb_flush_log_at_trx_commit"] != "0"
    assert (Guarantee.DURABLE in driver.traits.guarantees) == durable


SESSION = Session(
    version="10.11.6-MariaDB",
    is_mariadb=True,
    isolation="READ-COMMITTED",
    max_allowed_packet=16 << 20,
    flush_log_at_commit=1,
    logs_statements=False,
    look="",
)


@pytest.mark.parametrize(
    ("version", "is_mariadb"),
    [("10.5.22-MariaDB", True), ("5.7.44-log", False), ("8.0.11-TiDB-v7.5.0", False), ("odd", False)],
)
def test_servers_without_skip_locked_are_refused(version: str, is_mariadb: bool) -> None:
    """A server that is too old is refused, with the version found and the versions wanted."""
    with pytest.raises(ConfigurationError, match=r"which has no SKIP LOCKED; wanted MySQL 8\.0\.1 .* MariaDB 10\.6"):
        replace(SESSION, version=version, is_mariadb=is_mariadb).check(1000)


def test_other_servers_that_can_not_work_are_refused() -> None:
    """Packets too small for a payload, and a binary log of statements, are refused; lost commits are not durable."""
    for version, is_mariadb in (("10.6.0-MariaDB", True), ("8.0.1", False), ("9.4.0", False)):
        replace(SESSION, version=version, is_mariadb=is_mariadb).check(262_144)
    with pytest.raises(ConfigurationError, match="max_allowed_packet is 1024; wanted 786432"):
        replace(SESSION, max_allowed_packet=1024).check(262_144)
    with pytest.raises(ConfigurationError, match="binlog_format is STATEMENT"):
        replace(SESSION, logs_statements=True).check(262_144)
    assert Guarantee.DURABLE in replace(SESSION, flush_log_at_commit=2).guarantees()
    assert Guarantee.DURABLE not in replace(SESSION, flush_log_at_commit=0).guarantees()


async def test_a_cancelled_command_closes_its_connection(settings: MySQLConfig, driver: MySQLDriver) -> None:
    """A connection whose command was cancelled is never used again: its answer would be another call's."""
    await driver.enqueue_many([new_task() for _ in range(10)])
    for delay in (0.0, 0.0005, 0.001, 0.002):
        with anyio.move_on_after(delay):
            await driver._connected.run(lambda connection: connection.run("SELECT SLEEP(0.2), 'cancelled'"))
        [answer] = await driver._connected.run(lambda connection: connection.run("SELECT 'mine'"))
        assert answer.rows == (("mine",),)


async def test_a_cancelled_command_is_over(driver: MySQLDriver, administrator: Administrator) -> None:
    """When a cancelled call comes back, the server has ended what it was told, and holds no lock for it."""
    for _ in range(3):
        with anyio.move_on_after(0.02):
            await driver._connected.run(lambda connection: connection.run("SELECT SLEEP(0.2), 'to be cancelled'"))
        running = administrator.run("SELECT INFO FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(0.2)%'")
        assert not [row for row in running if "PROCESSLIST" not in row[0]]


async def test_a_killed_connection_is_replaced(driver: MySQLDriver, administrator: Administrator) -> None:
    """A call whose connection is killed is `DriverUnavailable`, or finds a new one; the next call works."""
    task = new_task()
    for _ in range(3):
        number = (await variables(driver))["pseudo_thread_id"]
        administrator.run(f"KILL {number}")
        try:
            await driver.enqueue_many([task])
        except DriverUnavailable:
            await driver.enqueue_many([task])
    assert [*await driver.get_tasks([task.id])] == [task.id]


@pytest.mark.slow
async def test_a_server_that_dies_and_comes_back(server: MariaDBServer) -> None:
    """What was acknowledged survives a kill -9 of the server, leases included; the driver reconnects by itself."""
    async with await prepared(server) as driver:
        tasks = [new_task() for _ in range(20)]
        await driver.enqueue_many(tasks)
        [delivery] = await driver.reserve(["q"], limit=1, lease=600.0, worker="worker")
        await anyio.to_thread.run_sync(server.kill)
        with pytest.raises(DriverUnavailable):
            await driver.enqueue_many([new_task()])
        with pytest.raises(DriverUnavailable):
            await driver.queue_stats()
        await anyio.to_thread.run_sync(server.start)
        assert len(await driver.get_tasks([task.id for task in tasks])) == 20
        assert await driver.settle_many([Complete(receipt=delivery.receipt)]) == [SettleOutcome.APPLIED]
        assert len(await driver.reserve(["q"], limit=50, lease=60.0, worker="worker")) == 19


@pytest.mark.slow
async def test_a_server_that_says_nothing(server: MariaDBServer) -> None:
    """A server that does not answer is `DriverUnavailable` after the command time-out, also while connecting."""
    async with await prepared(server, command_timeout=2.0, connect_timeout=2.0) as driver:
        server.freeze()
        try:
            for attempt in (driver.now, MySQLDriver(driver.settings).connect):
                begin = time.monotonic()
                with pytest.raises(DriverUnavailable):
                    await attempt()
                assert time.monotonic() - begin < 8
        finally:
            server.thaw()
        await driver.now()


async def prepared(server: MariaDBServer, **fields: Any) -> MySQLDriver:
    """A driver of a private server, not connected."""
    await MySQLDriver(MySQLConfig(dsn=server.url)).prepare_storage()
    return MySQLDriver(MySQLConfig(dsn=server.url, **fields))


async def test_a_pool_never_grows_beyond_its_size(settings: MySQLConfig, administrator: Administrator) -> None:
    """With one connection many calls take turns; a call that gets none in time is `DriverUnavailable`."""
    small = MySQLConfig(dsn=settings.dsn, namespace=settings.namespace, max_pool_size=1, command_timeout=0.5)
    driver = MySQLDriver(small)
    await driver.prepare_storage()
    async with driver:
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(driver.enqueue_many, [new_task()])
        assert (await driver.queue_stats(["q"]))["q"].ready == 20

        async def block() -> None:
            await driver._connected.run(lambda connection: connection.run("SELECT SLEEP(0.45)"))

        refused = 0

        async def wait() -> None:
            nonlocal refused
            try:
                await driver.now()
            except DriverUnavailable:
                refused += 1

        async with anyio.create_task_group() as group:
            group.start_soon(block)
            group.start_soon(block)
            await anyio.sleep(0.01)
            group.start_soon(wait)
        assert refused == 1


async def test_warming_up(settings: MySQLConfig, administrator: Administrator, driver: MySQLDriver) -> None:
    """`warmup_connections` are open once `connect()` has returned."""
    warm = MySQLConfig(dsn=settings.dsn, namespace=settings.namespace, warmup_connections=4)
    async with MySQLDriver(warm) as other:
        assert len(other._connected._pool._idle) == 4


async def test_the_session_is_read_back(settings: MySQLConfig, administrator: Administrator) -> None:
    """What was set is what the server says."""
    connection = await open_connection(settings)
    session = await begin_session(connection)
    await connection.close(1.0)
    assert session.isolation == "READ-COMMITTED"
    assert session.max_allowed_packet >= connection.packet_limit
