"""Drivers that are wrong about wake-ups, pausing, worker reports and guarantees."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from asynctasq.driver_api import EnqueueOutcome, NewTask, QueueStats, Settlement, SettleOutcome, TaskState, WorkerReport
from asynctasq_conformance.mutants.mutant import mutant
from asynctasq_conformance.mutants.plain_driver import PlainDriver
from asynctasq_conformance.mutants.plain_features import PlainPausing, PlainStream, PlainWakeUps, PlainWorkerReports
from asynctasq_conformance.mutants.plain_storage import LEASED, WAITING, Space, StoredTask, ticks

# -- wake-ups


@mutant("wake_ups", "WAK-1")
class NobodyIsWoken(PlainDriver):
    """Enqueueing wakes nobody."""

    def signal(self, space: Space, queue: str) -> None:
        """Nothing."""


class _Forgetful(PlainStream):
    async def wait(self, timeout: float) -> bool:
        self.seen = self.signals()
        return await super().wait(timeout)


class _ForgetfulWakeUps(PlainWakeUps):
    stream_class = _Forgetful


@mutant("wake_ups", "WAK-2")
class HintBetweenWaitsIsLost(PlainDriver):
    """A hint that comes between two waits is lost."""

    wake_ups_class = _ForgetfulWakeUps


class _Patient(PlainStream):
    async def wait(self, timeout: float) -> bool:
        await self.until_signalled()
        return await super().wait(timeout)


class _PatientWakeUps(PlainWakeUps):
    stream_class = _Patient


@mutant("wake_ups", "WAK-3")
class WaitIgnoresItsTimeout(PlainDriver):
    """`wait` waits for a hint, however long."""

    wake_ups_class = _PatientWakeUps


class _OneQueue(PlainStream):
    def signals(self) -> list[int]:
        return super().signals()[:1]


class _OneQueueWakeUps(PlainWakeUps):
    stream_class = _OneQueue


@mutant("wake_ups", "WAK-4")
class OnlyTheFirstQueueIsHeard(PlainDriver):
    """A listener to several queues hears only of the first."""

    wake_ups_class = _OneQueueWakeUps


@mutant("wake_ups", "WAK-5", "TRA-12")
class WakeUpBeforeCommit(PlainDriver):
    """Listeners are woken before the task can be taken, and not after."""

    async def _enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        for task in tasks:
            self.signal(self.storage.space, task.queue)
        await anyio.sleep(0.02)
        outcomes = await super()._enqueue_many(tasks)
        for task in tasks:
            self.storage.space.signals[task.queue] -= 1
        return outcomes


class _Fragile(PlainStream):
    broken = False

    async def wait(self, timeout: float) -> bool:
        if self.broken:
            await anyio.sleep(timeout)
            return False
        self.broken = True
        woken = await super().wait(timeout)
        self.broken = False
        return woken


class _FragileWakeUps(PlainWakeUps):
    stream_class = _Fragile


@mutant("wake_ups", "WAK-6")
class CancelledWaitBreaksTheStream(PlainDriver):
    """After a cancelled wait no hint comes any more."""

    wake_ups_class = _FragileWakeUps


# -- pausing


@mutant("pausing", "PAU-1")
class PausedQueueReserved(PlainDriver):
    """A paused queue is served."""

    def open_queues(self, space: Space, queues: Sequence[str]) -> Sequence[str]:
        return queues


class _NoResume(PlainPausing):
    async def resume(self, queues: Sequence[str]) -> None:
        await self.paused_queues()


@mutant("pausing", "PAU-2")
class PauseIsForEver(PlainDriver):
    """A paused queue is never served again."""

    pausing_class = _NoResume


@mutant("pausing", "PAU-3")
class PausedQueueRefusesSettlements(PlainDriver):
    """What comes from a paused queue cannot be settled."""

    def leased_by(self, space: Space, settlement: Settlement, now: int) -> StoredTask | None:
        stored = super().leased_by(space, settlement, now)
        return None if stored is not None and stored.task.queue in space.paused else stored


class _OneAtATime(PlainPausing):
    async def pause(self, queues: Sequence[str]) -> None:
        await super().pause(queues[:1])


@mutant("pausing", "PAU-4")
class OnlyTheFirstQueueIsPaused(PlainDriver):
    """Of several queues only the first is paused."""

    pausing_class = _OneAtATime


class _Switch(PlainPausing):
    async def pause(self, queues: Sequence[str]) -> None:
        already = await self.paused_queues()
        await super().pause(queues)
        self.driver.storage.space.paused.difference_update(already.intersection(queues))


@mutant("pausing", "PAU-8")
class PausingTwiceResumes(PlainDriver):
    """Pausing is a switch: what is paused already is resumed."""

    pausing_class = _Switch


@mutant("pausing", "PAU-5")
class PurgeResumes(PlainDriver):
    """A purge ends the pause."""

    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None:
        await super()._purge(queues, states=states)
        self.storage.space.paused.difference_update(queues)


@mutant("pausing", "PAU-6")
class StatsLeavePausedQueuesOut(PlainDriver):
    """A queue that has only a pause is left out of the statistics."""

    async def _queue_stats(self, queues: Sequence[str] | None) -> dict[str, QueueStats]:
        stats = await super()._queue_stats(queues)
        return {queue: found for queue, found in stats.items() if queues or found != QueueStats()}


class _Unchecked(PlainPausing):
    async def pause(self, queues: Sequence[str]) -> None:
        await self.paused_queues()
        self.driver.storage.space.paused.update(queues)


@mutant("pausing", "PAU-7")
class AnythingCanBePaused(PlainDriver):
    """Names of queues to pause are not checked."""

    pausing_class = _Unchecked


# -- worker reports


class _Text(PlainWorkerReports):
    async def report(self, worker: str, data: bytes, *, ttl: float) -> None:
        await super().report(worker, data.decode(errors="replace").encode(), ttl=ttl)


@mutant("worker_reports", "REP-1")
class ReportGoesThroughText(PlainDriver):
    """A report is stored as text."""

    worker_reports_class = _Text


class _FirstStays(PlainWorkerReports):
    async def report(self, worker: str, data: bytes, *, ttl: float) -> None:
        kept = self.driver.storage.space.reports.get(worker)
        await super().report(worker, data if kept is None else kept[0], ttl=ttl)


@mutant("worker_reports", "REP-2")
class FirstReportStays(PlainDriver):
    """A worker's later reports are not stored."""

    worker_reports_class = _FirstStays


class _Immortal(PlainWorkerReports):
    async def report(self, worker: str, data: bytes, *, ttl: float) -> None:
        await super().report(worker, data, ttl=self.driver.traits.limits.max_delay if ttl >= 0 else ttl)


@mutant("worker_reports", "REP-3")
class ReportsNeverGo(PlainDriver):
    """Reports stay for ever."""

    worker_reports_class = _Immortal


@mutant("worker_reports", "REP-4")
class PurgeTakesReports(PlainDriver):
    """A purge removes the workers' reports."""

    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None:
        await super()._purge(queues, states=states)
        self.storage.space.reports.clear()


class _UncheckedReports(PlainWorkerReports):
    async def report(self, worker: str, data: bytes, *, ttl: float) -> None:
        await self.reports()
        now = self.driver.clock.read()
        self.driver.storage.space.reports[worker] = (data, now, now + ticks(max(ttl, 1.0)))

    async def reports(self) -> list[WorkerReport]:
        return await super().reports()


@mutant("worker_reports", "REP-5")
class ReportsAreNotChecked(PlainDriver):
    """A worker's name and its report's time are not checked."""

    worker_reports_class = _UncheckedReports


class _AnySize(PlainWorkerReports):
    async def report(self, worker: str, data: bytes, *, ttl: float) -> None:
        await super().report(worker, data[: self.driver.traits.limits.max_payload_bytes], ttl=ttl)


@mutant("worker_reports", "REP-6")
class LargeReportsAreCut(PlainDriver):
    """A report that is too large is cut to what fits, and nobody is told."""

    worker_reports_class = _AnySize


# -- guarantees


@mutant("guarantees", "GUA-1")
class TasksLostAtRestart(PlainDriver):
    """Tasks that wait do not outlive a restart, though the driver claims so."""

    def space_as_of(self, now: int) -> Space:
        if self.storage.restarts:
            self.storage.restarts = 0
            self.storage.space = Space()
        return super().space_as_of(now)


@mutant("guarantees", "GUA-1")
class LeasesLostAtRestart(PlainDriver):
    """Leases do not outlive a restart, though the driver claims so."""

    def space_as_of(self, now: int) -> Space:
        if self.storage.restarts:
            self.storage.restarts = 0
            for stored in self.storage.space.tasks.values():
                if stored.state == LEASED:
                    stored.state, stored.receipt, stored.at = WAITING, None, now
        return super().space_as_of(now)


@mutant("guarantees", "GUA-2", "RES-8")
class ReceiptsRepeatAfterRestart(PlainDriver):
    """Receipts are counted from 1 by every run of the backend."""

    def new_receipt(self, stored: StoredTask) -> str:
        issued: dict[int, int] = self.storage.__dict__.setdefault("issued", {})
        count = issued[self.storage.restarts] = issued.get(self.storage.restarts, 0) + 1
        return f"{stored.number}.{count}" if stored.task.id != "same" else f"receipt.{count}"


@mutant("settle", "SET-8")
class SettledReceiptStaysGood(PlainDriver):
    """A receipt stays good after a release, until the task is taken again."""

    def settle_one(self, space: Space, settlement: Settlement, now: int) -> SettleOutcome:
        outcome = super().settle_one(space, settlement, now)
        number = settlement.receipt.partition(".")[0]
        for stored in space.tasks.values():
            if str(stored.number) == number and stored.state == WAITING and outcome is SettleOutcome.APPLIED:
                stored.receipt = settlement.receipt
        return outcome
