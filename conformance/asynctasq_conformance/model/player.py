"""Plays one program: each move is made by a driver and by the model, and both must agree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from asynctasq.driver_api import (
    Bury,
    Cancel,
    Complete,
    Delivery,
    Failure,
    NewTask,
    Receipt,
    Release,
    ReplayStatus,
    Retry,
    Settlement,
    SettleOutcome,
    TaskState,
)
from asynctasq_conformance.model.observer import QUEUES, Observer
from asynctasq_conformance.model.reference_queue import ReferenceTask

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


class Player(Observer):
    """Every move of a program."""

    numbers = 0

    def next_number(self) -> int:
        """A number that no other call of the program has."""
        self.numbers += 1
        return self.numbers

    # -- moves

    async def enqueue(self, tasks: Sequence[NewTask]) -> list[str]:
        """Enqueue a batch; the ids that were accepted."""
        known = await self.driver.get_tasks([task.id for task in tasks])
        accepted: list[NewTask] = []
        async with self.move() as before:
            outcomes = await self.driver.enqueue_many(tasks)
            self.story.enqueued(tasks, outcomes)
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
            await self.read_new(accepted, before, after)
        return [task.id for task in accepted]

    async def reserve(self, queues: Sequence[str], limit: int, lease: float, worker: str) -> list[str]:
        """Reserve; the receipts."""
        async with self.move() as before:
            expected = self.model.eligible(queues, before)
            deliveries = await self.driver.reserve(queues, limit=limit, lease=lease, worker=worker)
            self.story.reserved(queues, limit, lease, deliveries)
            after = await self.now()
            self._check_order(deliveries, expected, limit)
            for delivery in deliveries:
                assert delivery.receipt not in self.model.receipts, f"receipt {delivery.receipt} came twice"
                one = self.model.tasks[delivery.id]
                self.model.deliver(delivery.id, delivery.receipt, worker, after + timedelta(seconds=lease))
                shown = (delivery.queue, delivery.payload, delivery.priority, delivery.attempt)
                wanted = (one.task.queue, one.task.payload, one.task.priority, one.attempts)
                assert shown == wanted, f"delivered {shown}; the model says {wanted}"
            await self.read_due([delivery.id for delivery in deliveries], lease, before, after)
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

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Settle a batch."""
        delays: dict[str, float] = {}
        released: set[str] = set()
        follow_ups: list[NewTask] = []
        async with self.move() as before:
            outcomes = await self.driver.settle_many(settlements)
            self.story.settled(settlements, outcomes)
            after = await self.now()
            assert len(outcomes) == len(settlements), f"{len(outcomes)} outcomes of {len(settlements)} settlements"
            for item, outcome in zip(settlements, outcomes, strict=True):
                one = self.model.holder_of_receipt(item.receipt)
                known = set(self.model.tasks)
                wanted = self.model.settle(item, after)
                assert outcome is wanted, f"{type(item).__name__} gave {outcome}; the model says {wanted}"
                if one is not None:
                    delays[one.task.id] = item.delay if isinstance(item, Retry | Release) else 0.0
                    released |= {one.task.id} if isinstance(item, Release) else set()
                if isinstance(item, Complete) and wanted is SettleOutcome.APPLIED:
                    follow_ups += [task for task in item.follow_ups if {task.id} & (set(self.model.tasks) - known)]
            for id, delay in delays.items():
                await self.read_due([id], delay, before, after)
            await self.read_endings(delays, before, after, released=released)
            await self.read_new(follow_ups, before, after)

    async def extend(self, receipts: Sequence[str], lease: float) -> None:
        """Send a heartbeat."""
        async with self.move() as before:
            outcomes = await self.driver.extend_many([Receipt(receipt) for receipt in receipts], lease=lease)
            self.story.extended(receipts, lease, outcomes)
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
                    await self.read_due([one.task.id], lease, before, after)
                left = (one.available_at - before).total_seconds()
                assert abs(outcome.lease - left) <= (after - before).total_seconds() + 0.01, (
                    f"heartbeat says {outcome.lease} s left; the model says {left} s"
                )

    async def cancel(self, id: str) -> None:
        """Cancel a task."""
        async with self.move() as before:
            [outcome] = await self.driver.cancel_many([id])
            self.story.tell(f"cancel_many([{id}]) -> {outcome.name}")
            after = await self.now()
            was_live = id in self.model.tasks and self.model.tasks[id].ending is None
            allowed = self.model.cancel(id, after)
            assert outcome in allowed, f"cancelling {id} gave {outcome}; the model says {allowed}"
            if was_live:
                await self.read_endings([id], before, after)

    async def replay(self, id: str) -> None:
        """Replay a task."""
        async with self.move() as before:
            [outcome] = await self.driver.replay_many([id])
            self.story.tell(f"replay_many([{id}]) -> {outcome.status.name}")
            after = await self.now()
            holder = self.model.holder_of_key(self.model.tasks[id].task) if id in self.model.tasks else None
            allowed = self.model.replay(id, after)
            assert outcome.status in allowed, f"replaying {id} gave {outcome}; the model says {allowed}"
            if outcome.status is ReplayStatus.DUPLICATE:
                assert outcome.existing_id == holder, f"replaying {id} gave {outcome}; the model says {holder}"
            if outcome.status is ReplayStatus.REPLAYED:
                await self.read_due([id], 0.0, before, after)

    async def delete(self, id: str) -> None:
        """Delete a task."""
        async with self.move() as before:
            [deleted] = await self.driver.delete_many([id])
            self.story.tell(f"delete_many([{id}]) -> {deleted}")
            allowed = self.model.delete(id, before)
            assert deleted in allowed, f"deleting {id} gave {deleted}; the model says {allowed}"
            if deleted:
                self.model.forget(id)
                self.forgotten.add(id)

    async def purge(self, queue: str) -> None:
        """Purge a queue."""
        async with self.move() as before:
            await self.driver.purge([queue])
            self.story.tell(f"purge([{queue!r}])")
            gone = [id for id, one in self.model.tasks.items() if one.task.queue == queue]
            for id in gone:
                one = self.model.tasks[id]
                # An id whose record was gone already may be remembered on, so it is left out of the program.
                (self.lost if one.record_may_be_gone(before) else self.forgotten).add(id)
                self.model.forget(id)

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.story.tell(f"{seconds:g} seconds pass")
        before = await self.driver.now()
        await self.subject.harness.advance(seconds)
        moved = (await self.driver.now() - before).total_seconds()
        if moved < seconds / 2:
            self.times.shifted += timedelta(seconds=seconds)  # what is stored has moved, and not the clock
        async with self.move():
            pass

    async def reconnect(self) -> None:
        """Crash and come back: another driver takes over, and the old one is only closed."""
        self.story.tell("another driver connects, and goes on")
        self.driver = await self.subject.open()
        async with self.move():
            pass

    async def pause(self, queue: str, *, paused: bool) -> None:
        """Pause or resume a queue."""
        pausing = self.driver.pausing
        assert pausing is not None
        async with self.move():
            await (pausing.pause([queue]) if paused else pausing.resume([queue]))
            self.story.tell(f"pausing.{'pause' if paused else 'resume'}([{queue!r}])")
            (self.model.paused.add if paused else self.model.paused.discard)(queue)
            assert await pausing.paused_queues() == self.model.paused

    async def maintain(self) -> None:
        """Maintain to the end: what is due is forgotten, and the totals are right."""
        async with self.move() as before:
            await self.subject.maintain(limit=20)
            self.story.tell("maintain() until there is no more to do")
            self.model.uncleared = False
            due = [id for id, one in self.model.tasks.items() if one.may_be_unknown(before)]
            for id in due:
                self.model.forget(id)
                self.forgotten.add(id)
            await self.check_totals()

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
