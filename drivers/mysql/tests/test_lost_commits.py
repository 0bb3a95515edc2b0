"""A connection that is lost around its COMMIT: whether it took effect is unknown, and sending again is safe."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import anyio.abc
import msgspec
import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver

from asynctasq.driver_api import Complete, DriverUnavailable, NewTask, SettleOutcome

from .harness import MySQLHarness

pytestmark = pytest.mark.anyio

TASKS = {
    "in one round trip": NewTask(id="t1", queue="q", name="tests.task", payload=b""),
    "in several": NewTask(id="t1", queue="q", name="tests.task", payload=b"", dedupe_key="k"),
}


class CommitCutter:
    """A proxy that passes everything on until it is armed, and then a COMMIT comes by."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.is_armed = False
        self.arrives = False
        """Whether the server gets the COMMIT. Its answer is never passed on."""
        self.came_by = anyio.Event()
        self._target = target
        self._scopes: set[anyio.CancelScope] = set()

    def arm(self, *, arrives: bool) -> None:
        """Stop the next COMMIT, or its answer."""
        self.is_armed, self.arrives = True, arrives

    def cut(self) -> None:
        """Close every connection, and pass on what comes through new ones."""
        self.is_armed = False
        for scope in self._scopes:
            scope.cancel()

    async def serve(self, client: anyio.abc.SocketStream) -> None:
        """One client's connection."""
        async with client, await anyio.connect_tcp(*self._target) as server, anyio.create_task_group() as pair:
            self._scopes.add(pair.cancel_scope)
            pair.start_soon(self._pass_on, client, server, pair.cancel_scope)
            pair.start_soon(self._pass_on, server, client, pair.cancel_scope)
        self._scopes.discard(pair.cancel_scope)

    async def _pass_on(
        self, source: anyio.abc.SocketStream, sink: anyio.abc.SocketStream, scope: anyio.CancelScope
    ) -> None:
        try:
            async for data in source:
                if self.is_armed and data.endswith(b"COMMIT"):
                    self.came_by.set()
                    if self.arrives:
                        await sink.send(data)
                elif not self.came_by.is_set() or not self.is_armed:
                    await sink.send(data)
            scope.cancel()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            scope.cancel()  # the other side has gone, as if it had hung up


@asynccontextmanager
async def behind_a_cutter(settings: MySQLConfig) -> AsyncGenerator[tuple[MySQLDriver, CommitCutter]]:
    """A connected driver whose connections go through a proxy."""
    address = MySQLHarness(settings.dsn).address
    assert address is not None
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as group:
        cutter = CommitCutter(address)
        group.start_soon(listener.serve, cutter.serve)
        direct = f"{address[0]}:{address[1]}"
        assert direct in settings.dsn
        dsn = settings.dsn.replace(direct, f"127.0.0.1:{port}")
        async with MySQLDriver(msgspec.structs.replace(settings, dsn=dsn)) as driver:
            yield driver, cutter
        group.cancel_scope.cancel()


async def lose(
    call: Callable[[], Awaitable[object]], cutter: CommitCutter, has_applied: Callable[[], Awaitable[bool]] | None
) -> None:
    """The call loses its connection at its COMMIT: before it arrives, or once it has been seen to apply."""
    cutter.arm(arrives=has_applied is not None)

    async def fails() -> None:
        with pytest.raises(DriverUnavailable):
            await call()

    async with anyio.create_task_group() as group:
        group.start_soon(fails)
        with anyio.fail_after(5.0):
            await cutter.came_by.wait()
            while True:
                if has_applied is None or await has_applied():
                    break
                await anyio.sleep(0.01)
        cutter.cut()


@pytest.mark.parametrize("arrives", [True, False], ids=["applied", "lost"])
@pytest.mark.parametrize("kind", TASKS)
async def test_an_enqueue(settings: MySQLConfig, driver: MySQLDriver, kind: str, arrives: bool) -> None:
    """`DriverUnavailable`; the same task again is new if the COMMIT was lost, else a duplicate; it is there once."""
    task = TASKS[kind]

    async def is_stored() -> bool:
        return task.id in await driver.get_tasks([task.id])

    async with behind_a_cutter(settings) as (remote, cutter):
        await lose(lambda: remote.enqueue_many([task]), cutter, is_stored if arrives else None)
        assert await is_stored() == arrives
        [outcome] = await remote.enqueue_many([task])
        assert outcome.accepted != arrives
        assert outcome.existing_id == (task.id if arrives else None)
        deliveries = await remote.reserve(["q"], limit=10, lease=60.0, worker="w")
        assert [delivery.id for delivery in deliveries] == [task.id]


@pytest.mark.parametrize("arrives", [True, False], ids=["applied", "lost"])
@pytest.mark.parametrize("has_follow_up", [False, True], ids=["plain", "with a follow-up"])
async def test_a_settlement(settings: MySQLConfig, driver: MySQLDriver, has_follow_up: bool, arrives: bool) -> None:
    """`DriverUnavailable`; the same settlement again leaves the task completed once, with each follow-up once."""
    await driver.enqueue_many([NewTask(id="t1", queue="q", name="tests.task", payload=b"")])
    [delivery] = await driver.reserve(["q"], limit=1, lease=60.0, worker="w")
    follow_up = NewTask(id="t2", queue="next", name="tests.task", payload=b"")
    settlement = Complete(receipt=delivery.receipt, follow_ups=(follow_up,) if has_follow_up else ())

    async def is_completed() -> bool:
        return (await driver.queue_stats(["q"]))["q"].total_completed == 1

    async with behind_a_cutter(settings) as (remote, cutter):
        await lose(lambda: remote.settle_many([settlement]), cutter, is_completed if arrives else None)
        assert await is_completed() == arrives
        [outcome] = await remote.settle_many([settlement])
        assert arrives or outcome is SettleOutcome.APPLIED
        assert await is_completed()
        deliveries = await remote.reserve(["next"], limit=10, lease=60.0, worker="w")
        assert [delivery.id for delivery in deliveries] == ["t2"] * has_follow_up
