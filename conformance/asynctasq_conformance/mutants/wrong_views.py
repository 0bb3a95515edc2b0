"""Drivers that are wrong about what they show: records, lists and statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio.lowlevel
import msgspec

from asynctasq.driver_api import (
    Failure,
    QueueStats,
    Release,
    Settlement,
    SettleOutcome,
    TaskPage,
    TaskRecord,
    TaskState,
)
from asynctasq_conformance.mutants.mutant import mutant
from asynctasq_conformance.mutants.plain_driver import PlainDriver
from asynctasq_conformance.mutants.plain_storage import QueueTotals, Space, StoredTask

replace = msgspec.structs.replace


def changed(filters: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The arguments of `list_tasks`, some of them changed."""
    return {**filters, **changes}


@mutant("records", "REC-1")
class CorrelationIdIsLost(PlainDriver):
    """Records have no correlation id."""

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        records = await super()._get_tasks(ids)
        return {id: replace(record, correlation_id=None) for id, record in records.items()}


@mutant("records", "REC-1")
class NewTaskHasAWorker(PlainDriver):
    """A task that was never delivered has an empty name as its worker."""

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        records = await super()._get_tasks(ids)
        return {id: replace(record, worker=record.worker or "") for id, record in records.items()}


@mutant("records", "REC-2")
class RecordShowsTheReceipt(PlainDriver):
    """Whoever reads a record can settle the task."""

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        records = await super()._get_tasks(ids)
        tasks = self.storage.space.tasks
        return {id: replace(record, reason=record.reason or tasks[id].receipt) for id, record in records.items()}


@mutant("records", "REC-3")
class MissingIdsGetSomebodyElsesRecord(PlainDriver):
    """Records are matched to ids by their places."""

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        records = await super()._get_tasks(ids)
        return dict(zip(ids, records.values(), strict=False))


@mutant("records", "REC-4")
class ReadingTouchesTasks(PlainDriver):
    """Whatever is read becomes available anew."""

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        records = await super()._get_tasks(ids)
        for id in records:
            self.storage.space.tasks[id].at += 1
        return records


@mutant("records", "REC-5")
class WaitingTaskHasALease(PlainDriver):
    """A task that nobody holds has a lease of 0 seconds."""

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        records = await super()._get_tasks(ids)
        return {id: replace(record, lease=record.lease or 0.0) for id, record in records.items()}


@mutant("records", "REC-6")
class WorkerForgottenAfterRelease(PlainDriver):
    """A task that waits again does not say who had it."""

    def release(self, space: Space, stored: StoredTask, settlement: Release, now: int) -> None:
        super().release(space, stored, settlement, now)
        stored.worker = None


@mutant("records", "REC-6")
class StartIsThatOfTheFirstDelivery(PlainDriver):
    """`started_at` stays that of the first delivery."""

    def lease_to(self, stored: StoredTask, lease: float, worker: str, now: int) -> None:
        started_at = stored.started_at
        super().lease_to(stored, lease, worker, now)
        stored.started_at = started_at or now


@mutant("records", "REC-7")
class EndIsNotDated(PlainDriver):
    """A dead letter does not say when it died."""

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        records = await super()._get_tasks(ids)
        return {id: replace(r, finished_at=None) if r.state == "dead" else r for id, r in records.items()}


@mutant("records", "REC-8")
class KeepsTheFirstTenFailures(PlainDriver):
    """Once ten failures are kept, later ones are dropped."""

    def add_failure(self, stored: StoredTask, failure: Failure, now: int) -> None:
        if len(stored.failures) < 10:
            super().add_failure(stored, failure, now)


@mutant("records", "REC-8")
class FailuresAreDatedByTheDelivery(PlainDriver):
    """A failure is dated by another moment than its own."""

    def add_failure(self, stored: StoredTask, failure: Failure, now: int) -> None:
        super().add_failure(stored, failure, now - 1_000_000)


@mutant("records", "REC-9")
class ListIgnoresTheName(PlainDriver):
    """Lists are not filtered by name."""

    async def _list_tasks(self, **filters: Any) -> TaskPage:
        return await super()._list_tasks(**changed(filters, name=None))


@mutant("records", "REC-9")
class ListsAreByStoredState(PlainDriver):
    """A scheduled task is listed as ready."""

    async def _list_tasks(self, **filters: Any) -> TaskPage:
        page = await super()._list_tasks(**filters)
        shown = [replace(r, state=TaskState.READY) if r.state is TaskState.SCHEDULED else r for r in page.tasks]
        hidden = filters["state"] is TaskState.SCHEDULED
        return TaskPage(tasks=() if hidden else tuple(shown), after=page.after)


@mutant("records", "REC-10")
class PagesOverlap(PlainDriver):
    """The first task of a page was the last one of the page before."""

    async def _list_tasks(self, **filters: Any) -> TaskPage:
        page = await super()._list_tasks(**filters)
        after = page.after if page.after is None or filters["limit"] == 1 else str(int(page.after) - 1)
        return TaskPage(tasks=page.tasks, after=after)


@mutant("records", "REC-10")
class PagesByOffset(PlainDriver):
    """Pages are counted from the beginning, so that tasks slip through when others go."""

    async def _list_tasks(self, **filters: Any) -> TaskPage:
        offset, limit = int(filters["after"] or 0), filters["limit"]
        page = await super()._list_tasks(**changed(filters, after=None, limit=10_000))
        tasks = page.tasks[offset : offset + limit]
        return TaskPage(tasks=tasks, after=str(offset + limit) if len(page.tasks) > offset + limit else None)


@mutant("records", "REC-11")
class AgeIsIgnored(PlainDriver):
    """`older_than` is ignored."""

    async def _list_tasks(self, **filters: Any) -> TaskPage:
        return await super()._list_tasks(**changed(filters, older_than=None))


@mutant("records", "REC-12")
class AnyPageIsAccepted(PlainDriver):
    """An `after` that no page gave begins the list anew."""

    async def _list_tasks(self, **filters: Any) -> TaskPage:
        after = filters["after"]
        return await super()._list_tasks(**changed(filters, after=after if after and after.isdecimal() else None))


@mutant("records", "REC-13")
class RecordsOfTheStoredState(PlainDriver):
    """Records tell what was stored last, not what time has made of it."""

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        await anyio.lowlevel.checkpoint()
        tasks, now = self.storage.space.tasks, self.clock.read()
        return {id: tasks[id].record(now) for id in ids if id in tasks}


# -- statistics


@mutant("stats", "STA-1")
class ScheduledCountsAsReady(PlainDriver):
    """Tasks that are not due yet are counted as ready."""

    def stats_of(self, space: Space, queue: str, now: int) -> QueueStats:
        stats = super().stats_of(space, queue, now)
        return replace(stats, ready=stats.ready + stats.scheduled, scheduled=0)


@mutant("stats", "STA-2")
class AgeOfTheYoungest(PlainDriver):
    """The age is that of the task that would be delivered next."""

    def stats_of(self, space: Space, queue: str, now: int) -> QueueStats:
        stats = super().stats_of(space, queue, now)
        ready = self.in_order(self.eligible(space, queue, now))
        return replace(stats, oldest_ready_age=(now - ready[0].at) / 1e6 if ready else None)


@mutant("stats", "STA-2")
class EmptyQueueHasAnAge(PlainDriver):
    """A queue without a ready task has an age of 0 seconds."""

    def stats_of(self, space: Space, queue: str, now: int) -> QueueStats:
        stats = super().stats_of(space, queue, now)
        return replace(stats, oldest_ready_age=stats.oldest_ready_age or 0.0)


@mutant("stats", "STA-3")
class ReleasesCountAsRetries(PlainDriver):
    """Releases are counted as retries."""

    def release(self, space: Space, stored: StoredTask, settlement: Release, now: int) -> None:
        super().release(space, stored, settlement, now)
        self.count(space, stored, "retried")


@mutant("stats", "STA-3")
class LapsesCountAsRetries(PlainDriver):
    """Lapsed leases are counted as retries."""

    def lapse(self, space: Space, stored: StoredTask, now: int) -> None:
        super().lapse(space, stored, now)
        self.count(space, stored, "retried")


@mutant("stats", "STA-3")
class StaleSettlementsAreCounted(PlainDriver):
    """A settlement is counted though it is stale."""

    def settle_one(self, space: Space, settlement: Settlement, now: int) -> SettleOutcome:
        outcome = super().settle_one(space, settlement, now)
        if outcome is SettleOutcome.STALE and space.totals:
            next(iter(space.totals.values())).completed += 1
        return outcome


@mutant("stats", "STA-4")
class TotalsShrinkOnDelete(PlainDriver):
    """A deleted task is taken back out of the totals."""

    def delete_one(self, space: Space, id: str) -> bool:
        stored = space.tasks.get(id)
        if stored is not None and stored.state == "completed":
            space.totals_of(stored.task.queue).completed -= 1
        return super().delete_one(space, id)


@mutant("stats", "STA-4")
class TotalsShrinkOnReplay(PlainDriver):
    """A replayed task is taken back out of the totals."""

    def revive(self, space: Space, stored: StoredTask, now: int) -> None:
        super().revive(space, stored, now)
        space.totals_of(stored.task.queue).dead -= 1


@mutant("stats", "STA-5")
class IdleQueuesAreLeftOut(PlainDriver):
    """Queues that have only totals are left out."""

    async def _queue_stats(self, queues: Sequence[str] | None) -> dict[str, QueueStats]:
        used = {stored.task.queue for stored in self.storage.space.tasks.values()} | self.storage.space.paused
        return await super()._queue_stats(sorted(used) if queues is None else queues)


@mutant("stats", "STA-6")
class UnknownQueueIsLeftOut(PlainDriver):
    """A queue that nobody knows has no statistics."""

    async def _queue_stats(self, queues: Sequence[str] | None) -> dict[str, QueueStats]:
        stats = await super()._queue_stats(queues)
        return {queue: found for queue, found in stats.items() if found != QueueStats()}


@mutant("stats", "STA-7")
class StatsCountExpiredAsRunning(PlainDriver):
    """The gauges tell what was stored last, though exact ones are claimed."""

    async def _queue_stats(self, queues: Sequence[str] | None) -> dict[str, QueueStats]:
        await anyio.lowlevel.checkpoint()
        space, now = self.storage.space, self.clock.read()
        return {queue: self.stats_of(space, queue, now) for queue in queues or space.totals}


@mutant("stats", "STA-8")
class TotalsOfAllQueuesTogether(PlainDriver):
    """Every queue tells the totals of all."""

    def count(self, space: Space, stored: StoredTask, state: str) -> None:
        for queue in {task.task.queue for task in space.tasks.values()}:
            totals: QueueTotals = space.totals_of(queue)
            setattr(totals, state, getattr(totals, state) + 1)
