"""Workers with a mistake in them, each of which a trial has to find: `run_trials.py --mutants` shows that they do."""

import math
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from asynctasq.contract.driver import Driver
from asynctasq.driver_api import Complete, Delivery, NewTask, Retry, Settlement
from asynctasq.runtime.held_deliveries import Held
from asynctasq.runtime.lease_keeper import LeaseKeeper
from asynctasq.runtime.overseer import Overseer
from asynctasq.runtime.process_pool import Child, ProcessPool
from asynctasq.runtime.reserve_loop import ReserveLoop
from asynctasq.runtime.settlement_buffer import SettlementBuffer
from asynctasq.runtime.task_runner import TaskRunner
from asynctasq.runtime.worker_run import WorkerRun


class Mutant(Struct, frozen=True):
    """A mistake, and the plan whose trial finds it."""

    plan: str
    apply: Callable[[], None]


def _acknowledges_first() -> None:
    """Completes what it has reserved before it runs it."""
    reserve = Driver.reserve

    async def reserve_and_complete(self: Driver, *arguments: Any, **options: Any) -> list[Delivery]:
        deliveries = await reserve(self, *arguments, **options)
        await self.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
        return deliveries

    Driver.reserve = reserve_and_complete  # type: ignore[method-assign]


def _sends_no_heartbeats() -> None:
    """Lets every lease lapse."""
    LeaseKeeper.due = lambda self: []  # type: ignore[method-assign]


def _keeps_what_it_took_ahead() -> None:
    """Ends without releasing what it has not begun."""

    def forget_buffer(self: Overseer) -> None:
        buffer = self._held.buffer
        while buffer:
            self._held.forget(buffer.popleft())

    Overseer.release_buffer = forget_buffer  # type: ignore[method-assign]


def _does_not_look_at_leases() -> None:
    """Runs what it holds, however old its lease is."""
    Held.lease_end = property(lambda self: math.inf, lambda self, end: None)  # type: ignore[assignment]


def _does_not_look_again() -> None:
    """Runs what has waited for a child, however long that took."""
    TaskRunner._given_back_if_lapsed = lambda self, held: None  # type: ignore[method-assign]


def _gives_up_on_errors() -> None:
    """Stops reserving when the store once refuses."""

    async def stop(self: ReserveLoop, error: Exception) -> None:
        self.stop()

    ReserveLoop._pause_after = stop  # type: ignore[method-assign]


def _settles_once() -> None:
    """Sends a settlement once, and forgets it whatever the store answers."""

    async def settle(self: SettlementBuffer, batch: list[Any]) -> None:
        try:
            self._answered(batch, await self._send(batch), False)
        except Exception:
            self._give_up(batch)

    SettlementBuffer._settle = settle  # type: ignore[method-assign]


def _beats_on_the_event_loop() -> None:
    """Extends leases from the event loop, which bodies may block."""
    given = WorkerRun.start_services

    def start_services(self: WorkerRun) -> None:
        self._in_thread = False
        given(self)

    WorkerRun.start_services = start_services  # type: ignore[method-assign]


def _stops_beating_in_the_grace() -> None:
    """Extends no lease once it was asked to stop."""
    drain = WorkerRun._drain

    async def drain_without_beats(self: WorkerRun) -> None:
        LeaseKeeper.due = lambda self: []  # type: ignore[method-assign]
        await drain(self)

    WorkerRun._drain = drain_without_beats  # type: ignore[method-assign]


def _retries_under_a_new_id() -> None:
    """Completes what has failed, and enqueues it anew."""
    add = SettlementBuffer.add

    def add_complete(self: SettlementBuffer, held: Held, settlement: Settlement) -> None:
        if isinstance(settlement, Retry):
            task = held.delivery
            again = NewTask(
                id=f"{task.id}-again-{task.attempt}", queue=task.queue, name=task.name, payload=task.payload
            )
            settlement = Complete(receipt=task.receipt, follow_ups=(again,))
        add(self, held, settlement)

    SettlementBuffer.add = add_complete  # type: ignore[method-assign]


def _does_not_poll() -> None:
    """Waits for a hint, however long none comes."""
    init = ReserveLoop.__init__

    def init_without_poll(self: ReserveLoop, *arguments: Any, **options: Any) -> None:
        init(self, *arguments, **(options | {"poll_interval": 3600.0}))

    ReserveLoop.__init__ = init_without_poll  # type: ignore[method-assign]


def _does_not_rebuild_the_pool() -> None:
    """Starts no child in place of one that has died."""

    def replace(self: ProcessPool, child: Child, *, kill: bool) -> None:
        child.kill()  # and it goes on counting as one that is there

    ProcessPool._replace = replace  # type: ignore[method-assign]


def _lets_a_bodys_cancellation_out() -> None:
    """Takes a CancelledError of a body for its own."""
    ended_with = TaskRunner._ended_with

    def ended(self: TaskRunner, lane: Any, attempt: Any, error: BaseException) -> Any:
        if isinstance(error, self._cancelled):
            raise error
        return ended_with(self, lane, attempt, error)

    TaskRunner._ended_with = ended  # type: ignore[method-assign]


MUTANTS: dict[str, Mutant] = {
    "acknowledges_first": Mutant("rolling", _acknowledges_first),
    "sends_no_heartbeats": Mutant("rolling", _sends_no_heartbeats),
    "keeps_what_it_took_ahead": Mutant("rolling", _keeps_what_it_took_ahead),
    "does_not_look_at_leases": Mutant("zombies", _does_not_look_at_leases),
    "does_not_look_again": Mutant("zombies", _does_not_look_again),
    "beats_on_the_event_loop": Mutant("blocked", _beats_on_the_event_loop),
    "stops_beating_in_the_grace": Mutant("rolling", _stops_beating_in_the_grace),
    "retries_under_a_new_id": Mutant("blocked", _retries_under_a_new_id),
    "does_not_poll": Mutant("blocked", _does_not_poll),
    "does_not_rebuild_the_pool": Mutant("kills", _does_not_rebuild_the_pool),
    "lets_a_bodys_cancellation_out": Mutant("kills", _lets_a_bodys_cancellation_out),
    "gives_up_on_errors": Mutant("locked", _gives_up_on_errors),
    "settles_once": Mutant("full", _settles_once),
}
