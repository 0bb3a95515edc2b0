"""Plays one program: each move is made by a driver and by the model, and both must agree."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from asynctasq.driver_api import (
    Bury,
    Cancel,
    Complete,
    Delivery,
    Driver,
    Failure,
    Guarantee,
    NewTask,
    Receipt,
    Release,
    ReplayStatus,
    Retry,
    Settlement,
    SettleOutcome,
    TaskState,
)
from asynctasq_conformance.model.comparison import Times, compare
from asynctasq_conformance.model.reference_queue import ReferenceQueue, ReferenceTask
from asynctasq_conformance.subject import Subject

QUEUES = ("a", "b")
KINDS = ("complete", "retry", "release", "bury", "cancel")


def settlement(
    kind: str, receipt: str, number: int, delay: float = 0.0, follow_ups: Sequence[NewTask] = ()
) -> Settlement:
    """A settlement of one kind. `number` tells it from all others."""
    settled = Receipt(receipt)
    failure = Failure(type="Error", message=f"failure {number}")
    match kind:
        case "complete":
            return Complete(receipt=settled, result=f"result {number}".encode(), follow_ups=tuple(follow_ups))
        case "retry":
            return Retry(receipt=settled, failure=failure, delay=delay)
        case "release":
            return Release(receipt=settled, delay=delay)
        case "bury":
            return Bury(receipt=settled, failure=failure, reason=f"reason {number}")
        case _:
            return Cancel(receipt=settled, reason=f"reason {number}")


class Player:
    """A driver and the model, side by side."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.driver: Driver = subject.driver
        self.model = ReferenceQueue()
        self.times = Times(subject.resolution)
        self.forgotten: set[str] = set()
        """Ids that must be unknown."""
        self.lost: set[str] = set()
        """Ids of which the contract does not say whether they are known."""
        self.numbers = 0
        guarantees = subject.driver.traits.guarantees
        self.is_ordered = Guarantee.STRICT_ORDER in guarantees
        self.is_exact = Guarantee.EXACT_STATS in guarantees

    def next_number(self) -> int:
        """A number that no other call of the program has."""
        self.numbers += 1
        return self.numbers

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

    # -- moves

    async def enqueue(self, tasks: Sequence[NewTask]) -> list[str]:
        """Enqueue a batch; the ids that were accepted."""
        known = await self.driver.get_tasks([task.id for task in tasks])
        accepted: list[NewTask] = []
        async with self.move() as before:
            outcomes = await self.driver.enqueue_many(tasks)
            after = await self.now()
            assert len(outcomes) == len(tasks), f"{len(outcomes)} outcomes of {len(tasks)} tasks"
            for task, outcome in zip(tasks, outcomes, strict=True):
                one = self.model.tasks.get(task.id)
                if (
                    one is not None
                    and outcome.existing_id != task.id
                    and one.may_be_unknown(after)
                    and task.id not in known
                ):
                    self.model.forget(task.id)  # the driver has forgotten it already, as it may
                wanted = self.model.duplicate_of(task)
                assert outcome.accepted == (wanted is None), f"{task.id} gave {outcome}; the model says {wanted}"
                assert outcome.existing_id in (wanted, None), f"{task.id} gave {outcome}; the model says {wanted}"
                assert wanted is None or outcome.existing_id == wanted, f"{task.id} gave {outcome}, wanted {wanted}"
                if outcome.accepted:
                    self.model.accept(task, after, after + timedelta(seconds=task.delay))
                    accepted.append(task)
            await self._read_new(accepted, before, after)
        return [task.id for task in accepted]

    async def _read_new(self, tasks: Sequence[NewTask], before: datetime, after: datetime) -> None:
        records = await self.driver.get_tasks([task.id for task in tasks])
        for task in tasks:
            assert task.id in records, f"task {task.id} was accepted, but has no record"
            one, record = self.model.tasks[task.id], records[task.id]
            enqueued_at, available_at = self.times.of(record.enqueued_at), self.times.of(record.available_at)
            self._within(f"task {task.id} was enqueued", enqueued_at, before, after)
            self._within(f"task {task.id} is due", available_at - timedelta(seconds=task.delay), before, after)
            one.enqueued_at, one.available_at = enqueued_at, available_at
            self.forgotten.discard(task.id)

    def _within(self, what: str, moment: datetime, before: datetime, after: datetime) -> None:
        slack = self.times.slack
        assert before - slack <= moment <= after + slack, f"{what} at {moment}, not between {before} and {after}"

    async def reserve(self, queues: Sequence[str], limit: int, lease: float, worker: str) -> list[str]:
        """Reserve; the receipts."""
        async with self.move() as before:
            expected = self.model.eligible(queues, before)
            deliveries = await self.driver.reserve(queues, limit=limit, lease=lease, worker=worker)
            after = await self.now()
            self._check_order(deliveries, expected, limit)
            for delivery in deliveries:
                assert delivery.receipt not in self.model.receipts, f"receipt {delivery.receipt} came twice"
                one = self.model.tasks[delivery.id]
                self.model.deliver(delivery.id, delivery.receipt, worker, after + timedelta(seconds=lease))
                shown = (delivery.queue, delivery.payload, delivery.priority, delivery.attempt)
                wanted = (one.task.queue, one.task.payload, one.task.priority, one.attempts)
                assert shown == wanted, f"delivered {shown}; the model says {wanted}"
            await self._read_due([delivery.id for delivery in deliveries], lease, before, after)
        return [delivery.receipt for delivery in deliveries]

    def _check_order(self, deliveries: Sequence[Delivery], expected: Sequence[ReferenceTask], limit: int) -> None:
        ids, wanted = [delivery.id for delivery in deliveries], [one.task.id for one in expected]
        assert len(ids) <= limit, f"{len(ids)} deliveries; the limit was {limit}"
        if self.is_ordered:
            assert ids == wanted[: len(ids)], f"delivered {ids}; the model says {wanted[:limit]}"
        assert len(set(ids)) == len(ids), f"delivered twice: {ids}"
        assert set(ids) <= set(wanted), f"delivered {ids}; the model says only {wanted} are eligible"
        if not self.model.uncleared:
            assert len(ids) == min(limit, len(wanted)), f"delivered {ids}; the model says {wanted[:limit]}"

    async def _read_due(self, ids: Sequence[str], plus: float, before: datetime, after: datetime) -> None:
        """Check when live tasks are due (or their leases end), and read it into the model."""
        records = await self.driver.get_tasks(ids)
        for id in ids:
            one = self.model.tasks[id]
            if one.ending is None and id in records:
                due = self.times.of(records[id].available_at)
                self._within(f"task {id} is due", due - timedelta(seconds=plus), before, after)
                one.available_at = due

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Settle a batch."""
        delays: dict[str, float] = {}
        follow_ups: list[NewTask] = []
        async with self.move() as before:
            outcomes = await self.driver.settle_many(settlements)
            after = await self.now()
            assert len(outcomes) == len(settlements), f"{len(outcomes)} outcomes of {len(settlements)} settlements"
            for item, outcome in zip(settlements, outcomes, strict=True):
                one = self.model.holder_of_receipt(item.receipt)
                known = set(self.model.tasks)
                wanted = self.model.settle(item, after)
                assert outcome is wanted, f"{type(item).__name__} gave {outcome}; the model says {wanted}"
                if one is not None:
                    delays[one.task.id] = item.delay if isinstance(item, Retry | Release) else 0.0
                if isinstance(item, Complete) and wanted is SettleOutcome.APPLIED:
                    follow_ups += [task for task in item.follow_ups if {task.id} & (set(self.model.tasks) - known)]
            for id, delay in delays.items():
                await self._read_due([id], delay, before, after)
            await self._read_endings(delays, before, after)
            await self._read_new(follow_ups, before, after)

    async def _read_endings(self, ids: Sequence[str] | dict[str, Any], before: datetime, after: datetime) -> None:
        """Check when tasks ended by this call, and read it into the model."""
        records = await self.driver.get_tasks([*ids])
        for id in ids:
            one = self.model.tasks[id]
            if one.ending is None or one.ended_by_time or id not in records:
                continue
            finished_at = records[id].finished_at
            assert finished_at is not None, f"task {id} ended, but has no finished_at"
            self._within(f"task {id} ended", self.times.of(finished_at), before, after)
            one.finished_at = self.times.of(finished_at)
            one.attempts = records[id].attempts  # whether a release that ends a task gives the attempt back is open

    async def extend(self, receipts: Sequence[str], lease: float) -> None:
        """Send a heartbeat."""
        async with self.move() as before:
            outcomes = await self.driver.extend_many([Receipt(receipt) for receipt in receipts], lease=lease)
            after = await self.now()
            assert len(outcomes) == len(receipts), f"{len(outcomes)} outcomes of {len(receipts)} receipts"
            for receipt, outcome in zip(receipts, outcomes, strict=True):
                one = self.model.holder_of_receipt(receipt)
                assert outcome.applied == (one is not None), f"heartbeat gave {outcome}; the model says {one}"
                if one is None:
                    continue
                assert outcome.cancel_requested == one.cancel_requested, f"heartbeat gave {outcome}"
                if one.available_at < before + timedelta(seconds=lease):
                    one.available_at = after + timedelta(seconds=lease)
                    await self._read_due([one.task.id], lease, before, after)
                left = (one.available_at - before).total_seconds()
                assert abs(outcome.lease - left) <= (after - before).total_seconds() + 0.01, (
                    f"heartbeat says {outcome.lease} s left; the model says {left} s"
                )

    async def cancel(self, id: str) -> None:
        """Cancel a task."""
        async with self.move() as before:
            [outcome] = await self.driver.cancel_many([id])
            after = await self.now()
            was_live = id in self.model.tasks and self.model.tasks[id].ending is None
            allowed = self.model.cancel(id, after)
            assert outcome in allowed, f"cancelling {id} gave {outcome}; the model says {allowed}"
            if was_live:
                await self._read_endings([id], before, after)

    async def replay(self, id: str) -> None:
        """Replay a task."""
        async with self.move() as before:
            [outcome] = await self.driver.replay_many([id])
            after = await self.now()
            holder = self.model.holder_of_key(self.model.tasks[id].task) if id in self.model.tasks else None
            allowed = self.model.replay(id, after)
            assert outcome.status in allowed, f"replaying {id} gave {outcome}; the model says {allowed}"
            if outcome.status is ReplayStatus.DUPLICATE:
                assert outcome.existing_id == holder, f"replaying {id} gave {outcome}; the model says {holder}"
            if outcome.status is ReplayStatus.REPLAYED:
                await self._read_due([id], 0.0, before, after)

    async def delete(self, id: str) -> None:
        """Delete a task."""
        async with self.move() as before:
            [deleted] = await self.driver.delete_many([id])
            allowed = self.model.delete(id, before)
            assert deleted in allowed, f"deleting {id} gave {deleted}; the model says {allowed}"
            if deleted:
                self.model.forget(id)
                self.forgotten.add(id)

    async def purge(self, queue: str) -> None:
        """Purge a queue."""
        async with self.move() as before:
            await self.driver.purge([queue])
            gone = [id for id, one in self.model.tasks.items() if one.task.queue == queue]
            for id in gone:
                one = self.model.tasks[id]
                # An id whose record was gone already may be remembered on, so it is left out of the program.
                (self.lost if one.record_may_be_gone(before) else self.forgotten).add(id)
                self.model.forget(id)

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        before = await self.driver.now()
        await self.subject.harness.advance(seconds)
        moved = (await self.driver.now() - before).total_seconds()
        if moved < seconds / 2:
            self.times.shifted += timedelta(seconds=seconds)  # what is stored has moved, and not the clock
        async with self.move():
            pass

    async def reconnect(self) -> None:
        """Crash and come back: another driver takes over, and the old one is only closed."""
        self.driver = await self.subject.open()
        async with self.move():
            pass

    async def pause(self, queue: str, *, paused: bool) -> None:
        """Pause or resume a queue."""
        pausing = self.driver.pausing
        assert pausing is not None
        async with self.move():
            await (pausing.pause([queue]) if paused else pausing.resume([queue]))
            (self.model.paused.add if paused else self.model.paused.discard)(queue)
            assert await pausing.paused_queues() == self.model.paused

    async def maintain(self) -> None:
        """Maintain to the end: what is due is forgotten, and the totals are right."""
        async with self.move() as before:
            await self.subject.maintain(limit=20)
            self.model.uncleared = False
            due = [id for id, one in self.model.tasks.items() if one.may_be_unknown(before)]
            for id in due:
                self.model.forget(id)
                self.forgotten.add(id)
            await self._check_totals()

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

    async def _check_totals(self) -> None:
        stats = await self.driver.queue_stats(QUEUES)
        for queue in QUEUES:
            names = ("completed", "dead", "retried", "cancelled")
            shown = {name: getattr(stats[queue], f"total_{name}") for name in names}
            wanted = {name: self.model.totals[queue, name] for name in names}
            assert shown == wanted, f"totals of {queue} are {shown}; the model says {wanted}"

    async def drain(self) -> None:
        """At the end nothing is stranded: every task that is live can be taken and completed."""
        for queue in [*self.model.paused]:
            await self.pause(queue, paused=False)
        if self.subject.harness.can_move_time:
            await self.advance(1_000_000.0)
        for _ in range(100):
            await self.maintain()
            receipts = await self.reserve(QUEUES, 50, self.subject.long, "drain")
            if not receipts:
                break
            await self.settle([settlement("complete", receipt, self.next_number()) for receipt in receipts])
        live = [id for id, one in self.model.tasks.items() if one.is_waiting and one.available_at <= await self.now()]
        assert not live, f"stranded: {live}"
        assert all(one.ending is not TaskState.LEASED for one in self.model.tasks.values())
