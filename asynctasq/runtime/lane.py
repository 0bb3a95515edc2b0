"""Lanes: long-lived coroutines, one per unit of concurrency, in which tasks run one after the other.

A lane has one cancel scope, which serves task after task until it is cancelled: a scope per task would cost twice as
much as everything else here. From outside, `interrupt` cancels the task that runs in a lane; a time-out is the scope's
deadline. After a cancellation the lane takes a new scope and goes on.
"""

import logging
import math
from collections.abc import Callable
from typing import Protocol

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from asynctasq.contract.settlements import Release, Settlement
from asynctasq.runtime.attempt import Attempt
from asynctasq.runtime.held_deliveries import Held, HeldDeliveries, Interruption
from asynctasq.runtime.settlement_buffer import SettlementBuffer

_logger = logging.getLogger("asynctasq.worker")

SLICE = 0.001
"""Seconds that a lane may run one task after the other before it lets the event loop do something else."""


class Runner(Protocol):
    """What a lane has its deliveries run by."""

    async def run(self, lane: "Lane", held: Held) -> Settlement | None:
        """Run one delivery; None if nothing is to be settled. Raises cancellation of the lane alone."""
        ...

    def interrupted(self, lane: "Lane", held: Held) -> Settlement | None:
        """The settlement of a task that was cancelled from outside."""
        ...

    def ruined(self, lane: "Lane", held: Held, error: BaseException) -> Settlement | None:
        """The settlement of a task that took its lane with it."""
        ...


class Lane:
    """Runs one task at a time."""

    scope: anyio.CancelScope
    thread_scope: anyio.CancelScope | None = None
    """Shields the wait for a thread, which can't be stopped: only the worker's end gives it up."""
    held: Held | None = None
    attempt: Attempt | None = None
    worn_out: bool = False
    """Its task of the event loop was cancelled behind the scope's back: another lane takes its place."""

    def __init__(self, lanes: "Lanes") -> None:
        self._lanes = lanes

    async def run(self) -> None:
        """Run tasks until the lanes are closed."""
        self._loop_task = anyio.get_current_task()
        held_deliveries, runner = self._lanes.held, self._lanes.runner
        while not held_deliveries.closed and not self.worn_out:
            self.scope = anyio.CancelScope()
            with self.scope:
                await self._serve()
            if self.held is not None:  # the scope swallowed the cancellation of this one attempt
                self.end(runner.interrupted(self, self.held))
        if self.worn_out:
            await _absorb_cancellation()
            if not held_deliveries.closed:
                self._lanes.start_one()

    async def _serve(self) -> None:
        """Run tasks until the scope is used up, or the lanes are closed."""
        held_deliveries, runner, clock = self._lanes.held, self._lanes.runner, self._lanes.clock
        buffer = held_deliveries.buffer
        now = clock()
        slice_end = now + SLICE
        while not held_deliveries.closed:
            if not buffer:
                await held_deliveries.wait()
                now = clock()
                slice_end = now + SLICE
                continue
            held = buffer.popleft()
            held.started_at = held_deliveries.last_taken_at = now
            held_deliveries.running += 1
            held.lane = self
            self.held = held
            if now >= held.lease_end:
                # It waited here until its lease ended; if the backend sees that differently, it has it back at once.
                settlement = Release(receipt=held.delivery.receipt)
            else:
                settlement = await runner.run(self, held)
            now = held.ended_at = clock()
            self.end(settlement)
            if self.worn_out or self._loop_task.has_pending_cancellation():
                # If nobody here asked for it, the body did, and ended before its cancellation arrived.
                self.worn_out = self.worn_out or not self.scope.cancel_called
                return
            if now >= slice_end:
                held_deliveries.wake_one()
                await checkpoint()
                now = clock()
                slice_end = now + SLICE

    def end(self, settlement: Settlement | None) -> None:
        """The task that ran here has ended. None: nothing is to be settled."""
        held, self.held, self.attempt = self.held, None, None
        assert held is not None
        held.lane = None
        lanes = self._lanes
        lanes.held.running -= 1
        lanes.held.finished += 1
        # What was given back while it ran is closed: its outcome no longer counts.
        if settlement is not None:
            lanes.settlements.add(held, settlement)
        elif not held.closed:
            held.closed = True
            lanes.held.forget(held)
        lanes.on_slot_free()

    def interrupt(self) -> None:
        """Cancel the task that runs here, if it can be stopped."""
        if self.thread_scope is None:
            self.scope.cancel()


class Lanes:
    """All lanes of a worker."""

    def __init__(
        self,
        *,
        held: HeldDeliveries,
        settlements: SettlementBuffer,
        runner: Runner,
        clock: Callable[[], float],
        task_group: TaskGroup,
        on_slot_free: Callable[[], None],
    ) -> None:
        self.held = held
        self.settlements = settlements
        self.runner = runner
        self.clock = clock
        self.on_slot_free = on_slot_free
        self._task_group = task_group
        self._lanes: set[Lane] = set()
        self._ended: anyio.Event | None = None
        self._over = anyio.Event()
        self.ruined = 0
        """Lanes whose event loop task can't end in order any more."""

    def running(self) -> list[Held]:
        """What runs at this moment, also what was given back while it ran."""
        return [lane.held for lane in self._lanes if lane.held is not None]

    async def wait_until_ended(self) -> None:
        """Wait until every lane has ended; they do once the held deliveries are closed."""
        while self._lanes:
            self._ended = anyio.Event()
            await self._ended.wait()

    def start(self, count: int) -> None:
        """Start the lanes."""
        for _ in range(count):
            self.start_one()

    def start_one(self) -> None:
        """Start one lane, also in place of one that is used up."""
        lane = Lane(self)
        self._lanes.add(lane)
        self._task_group.start_soon(self._run_one, lane, name="asynctasq lane")

    async def _run_one(self, lane: Lane) -> None:
        try:
            await lane.run()
        except BaseException as error:
            if not isinstance(error, Exception) and not _is_foreign_cancellation(error):
                raise
            _logger.exception("a lane was ruined by %s; another one takes its place", _described(lane.held))
            if lane.held is not None:
                lane.end(self.runner.ruined(lane, lane.held, error))
            if not self.held.closed:
                self.start_one()
            if isinstance(error, RuntimeError):
                await self._park(lane)
        finally:
            self._remove(lane)

    async def _park(self, lane: Lane) -> None:
        """Keep a task of the event loop whose cancel scopes are out of order: a body has left one open, perhaps in a
        generator that it did not finish. Ending that task now would cancel its task group, which is the whole worker.
        """
        self._remove(lane)
        self.ruined += 1
        with anyio.CancelScope(shield=True):
            await self._over.wait()

    def _remove(self, lane: Lane) -> None:
        self._lanes.discard(lane)
        if self._ended is not None and not self._lanes:
            self._ended.set()

    def let_ruined_go(self) -> None:
        """Let ruined lanes end. Each of them raises a RuntimeError into the task group."""
        self._over.set()

    @staticmethod
    def interrupt(held: Held, interruption: Interruption) -> None:
        """Cancel a running task, unless it is being interrupted already."""
        if held.lane is not None and held.interruption is None:
            held.interruption = interruption
            held.lane.interrupt()

    def interrupt_all(self, interruption: Interruption) -> None:
        """Cancel every running task, and give up waiting for threads."""
        for held in self.running():
            self.interrupt(held, interruption)
            if held.lane is not None and held.lane.thread_scope is not None:
                held.lane.thread_scope.cancel()


def _is_foreign_cancellation(error: BaseException) -> bool:
    """A cancellation that nobody here asked for."""
    return isinstance(error, anyio.get_cancelled_exc_class()) and anyio.current_effective_deadline() != -math.inf


async def _absorb_cancellation() -> None:
    """Take the cancellation that is pending for this task of the event loop: ending with it would cancel the worker."""
    try:
        await checkpoint()
    except BaseException as error:
        if not _is_foreign_cancellation(error):
            raise


def _described(held: Held | None) -> str:
    return "no task" if held is None else f"task {held.delivery.id} ({held.delivery.name})"
