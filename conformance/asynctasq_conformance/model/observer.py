"""Reads what a driver shows, and holds it against the model; what only the backend knows goes into the model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Container, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from asynctasq.driver_api import Driver, Guarantee, NewTask
from asynctasq_conformance.model.comparison import Times, compare
from asynctasq_conformance.model.reference_queue import ReferenceQueue
from asynctasq_conformance.model.story import Story
from asynctasq_conformance.subject import Subject

QUEUES = ("a", "b")


class Observer:
    """A driver and the model, side by side."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.driver: Driver = subject.driver
        self.model = ReferenceQueue()
        self.times = Times(subject.resolution)
        self.story = Story()
        self.forgotten: set[str] = set()
        """Ids that must be unknown."""
        self.lost: set[str] = set()
        """Ids of which the contract does not say whether they are known."""
        guarantees = subject.driver.traits.guarantees
        self.is_ordered = Guarantee.STRICT_ORDER in guarantees
        self.is_exact = Guarantee.EXACT_STATS in guarantees

    async def now(self) -> datetime:
        """The backend's clock, on the model's time line."""
        return self.times.of(await self.driver.now())

    @asynccontextmanager
    async def move(self) -> AsyncGenerator[datetime]:
        """Around every call: time acts on the model first, and everything is compared afterwards."""
        before = await self.now()
        self.model.let_time_act(before)
        yield before
        await self.check()

    # -- what is read into the model, after it was checked

    async def read_new(self, tasks: Sequence[NewTask], before: datetime, after: datetime) -> None:
        """Check when new tasks were accepted and are due, and read it into the model."""
        records = await self.driver.get_tasks([task.id for task in tasks])
        for task in tasks:
            assert task.id in records, f"task {task.id} was accepted, but has no record"
            one, record = self.model.tasks[task.id], records[task.id]
            enqueued_at, available_at = self.times.of(record.enqueued_at), self.times.of(record.available_at)
            self.within(f"task {task.id} was enqueued", enqueued_at, before, after)
            self.within(f"task {task.id} is due", available_at - timedelta(seconds=task.delay), before, after)
            one.enqueued_at, one.available_at = enqueued_at, available_at
            self.forgotten.discard(task.id)

    def within(self, what: str, moment: datetime, before: datetime, after: datetime) -> None:
        """A moment that lies between two others, give or take the clock's resolution."""
        slack = self.times.slack
        assert before - slack <= moment <= after + slack, f"{what} at {moment}, not between {before} and {after}"

    async def read_due(self, ids: Sequence[str], plus: float, before: datetime, after: datetime) -> None:
        """Check when live tasks are due (or their leases end), and read it into the model."""
        records = await self.driver.get_tasks(ids)
        for id in ids:
            one = self.model.tasks[id]
            if one.ending is None and id in records:
                due = self.times.of(records[id].available_at)
                self.within(f"task {id} is due", due - timedelta(seconds=plus), before, after)
                one.available_at = due

    async def read_endings(
        self, ids: Iterable[str], before: datetime, after: datetime, *, released: Container[str] = ()
    ) -> None:
        """Check when tasks ended by this call, and read it into the model."""
        wanted = [*ids]
        records = await self.driver.get_tasks(wanted)
        for id in wanted:
            one = self.model.tasks[id]
            if one.ending is None or one.ended_by_time or id not in records:
                continue
            finished_at = records[id].finished_at
            assert finished_at is not None, f"task {id} ended, but has no finished_at"
            self.within(f"task {id} ended", self.times.of(finished_at), before, after)
            one.finished_at = self.times.of(finished_at)
            if id in released:
                # Whether a release that ends a task gives the attempt back is open.
                assert records[id].attempts - one.attempts in (0, 1), f"task {id} had {records[id].attempts} attempts"
                one.attempts = records[id].attempts

    # -- what must always hold

    async def check(self) -> None:
        """Everything that the driver shows is what the model says."""
        before = await self.now()
        records = await self.driver.get_tasks([*self.model.tasks, *self.forgotten])
        stats = await self.driver.queue_stats(QUEUES)
        after = await self.now()
        returned = self.forgotten & set(records)
        assert not returned, f"forgotten, but they have records: {returned}"
        for id, one in self.model.tasks.items():
            if id in records:
                compare(records[id], one, self.times, before, after)
            else:
                assert one.record_may_be_gone(after), f"task {id} has no record; the model says {one.state(after)}"
        for queue in QUEUES if self.is_exact else ():
            wanted = self.model.gauges(queue, after)
            shown = {name: getattr(stats[queue], name) for name in wanted}
            assert shown == wanted, f"gauges of {queue} are {shown}; the model says {wanted}"

    async def check_totals(self) -> None:
        """What has ever become of tasks is counted as the model counts it."""
        stats = await self.driver.queue_stats(QUEUES)
        for queue in QUEUES:
            names = ("completed", "dead", "retried", "cancelled")
            shown = {name: getattr(stats[queue], f"total_{name}") for name in names}
            wanted = {name: self.model.totals[queue, name] for name in names}
            assert shown == wanted, f"totals of {queue} are {shown}; the model says {wanted}"
