"""What a running program stands on: a player in an event loop of its own, and what rules draw from the model."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

import anyio
from anyio.from_thread import BlockingPortal
from hypothesis.stateful import RuleBasedStateMachine

from asynctasq.driver_api import TaskState
from asynctasq_conformance.harness import DriverHarness
from asynctasq_conformance.model.alphabet import UNIT, Wanted, pick
from asynctasq_conformance.model.observer import QUEUES
from asynctasq_conformance.model.player import Player, settlement
from asynctasq_conformance.subject import Subject, fresh_namespace

Result = TypeVar("Result")


class Program(RuleBasedStateMachine):
    """Rules are synchronous, as hypothesis wants them: a portal takes each move into the event loop."""

    harness: ClassVar[DriverHarness]
    portal: ClassVar[BlockingPortal]

    def __init__(self) -> None:
        super().__init__()
        self.agrees = True
        self.player = self.portal.call(self._start)

    async def _start(self) -> Player:
        namespace = self.harness.namespace = fresh_namespace()
        driver = await self.harness.open_driver(namespace)
        await driver.prepare_storage()
        await driver.connect()
        return Player(Subject(self.harness, namespace, driver))

    def play(self, move: Callable[..., Awaitable[Result]], *arguments: Any, **options: Any) -> Result:
        """Make one move. One that fails tells the whole story, and after it nothing is drained."""
        self.agrees = False
        try:
            result = self.portal.call(self._in_time, functools.partial(move, *arguments, **options))
        except Exception as error:
            error.add_note(str(self.player.story))
            raise
        self.agrees = True
        return result

    async def _in_time(self, move: Callable[[], Awaitable[Result]]) -> Result:
        with anyio.move_on_after(6 * self.harness.patience):
            return await move()
        raise AssertionError(f"a move still waited after {6 * self.harness.patience:g} seconds")

    def teardown(self) -> None:
        """Drain what is left, unless the program has failed already."""
        try:
            if self.agrees:
                self.play(self.player.drain)
        finally:
            self.portal.call(self.player.subject.close)

    # -- steps that many rules take

    def put(self, wanted: Wanted) -> str:
        """Enqueue a new task; its id."""
        id = self.new_id()
        self.play(self.player.enqueue, [wanted.task(id)])
        return id

    def take(self, queues: tuple[str, ...], limit: int, lease: int) -> None:
        """Reserve for a worker that has done nothing yet."""
        self.play(self.player.reserve, queues, limit, lease * UNIT, f"worker-{self.player.next_number()}")

    def hold(self, index: int) -> str:
        """A live receipt: one of those that there are, or else that of a task which is put and taken for it."""
        if not self.live:
            queue = self.open_queue()
            self.put(Wanted(queue=queue))
            if self.player.model.uncleared:
                self.play(self.player.maintain)  # what time has ended may stand in the way
            self.take((queue,), 1, 1)
        return pick(self.live, index)

    def open_queue(self) -> str:
        """A queue that is not paused, if need be because it is resumed."""
        paused = self.player.model.paused
        if paused.issuperset(QUEUES):
            self.play(self.player.pause, QUEUES[0], paused=False)
        return next(queue for queue in QUEUES if queue not in paused)

    def settle(self, receipt: str, *kinds: str, delay: int = 0) -> None:
        """Settle one receipt, in one batch in every one of these ways."""
        number = self.player.next_number
        batch = [settlement(kind, receipt, number(), delay * UNIT) for kind in kinds]
        self.play(self.player.settle, batch)

    def id_of(self, receipt: str) -> str:
        """The task that a receipt was issued for."""
        return self.player.model.issued_for[receipt]

    # -- what rules draw from

    def new_id(self) -> str:
        """An id that no task of the program has."""
        return f"task-{self.player.next_number()}"

    @property
    def known(self) -> list[str]:
        """Every id of the program, the latest first, and at last one that no task has."""
        return [*[*self.player.model.tasks][::-1], *sorted(self.player.forgotten), "nobody"]

    @property
    def issued(self) -> list[str]:
        """Every receipt of the program, the latest first."""
        return self.player.model.receipts[::-1]

    @property
    def live(self) -> list[str]:
        """The receipts that the model takes for live."""
        return [one.receipt for one in self.player.model.tasks.values() if one.receipt is not None]

    @property
    def finished(self) -> list[str]:
        """The ids of tasks that have ended."""
        return [id for id, one in self.player.model.tasks.items() if one.ending is not None]

    @property
    def dead(self) -> list[str]:
        """The ids of the dead letters."""
        return [id for id, one in self.player.model.tasks.items() if one.ending is TaskState.DEAD]
