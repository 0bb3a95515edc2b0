"""Drivers that are wrong about opening, closing, storage and clocks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import anyio.lowlevel

from asynctasq.driver_api import DriverTraits, EnqueueOutcome, Finding, Guarantee, NewTask, TaskRecord
from asynctasq_conformance.mutants.mutant import mutant
from asynctasq_conformance.mutants.plain_driver import GUARANTEES, LIMITS, PlainDriver
from asynctasq_conformance.mutants.plain_features import PlainPausing, PlainStream, PlainWakeUps, PlainWorkerReports
from asynctasq_conformance.mutants.plain_storage import LEASED, WAITING, HandClock, Space, Storage, moment, ticks


class _OpenToAll(PlainPausing):
    async def paused_queues(self) -> frozenset[str]:
        await anyio.lowlevel.checkpoint()
        return frozenset(self.driver.storage.space.paused)


@mutant("lifecycle", "LIF-1")
class FeatureWorksWhenClosed(PlainDriver):
    """A feature answers although the driver was disconnected."""

    pausing_class = _OpenToAll


class _ReportsToAll(PlainWorkerReports):
    async def report(self, worker: str, data: bytes, *, ttl: float) -> None:
        await anyio.lowlevel.checkpoint()
        now = self.driver.clock.read()
        self.driver.storage.space.reports[worker] = (data, now, now + ticks(ttl))


@mutant("lifecycle", "LIF-1")
class ReportsWorkWhenClosed(PlainDriver):
    """A worker can report although the driver was disconnected."""

    worker_reports_class = _ReportsToAll


class _ListensToAll(PlainWakeUps):
    @asynccontextmanager
    async def listen(self, queues: Sequence[str]) -> AsyncGenerator[PlainStream]:
        await anyio.lowlevel.checkpoint()
        yield self.stream_class(self.driver, queues)


@mutant("lifecycle", "LIF-1")
class ListensWhenClosed(PlainDriver):
    """A stream of hints can be opened although the driver was disconnected."""

    wake_ups_class = _ListensToAll


@mutant("lifecycle", "LIF-2")
class CallsInFlightAreLost(PlainDriver):
    """Closing throws away what the calls in flight are about to store, though they are answered."""

    async def _enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        await self.writing()
        if self._open_in_process is None:
            return [EnqueueOutcome(accepted=True) for _ in tasks]
        now = self.clock.read()
        return self.enqueue(self.space_as_of(now), tasks, now)


@mutant("lifecycle", "LIF-4")
class DisconnectReleasesLeases(PlainDriver):
    """Disconnecting gives every lease back."""

    async def _disconnect(self) -> None:
        await anyio.lowlevel.checkpoint()
        for stored in self.storage.space.tasks.values():
            if stored.state == LEASED:
                stored.state, stored.receipt = WAITING, None
                stored.at = self.clock.read()


@mutant("lifecycle", "LIF-5")
class RestartForgetsLeases(PlainDriver):
    """Connecting again forgets who holds which task."""

    async def _connect(self) -> None:
        await super()._connect()
        for stored in self.storage.space.tasks.values():
            stored.receipt = None


@mutant("lifecycle", "LIF-8")
class PreparingStorageEmptiesIt(PlainDriver):
    """Preparing the storage again begins it anew."""

    async def _prepare_storage(self, *, dry_run: bool) -> list[str]:
        self.storage.space = Space()
        return []


@mutant("lifecycle", "LIF-9")
class DryRunNeverHasEnough(PlainDriver):
    """A dry run lists its statements although the storage is prepared."""

    async def _prepare_storage(self, *, dry_run: bool) -> list[str]:
        return ["CREATE TABLE task"] if dry_run else []


@mutant("lifecycle", "LIF-10")
class ConcurrentUpdateIsLost(PlainDriver):
    """Enqueueing reads, waits, and writes back what it read: a concurrent call's tasks are lost."""

    async def _enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        space = self.storage.copy_of_space()
        await self.writing()
        outcomes = self.enqueue(space, tasks, self.clock.read())
        self.storage.space = space
        return outcomes


@mutant("lifecycle", "LIF-11")
class StorePerDriver(PlainDriver):
    """Every driver has a store of its own."""

    def __init__(self, storage: Storage, clock: HandClock) -> None:
        super().__init__(Storage(), clock)


@mutant("lifecycle", "LIF-13")
class NoEventLoopClaimed(PlainDriver):
    """The traits claim no event loop."""

    async def _connect(self) -> None:
        await super()._connect()
        self.traits = DriverTraits(guarantees=GUARANTEES, limits=LIMITS, event_loops=frozenset())


@mutant("lifecycle", "LIF-18")
class ClaimsMoreThanItsPlugin(PlainDriver):
    """The connected driver claims a guarantee that its plugin does not advertise."""

    async def _connect(self) -> None:
        await super()._connect()
        more = GUARANTEES | {Guarantee.SHARED_BETWEEN_PROCESSES}
        self.traits = DriverTraits(guarantees=more, limits=LIMITS, event_loops=self.traits.event_loops)


@mutant("lifecycle", "LIF-14")
class NowIsNaive(PlainDriver):
    """`now()` gives a datetime without a time zone."""

    async def _now(self) -> datetime:
        await anyio.lowlevel.checkpoint()
        return moment(self.clock.read()).replace(tzinfo=None)


@mutant("lifecycle", "LIF-14")
class TwoClocks(PlainDriver):
    """`now()` reads another clock than the one that stamps tasks."""

    async def _now(self) -> datetime:
        await anyio.lowlevel.checkpoint()
        return moment(self.clock.read()) + timedelta(seconds=2)


@mutant("lifecycle", "LIF-15")
class NoCheckpoint(PlainDriver):
    """Reading is no checkpoint: it cannot be cancelled, and lets nobody else run."""

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        now = self.clock.read()
        tasks = self.space_as_of(now).tasks
        return {id: tasks[id].record(now) for id in ids if id in tasks}


@mutant("lifecycle", "LIF-16")
class FindingOfUnknownSeverity(PlainDriver):
    """A finding has a severity that nobody knows."""

    async def _diagnose(self) -> list[Finding]:
        return [Finding(code="x", severity="catastrophe", message="it is bad", cure="none")]


_SHARED = Storage()


@mutant("lifecycle", "LIF-17")
class NamespacesShareTasks(PlainDriver):
    """All namespaces share one store."""

    def __init__(self, storage: Storage, clock: HandClock) -> None:
        super().__init__(_SHARED, clock)
