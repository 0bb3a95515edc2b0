"""Several workers on several connections, some of whose calls are cancelled, and the history that comes of it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import anyio.lowlevel

from asynctasq.driver_api import Driver, SettleOutcome
from asynctasq_conformance.concurrency.cancelling import cancelled_at
from asynctasq_conformance.concurrency.history import History, Taken
from asynctasq_conformance.model.player import settlement
from asynctasq_conformance.subject import QUEUE, Subject, new_task

WORKERS = 4
TASKS = 40
ROUNDS = 25
"""How often each worker reserves while calls are cancelled."""
CHANCES = {"complete": 5, "retry": 2, "release": 2, "bury": 1, "cancel": 1}

Result = TypeVar("Result")


class Contention:
    """One run: load with cancellations, then quiet, in which everything must end."""

    def __init__(self, subject: Subject, seed: int) -> None:
        self.subject = subject
        self.random = random.Random(seed)
        self.history = History()
        self.numbers = 0
        self.lease = subject.brief if subject.harness.can_move_time else 3.0

    async def run(self) -> History:
        """Make the run; its history."""
        drivers = [await self.subject.open() for _ in range(WORKERS)]
        async with anyio.create_task_group() as group:
            group.start_soon(self._produce)
            for index, driver in enumerate(drivers):
                group.start_soon(self._work, driver, f"worker-{index}")
        await self._drain()
        return self.history

    async def _produce(self) -> None:
        for _ in range(TASKS // 4):
            tasks = [new_task() for _ in range(4)]
            await self.subject.accept(*tasks)
            self.history.accepted += [task.id for task in tasks]

    async def _work(self, driver: Driver, worker: str) -> None:
        for _ in range(ROUNDS):
            for one in await self._reserve(driver, worker, at=self._moment()):
                await self._settle(driver, one, at=self._moment())
            await anyio.lowlevel.checkpoint()

    def _moment(self) -> int:
        """The await at which to cancel a call; mostly none."""
        return self.random.choice([1, 2, 3, 5, 8]) if self.random.random() < 0.2 else 0

    async def _maybe(self, at: int, call: Callable[[], Awaitable[Result]]) -> Result | None:
        if not at:
            return await call()
        return (await cancelled_at(at, call)).result

    async def _reserve(self, driver: Driver, worker: str, at: int) -> list[Taken]:
        limit = self.random.randint(1, 4)
        deliveries = await self._maybe(
            at, lambda: driver.reserve([QUEUE], limit=limit, lease=self.lease, worker=worker)
        )
        if deliveries is None:
            self.history.lost_reserves += 1
            return []
        returned = self.history.tick()
        taken = [Taken(one.id, one.receipt, one.attempt, worker, self.history.epoch, returned) for one in deliveries]
        self.history.taken += taken
        return taken

    async def _settle(self, driver: Driver, one: Taken, at: int) -> None:
        one.kind = self.random.choices([*CHANCES], [*CHANCES.values()])[0]
        one.began = self.history.tick()
        self.numbers += 1
        item = settlement(one.kind, one.receipt, self.numbers)
        outcomes = await self._maybe(at, lambda: driver.settle_many([item]))
        one.applied = None if outcomes is None else outcomes[0] is SettleOutcome.APPLIED

    async def _drain(self) -> None:
        """Let stranded leases lapse, and complete what is left."""
        await self.subject.let_pass(self.lease)
        self.history.epoch += 1
        for _ in range(TASKS):
            taken = await self._reserve(self.subject.driver, "drain", at=0)
            if not taken:
                return
            for one in taken:
                one.kind, one.began = "complete", self.history.tick()
                self.numbers += 1
                [outcome] = await self.subject.driver.settle_many([settlement("complete", one.receipt, self.numbers)])
                one.applied = outcome is SettleOutcome.APPLIED
