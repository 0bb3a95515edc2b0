"""A plain driver that is right: dictionaries and no cleverness. The mutants are made from it, one method each.

It is no part of asynctasq's drivers and shares no code with them, so that the suite is not fitted to one of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import anyio
import anyio.lowlevel

from asynctasq.driver_api import (
    CancelOutcome,
    Delivery,
    Driver,
    DriverTraits,
    EnqueueOutcome,
    ExtendOutcome,
    Guarantee,
    InvalidArgument,
    Limits,
    MaintenanceReport,
    NewTask,
    QueueStats,
    Receipt,
    ReplayOutcome,
    Settlement,
    SettleOutcome,
    TaskPage,
    TaskRecord,
    TaskState,
)
from asynctasq_conformance.mutants.plain_features import (
    PlainPausing,
    PlainTransactions,
    PlainWakeUps,
    PlainWorkerReports,
)
from asynctasq_conformance.mutants.plain_rules import PlainRules
from asynctasq_conformance.mutants.plain_storage import LEASED, HandClock, Space, Storage, StoredTask, moment, ticks

LIMITS = Limits(max_payload_bytes=64 * 1024, max_batch=200, max_delay=10 * 365 * 86400.0, time_resolution=1e-6)
GUARANTEES = frozenset({Guarantee.STRICT_ORDER, Guarantee.EXACT_STATS, Guarantee.DURABLE})


class PlainDriver(PlainRules, Driver):
    """Every method: one checkpoint, then one uninterrupted step."""

    wake_ups_class: type[PlainWakeUps] = PlainWakeUps
    pausing_class: type[PlainPausing] = PlainPausing
    worker_reports_class: type[PlainWorkerReports] = PlainWorkerReports
    transactions_class: type[PlainTransactions] = PlainTransactions

    def __init__(self, storage: Storage, clock: HandClock) -> None:
        self.storage = storage
        self.clock = clock

    async def _connect(self) -> None:
        self.traits = DriverTraits(guarantees=GUARANTEES, limits=LIMITS, event_loops=frozenset({"asyncio", "trio"}))
        self.wake_ups = self.wake_ups_class(self)
        self.pausing = self.pausing_class(self)
        self.worker_reports = self.worker_reports_class(self)
        self.transactions = self.transactions_class(self)

    async def _disconnect(self) -> None:
        await anyio.lowlevel.checkpoint()

    async def _prepare_storage(self, *, dry_run: bool) -> list[str]:
        return []

    async def writing(self) -> None:
        """Wait for a guest's transaction to end."""
        await anyio.lowlevel.checkpoint()
        await self.storage.until_nobody_writes()

    def space_as_of(self, now: int) -> Space:
        """What is stored, after time has acted on it."""
        self.let_time_act(self.storage.space, now)
        return self.storage.space

    # -- tasks move

    async def _enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        await self.writing()
        with self.storage.mutex:
            now = self.clock.read()
            return self.enqueue(self.space_as_of(now), tasks, now)

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        await self.writing()
        with self.storage.mutex:
            now = self.clock.read()
            taken = self.take(self.space_as_of(now), queues, limit, lease, worker, now)
            return [delivery_of(stored, now) for stored in taken]

    async def _settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        await self.writing()
        with self.storage.mutex:
            now = self.clock.read()
            return self.settle(self.space_as_of(now), settlements, now)

    async def _extend_many(self, receipts: Sequence[Receipt], *, lease: float) -> list[ExtendOutcome]:
        await self.writing()
        with self.storage.mutex:
            now = self.clock.read()
            space = self.space_as_of(now)
            return [self.extend_one(space, receipt, lease, now) for receipt in receipts]

    # -- tasks are managed

    async def _cancel_many(self, ids: Sequence[str]) -> list[CancelOutcome]:
        await self.writing()
        with self.storage.mutex:
            now = self.clock.read()
            space = self.space_as_of(now)
            return [self.cancel_one(space, id, now) for id in ids]

    async def _replay_many(self, ids: Sequence[str]) -> list[ReplayOutcome]:
        await self.writing()
        with self.storage.mutex:
            now = self.clock.read()
            space = self.space_as_of(now)
            return [self.replay_one(space, id, now) for id in ids]

    async def _delete_many(self, ids: Sequence[str]) -> list[bool]:
        await self.writing()
        with self.storage.mutex:
            space = self.space_as_of(self.clock.read())
            return [self.delete_one(space, id) for id in ids]

    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None:
        await self.writing()
        with self.storage.mutex:
            now = self.clock.read()
            space = self.space_as_of(now)
            for id, stored in list(space.tasks.items()):
                if stored.task.queue in queues and (states is None or stored.shown_state(now) in states):
                    del space.tasks[id]

    async def _maintain(self, *, limit: int) -> MaintenanceReport:
        await self.writing()
        with self.storage.mutex:
            now = self.clock.read()
            space = self.space_as_of(now)
            due = [id for id, forget_at in space.remembered.items() if forget_at <= now]
            over = [stored.task.id for stored in space.tasks.values() if self.may_forget(stored, now)]
            for id in due[:limit]:
                del space.remembered[id]
            for id in over[: limit - len(due[:limit])]:
                del space.tasks[id]
            everything = len(due) + len(over)
            return MaintenanceReport(removed=min(everything, limit), more=everything > limit)

    def may_forget(self, stored: StoredTask, now: int) -> bool:
        """A completed or cancelled record whose time of retention is over."""
        if stored.finished_at is None or stored.state == "dead":
            return False
        keep_for = stored.task.keep_for if stored.state == "completed" else 0.0
        return stored.finished_at + ticks(max(keep_for, stored.task.remember_for)) <= now

    # -- looking

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        await anyio.lowlevel.checkpoint()
        with self.storage.mutex:
            now = self.clock.read()
            tasks = self.space_as_of(now).tasks
            return {id: tasks[id].record(now) for id in ids if id in tasks}

    async def _list_tasks(
        self,
        *,
        queue: str | None,
        state: TaskState | None,
        name: str | None,
        correlation_id: str | None,
        older_than: float | None,
        limit: int,
        after: str | None,
    ) -> TaskPage:
        await anyio.lowlevel.checkpoint()
        if after is not None and not after.isdecimal():
            raise InvalidArgument(f"after is {after!r}; wanted what a page gave")
        with self.storage.mutex:
            now = self.clock.read()
            oldest = now - ticks(older_than or 0.0)
            found = [
                stored
                for stored in self.space_as_of(now).tasks.values()
                if stored.number > int(after or 0)
                and queue in (None, stored.task.queue)
                and state in (None, stored.shown_state(now))
                and name in (None, stored.task.name)
                and correlation_id in (None, stored.task.correlation_id)
                and stored.enqueued_at <= oldest
            ]
            page = sorted(found, key=lambda stored: stored.number)[:limit]
            more = str(page[-1].number) if len(found) > limit else None
            return TaskPage(tasks=tuple(stored.record(now) for stored in page), after=more)

    async def _queue_stats(self, queues: Sequence[str] | None) -> dict[str, QueueStats]:
        await anyio.lowlevel.checkpoint()
        with self.storage.mutex:
            now = self.clock.read()
            space = self.space_as_of(now)
            used = {stored.task.queue for stored in space.tasks.values()} | set(space.totals) | space.paused
            return {queue: self.stats_of(space, queue, now) for queue in (used if queues is None else queues)}

    def stats_of(self, space: Space, queue: str, now: int) -> QueueStats:
        """The gauges and totals of one queue."""
        tasks = [stored for stored in space.tasks.values() if stored.task.queue == queue]
        ready = [stored for stored in tasks if stored.shown_state(now) is TaskState.READY]
        totals = space.totals_of(queue) if queue in space.totals else None
        return QueueStats(
            ready=len(ready),
            scheduled=sum(stored.shown_state(now) is TaskState.SCHEDULED for stored in tasks),
            leased=sum(stored.state == LEASED for stored in tasks),
            dead=sum(stored.state == "dead" for stored in tasks),
            oldest_ready_age=(now - min(stored.at for stored in ready)) / 1e6 if ready else None,
            total_completed=totals.completed if totals else 0,
            total_dead=totals.dead if totals else 0,
            total_retried=totals.retried if totals else 0,
            total_cancelled=totals.cancelled if totals else 0,
        )

    async def _now(self) -> datetime:
        await anyio.lowlevel.checkpoint()
        return moment(self.clock.read())


def delivery_of(stored: StoredTask, now: int) -> Delivery:
    """What a worker is given."""
    task = stored.task
    return Delivery(
        id=task.id,
        queue=task.queue,
        name=task.name,
        payload=task.payload,
        correlation_id=task.correlation_id,
        priority=task.priority,
        attempt=stored.attempts,
        receipt=Receipt(stored.receipt or ""),
        enqueued_at=moment(stored.enqueued_at),
        lease=(stored.at - now) / 1e6,
    )
