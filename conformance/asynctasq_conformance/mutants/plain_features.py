"""The four optional features of the plain driver."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.lowlevel

from asynctasq.driver_api import (
    EnqueueOutcome,
    InvalidArgument,
    NewTask,
    Settlement,
    SettleOutcome,
    WorkerReport,
    check_duration,
    check_identifiers,
    check_new_tasks,
    check_payload,
    check_settlements,
    check_text,
)
from asynctasq_conformance.mutants.plain_storage import HandClock, Space, Storage, moment, ticks

if TYPE_CHECKING:
    from asynctasq_conformance.mutants.plain_driver import PlainDriver


Outcomes = TypeVar("Outcomes")


class PlainStream:
    """Looks at the counters of signals until one has grown."""

    def __init__(self, driver: PlainDriver, queues: Sequence[str]) -> None:
        self.driver = driver
        self.queues = queues
        self.seen = self.signals()

    async def wait(self, timeout: float) -> bool:
        """True as soon as ready work came since the last call."""
        self.driver.check_open()
        with anyio.move_on_after(timeout):
            await self.until_signalled()
        await anyio.lowlevel.checkpoint()
        before, self.seen = self.seen, self.signals()
        return self.seen != before

    async def until_signalled(self) -> None:
        """Look at the counters until one has grown: a store without push polls."""
        while True:
            if self.signals() != self.seen:
                return
            await anyio.sleep(0.002)

    def signals(self) -> list[int]:
        """How often ready work came into each of the queues."""
        signals = self.driver.storage.space.signals
        return [signals.get(queue, 0) for queue in self.queues]


class PlainWakeUps:
    """Hints that work has become ready."""

    stream_class: type[PlainStream] = PlainStream

    def __init__(self, driver: PlainDriver) -> None:
        self.driver = driver

    @asynccontextmanager
    async def listen(self, queues: Sequence[str]) -> AsyncGenerator[PlainStream]:
        """A stream of hints for these queues."""
        self.driver.check_open()
        check_identifiers("queue", queues)
        await anyio.lowlevel.checkpoint()
        yield self.stream_class(self.driver, queues)


class PlainPausing:
    """Queues from which nothing is delivered."""

    def __init__(self, driver: PlainDriver) -> None:
        self.driver = driver

    async def pause(self, queues: Sequence[str]) -> None:
        """Leave these queues out of `reserve`."""
        await self._check(queues)
        self.driver.storage.space.paused.update(queues)

    async def resume(self, queues: Sequence[str]) -> None:
        """Deliver from these queues again."""
        await self._check(queues)
        self.driver.storage.space.paused.difference_update(queues)

    async def paused_queues(self) -> frozenset[str]:
        """All paused queues."""
        await self._check(())
        return frozenset(self.driver.storage.space.paused)

    async def _check(self, queues: Sequence[str]) -> None:
        self.driver.check_open()
        check_identifiers("queue", queues)
        await anyio.lowlevel.checkpoint()


class PlainWorkerReports:
    """Workers' own accounts of themselves."""

    def __init__(self, driver: PlainDriver) -> None:
        self.driver = driver

    async def report(self, worker: str, data: bytes, *, ttl: float) -> None:
        """Store a report in place of the last one."""
        self.driver.check_open()
        check_text("worker", worker)
        check_payload("data", data, self.driver.traits.limits)
        check_duration("ttl", ttl, self.driver.traits.limits)
        await anyio.lowlevel.checkpoint()
        now = self.driver.clock.read()
        self.driver.storage.space.reports[worker] = (data, now, now + ticks(ttl))

    async def reports(self) -> list[WorkerReport]:
        """Those whose time has not run out."""
        self.driver.check_open()
        await anyio.lowlevel.checkpoint()
        now = self.driver.clock.read()
        kept = self.driver.storage.space.reports.items()
        return [
            WorkerReport(worker=worker, data=data, reported_at=moment(at))
            for worker, (data, at, end) in kept
            if end > now
        ]


class GuestConnection:
    """A user's own connection to the storage, with transactions and savepoints."""

    def __init__(self, storage: Storage, clock: HandClock | None = None) -> None:
        self.storage = storage
        self.clock = clock
        self.space: Space | None = None
        self.begun_at: int | None = None
        self._savepoints: list[Space] = []

    async def begin(self) -> None:
        """Open a transaction, once nobody else has one open."""
        await self.storage.until_nobody_writes()
        self.storage.writer = self
        self.begun_at = None if self.clock is None else self.clock.read()
        self.space = self.storage.copy_of_space()

    async def commit(self) -> None:
        """Make everything visible."""
        assert self.space is not None
        self.storage.space = self.space
        await self.rollback()

    async def rollback(self) -> None:
        """Forget everything."""
        await anyio.lowlevel.checkpoint()
        if self.space is not None:
            self.space = None
            self.storage.writer = None

    async def savepoint(self) -> None:
        """Remember the present state."""
        await anyio.lowlevel.checkpoint()
        committed, self.storage.space = self.storage.space, self.space or self.storage.space
        self._savepoints.append(self.storage.copy_of_space())
        self.storage.space = committed

    async def rollback_to_savepoint(self) -> None:
        """Go back to the last savepoint."""
        await anyio.lowlevel.checkpoint()
        self.space = self._savepoints.pop()


class PlainTransactions:
    """Enqueue and settle inside a guest's transaction."""

    bound_class: type[PlainBoundDriver]

    def __init__(self, driver: PlainDriver) -> None:
        self.driver = driver

    def on(self, connection: Any) -> PlainBoundDriver:
        """Bind to a `GuestConnection` that has a transaction open."""
        self.driver.check_open()
        if not isinstance(connection, GuestConnection):
            raise InvalidArgument(
                f"{type(connection).__name__} is no connection of this store; wanted a GuestConnection"
            )
        if connection.space is None:
            raise InvalidArgument("no transaction is open on this connection; begin one")
        return self.bound_class(self.driver, connection)


class PlainBoundDriver:
    """What `PlainTransactions.on` gives."""

    def __init__(self, driver: PlainDriver, connection: GuestConnection) -> None:
        self.driver = driver
        self.connection = connection

    async def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        """As the driver's, invisible until commit."""
        check_new_tasks(tasks, self.driver.traits.limits)
        return await self.step(lambda space, now: self.driver.enqueue(space, tasks, now))

    async def settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        """As the driver's, invisible until commit."""
        check_settlements(settlements, self.driver.traits.limits)
        return await self.step(lambda space, now: self.driver.settle(space, settlements, now))

    async def step(self, change: Callable[[Space, int], Outcomes]) -> Outcomes:
        """One uninterrupted change of what the transaction has stored so far."""
        await anyio.lowlevel.checkpoint()
        space = self.connection.space
        if space is None:
            raise InvalidArgument("the transaction has ended; begin one")
        now = self.driver.clock.read()
        self.driver.let_time_act(space, now)
        return change(space, now)


PlainTransactions.bound_class = PlainBoundDriver
