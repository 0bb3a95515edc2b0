"""Drivers that are wrong when a call is cancelled half-way, or when two calls meet."""

from __future__ import annotations

from collections.abc import Sequence

import anyio.lowlevel

from asynctasq.driver_api import (
    Bury,
    Complete,
    Delivery,
    DriverUnavailable,
    EnqueueOutcome,
    NewTask,
    Settlement,
    SettleOutcome,
    TaskRecord,
)
from asynctasq_conformance.mutants.mutant import mutant
from asynctasq_conformance.mutants.plain_driver import PlainDriver, delivery_of


@mutant("concurrency", "CON-1", "ENQ-2")
class NonAtomicBatch(PlainDriver):
    """A batch is stored task by task."""

    async def _enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        outcomes: list[EnqueueOutcome] = []
        for task in tasks:
            outcomes += await super()._enqueue_many([task])
        return outcomes


@mutant("concurrency", "CON-1")
class CancelledSettleLosesTask(PlainDriver):
    """A task is taken out of the lease's place first, and put where it goes a moment later."""

    async def _settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        await self.writing()
        space = self.space_as_of(self.clock.read())
        held = [self.holder_of_receipt(space, settlement.receipt) for settlement in settlements]
        taken = [stored for stored in held if stored is not None]
        for stored in taken:
            space.tasks.pop(stored.task.id, None)
        await anyio.lowlevel.checkpoint()
        for stored in taken:
            space.tasks[stored.task.id] = stored
        return self.settle(space, settlements, self.clock.read())


@mutant("concurrency", "CON-1", "SET-13")
class FollowUpsNotAtomic(PlainDriver):
    """Follow-ups are enqueued after the completion, in a step of their own."""

    async def _settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        bare = [Complete(receipt=s.receipt, result=s.result) if isinstance(s, Complete) else s for s in settlements]
        outcomes = await super()._settle_many(bare)
        for settlement, outcome in zip(settlements, outcomes, strict=True):
            if isinstance(settlement, Complete) and settlement.follow_ups and outcome is SettleOutcome.APPLIED:
                await self._enqueue_many(settlement.follow_ups)
        return outcomes


@mutant("concurrency", "CON-1")
class BurialInTwoSteps(PlainDriver):
    """A task is made a dead letter first, and its failure is stored a moment later."""

    async def _settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        outcomes = await super()._settle_many(settlements)
        for settlement in settlements:
            for stored in self.storage.space.tasks.values():
                if isinstance(settlement, Bury) and stored.state == "dead" and stored.failures:
                    failures, stored.failures = stored.failures, []
                    await anyio.lowlevel.checkpoint()
                    stored.failures = failures
        return outcomes


@mutant("concurrency", "CON-2")
class CancelledCallBreaksTheConnection(PlainDriver):
    """After a cancelled call the connection is in the middle of something, and every later call fails."""

    async def writing(self) -> None:
        if self.storage.__dict__.get("busy"):
            raise DriverUnavailable("another command is in progress")
        self.storage.__dict__["busy"] = True
        await super().writing()
        self.storage.__dict__["busy"] = False


@mutant("concurrency", "CON-2")
class AnswersCross(PlainDriver):
    """After a cancelled read the next one is given its answer."""

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        waiting: list[Sequence[str]] = self.storage.__dict__.setdefault("waiting", [])
        waiting.append(ids)
        await anyio.lowlevel.checkpoint()
        return await super()._get_tasks(waiting.pop(0))


@mutant("concurrency", "CON-5", "RES-3")
class ReserveTakesTurnsBadly(PlainDriver):
    """Two reserves at the same moment are given the same tasks."""

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        now = self.clock.read()
        space = self.space_as_of(now)
        found = [stored for queue in queues for stored in self.in_order(self.eligible(space, queue, now))][:limit]
        await self.writing()
        alive = [stored for stored in found if stored.is_live]
        for stored in alive:
            self.lease_to(stored, lease, worker, now)
        return [delivery_of(stored, now) for stored in alive]


@mutant("concurrency", "CON-5")
class SettlementsOverwriteEachOther(PlainDriver):
    """A settlement reads everything, waits, and writes everything back."""

    async def _settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        space = self.storage.copy_of_space()
        await self.writing()
        now = self.clock.read()
        self.let_time_act(space, now)
        outcomes = self.settle(space, settlements, now)
        self.storage.space = space
        return outcomes
