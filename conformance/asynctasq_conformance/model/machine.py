"""The state machine: hypothesis writes programs, the player plays them, and what fails is shrunk to its bones."""

from __future__ import annotations

import functools
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, TypeVar

import anyio
import hypothesis
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from asynctasq.driver_api import NewTask, TaskState
from asynctasq_conformance.harness import DriverHarness
from asynctasq_conformance.model.player import KINDS, QUEUES, Player, settlement
from asynctasq_conformance.model.profiles import settings_of
from asynctasq_conformance.subject import Subject, fresh_namespace

UNIT = 60.0
"""Seconds. Durations of a program are multiples of it, so that the time it takes to run decides nothing."""

Result = TypeVar("Result")
Value = TypeVar("Value")

units = st.sampled_from([0, 0, 0, 1, 2, 5])
positive_units = st.sampled_from([1, 2, 4])
nth = st.integers(0, 7)
queue_orders = st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a")])
kinds = st.sampled_from(KINDS)
new_tasks = st.fixed_dictionaries(
    {
        "queue": st.sampled_from(QUEUES),
        "payload": st.sampled_from([b"", b"\x00", b"same", b"same", b"\xff\x00tail"]),
        "priority": st.sampled_from([4, 4, 0, 9]),
        "delay": units,
        "dedupe_key": st.sampled_from([None, None, "k1", "k2"]),
        "expires_after": st.sampled_from([None, None, None, 1, 3]),
        "keep_for": st.sampled_from([0, 0, 2, 100]),
        "remember_for": st.sampled_from([1, 100, 0]),
    }
)


def as_task(id: str, fields: dict[str, Any]) -> NewTask:
    """A task whose durations are given in units."""
    seconds = {name: fields[name] * UNIT for name in ("delay", "keep_for", "remember_for")}
    expires_after = None if fields["expires_after"] is None else fields["expires_after"] * UNIT
    given: dict[str, Any] = {**fields, **seconds, "expires_after": expires_after, "id": id, "name": "model.task"}
    return NewTask(**given)


def pick(values: Sequence[Value], index: int) -> Value:
    """The value at `index`, counted round and round."""
    return values[index % len(values)]


class QueueMachine(RuleBasedStateMachine):
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
        """Make one move. After one that failed nothing is drained."""
        self.agrees = False
        result = self.portal.call(self._in_time, functools.partial(move, *arguments, **options))
        self.agrees = True
        return result

    async def _in_time(self, move: Callable[[], Awaitable[Result]]) -> Result:
        with anyio.move_on_after(6 * self.harness.patience):
            return await move()
        raise AssertionError(f"a move still waited after {6 * self.harness.patience:g} seconds")

    # -- rules

    @initialize(tasks=st.lists(new_tasks, min_size=2, max_size=4), limit=st.integers(1, 3), lease=positive_units)
    def begin(self, tasks: list[dict[str, Any]], limit: int, lease: int) -> None:
        """Every program begins with some tasks, of which some are held."""
        for fields in tasks:
            self.enqueue(fields)
        self.reserve(QUEUES, limit, lease)

    @rule(fields=new_tasks)
    def enqueue(self, fields: dict[str, Any]) -> None:
        """A new task."""
        self.play(self.player.enqueue, [as_task(self.new_id(), fields)])

    @rule(first=new_tasks, second=new_tasks, index=nth)
    def enqueue_batch(self, first: dict[str, Any], second: dict[str, Any], index: int) -> None:
        """Two new tasks, and between them one that is known or comes twice."""
        new = [self.new_id(), self.new_id()]
        again = pick([*self.known, *new], index)
        self.play(self.player.enqueue, [as_task(new[0], first), as_task(again, second), as_task(new[1], second)])

    @rule(index=nth, fields=new_tasks)
    def enqueue_known(self, index: int, fields: dict[str, Any]) -> None:
        """An id that was used before: of a live task, of one that ended, or of one that was forgotten."""
        self.play(self.player.enqueue, [as_task(pick(self.known, index), fields)])

    @precondition(lambda self: self.finished)
    @rule(index=nth, fields=new_tasks)
    def enqueue_finished(self, index: int, fields: dict[str, Any]) -> None:
        """The id of a task that has ended."""
        self.play(self.player.enqueue, [as_task(pick(self.finished, index), fields)])

    @rule(queues=queue_orders, limit=st.integers(1, 4), lease=positive_units)
    def reserve(self, queues: tuple[str, ...], limit: int, lease: int) -> None:
        """Take tasks."""
        self.play(self.player.reserve, queues, limit, lease * UNIT, f"worker-{self.player.next_number()}")

    @precondition(lambda self: self.live)
    @rule(index=nth, kind=kinds, delay=units)
    def settle_live(self, index: int, kind: str, delay: int) -> None:
        """Settle with a receipt that is live."""
        self.settle(kind, pick(self.live, index), delay)

    @precondition(lambda self: self.player.model.receipts)
    @rule(index=nth, kind=kinds, delay=units)
    def settle_any(self, index: int, kind: str, delay: int) -> None:
        """Settle with any receipt that was ever issued: live, lapsed, stolen or settled; the latest first."""
        self.settle(kind, pick(self.player.model.receipts[::-1], index), delay)

    @precondition(lambda self: self.stolen)
    @rule(index=nth, kind=kinds, delay=units)
    def settle_stolen(self, index: int, kind: str, delay: int) -> None:
        """Settle with a receipt whose task somebody else holds by now."""
        self.settle(kind, pick(self.stolen, index), delay)

    @precondition(lambda self: self.live)
    @rule(index=nth, first=new_tasks, second=new_tasks, twice=st.booleans())
    def complete_with_follow_ups(self, index: int, first: dict[str, Any], second: dict[str, Any], twice: bool) -> None:
        """Complete a task that is followed by others, one of which may be a duplicate; and once more, in vain."""
        receipt, number = pick(self.live, index), self.player.next_number()
        ids = [self.new_id(), self.new_id(), self.new_id()]
        fields = [first, first if twice else second, second]
        follow_ups = [as_task(id, one) for id, one in zip(ids, fields, strict=True)]
        self.play(self.player.settle, [settlement("complete", receipt, number, follow_ups=follow_ups)])
        late = [as_task(self.new_id(), first)]
        self.play(self.player.settle, [settlement("complete", receipt, number, follow_ups=late)])

    @precondition(lambda self: self.player.model.receipts)
    @rule(items=st.lists(st.tuples(nth, kinds, units), min_size=2, max_size=4))
    def settle_batch(self, items: list[tuple[int, str, int]]) -> None:
        """A mixed batch, in which receipts may repeat."""
        latest = self.player.model.receipts[::-1]
        number = self.player.next_number
        batch = [settlement(kind, pick(latest, index), number(), delay * UNIT) for index, kind, delay in items]
        self.play(self.player.settle, batch)

    @precondition(lambda self: self.player.model.receipts)
    @rule(lease=positive_units, indexes=st.lists(nth, min_size=1, max_size=3))
    def extend(self, lease: int, indexes: list[int]) -> None:
        """A heartbeat with any receipts that were ever issued."""
        latest = self.player.model.receipts[::-1]
        self.play(self.player.extend, [pick(latest, index) for index in indexes], lease * UNIT)

    @precondition(lambda self: self.live)
    @rule(index=nth)
    def release_and_reserve(self, index: int) -> None:
        """Give a task back, and take it (or another) at once."""
        self.settle("release", pick(self.live, index), 0)
        self.reserve(QUEUES, 1, 1)

    @precondition(lambda self: self.live and self.harness.can_move_time)
    @rule(steal=st.booleans())
    def lapse(self, steal: bool) -> None:
        """Let every lease end, and perhaps take the tasks again."""
        model, now = self.player.model, self.play(self.player.now)
        left = (max(one.available_at for one in model.tasks.values() if one.leased) - now).total_seconds()
        self.play(self.player.advance, max(1.0, math.ceil(left / UNIT)) * UNIT)
        if steal:
            self.reserve(QUEUES, 4, 1)

    @precondition(lambda self: self.live)
    @rule(index=nth, kind=st.sampled_from([*KINDS, "lapse", "lapse"]))
    def cancel_and_settle(self, index: int, kind: str) -> None:
        """Cancel a task under its worker's hands, who hears of it and settles it all the same, or dies."""
        receipt = pick(self.live, index)
        self.play(self.player.cancel, self.player.model.issued_for[receipt])
        self.play(self.player.extend, [receipt], UNIT)
        if kind != "lapse":
            self.settle(kind, receipt, 1)
        elif self.harness.can_move_time:
            self.play(self.player.advance, 5 * UNIT)

    @precondition(lambda self: self.finished)
    @rule(index=nth)
    def cancel_finished(self, index: int) -> None:
        """Cancel a task that has ended."""
        self.play(self.player.cancel, pick(self.finished, index))

    @rule(index=nth, action=st.sampled_from(["cancel", "replay", "delete", "cancel", "replay"]))
    def manage(self, index: int, action: str) -> None:
        """Cancel, replay or delete a task, in whatever state it is."""
        self.play(getattr(self.player, action), pick(self.known, index))

    @precondition(lambda self: self.dead)
    @rule(index=nth)
    def replay_dead(self, index: int) -> None:
        """Replay a dead letter."""
        self.play(self.player.replay, pick(self.dead, index))

    @precondition(lambda self: self.harness.can_move_time)
    @rule(count=st.sampled_from([1, 2, 3, 6]))
    def advance(self, count: int) -> None:
        """Let time pass."""
        self.play(self.player.advance, count * UNIT)

    @rule(event=st.sampled_from(["maintain", "reconnect", "purge a", "pause a", "resume a", "resume a"]))
    def meanwhile(self, event: str) -> None:
        """What happens beside the work: maintenance, a crash, a purge, a pause."""
        action, _, queue = event.partition(" ")
        if action in ("pause", "resume"):
            if self.player.driver.pausing is not None:
                self.play(self.player.pause, queue, paused=action == "pause")
        elif action == "purge":
            self.play(self.player.purge, queue)
        else:
            self.play(getattr(self.player, action))

    def settle(self, kind: str, receipt: str, delay: int) -> None:
        """Settle one receipt."""
        self.play(self.player.settle, [settlement(kind, receipt, self.player.next_number(), delay * UNIT)])

    # -- what rules draw from

    def new_id(self) -> str:
        """An id that no task of the program has."""
        return f"task-{self.player.next_number()}"

    @property
    def known(self) -> list[str]:
        """Every id of the program, the latest first; one that no task has if there is none."""
        return [*[*self.player.model.tasks][::-1], *sorted(self.player.forgotten), "nobody"]

    @property
    def dead(self) -> list[str]:
        """The ids of the dead letters."""
        return [id for id, one in self.player.model.tasks.items() if one.ending is TaskState.DEAD]

    @property
    def live(self) -> list[str]:
        """The receipts that the model takes for live."""
        return [one.receipt for one in self.player.model.tasks.values() if one.receipt is not None]

    @property
    def stolen(self) -> list[str]:
        """The receipts whose tasks are held with others."""
        holders = {id: one.receipt for id, one in self.player.model.tasks.items() if one.receipt is not None}
        return [receipt for receipt, id in self.player.model.issued_for.items() if holders.get(id, receipt) != receipt]

    @property
    def finished(self) -> list[str]:
        """The ids of tasks that have ended."""
        return [id for id, one in self.player.model.tasks.items() if one.ending is not None]

    def teardown(self) -> None:
        """Drain what is left, unless the program has failed already."""
        try:
            if self.agrees:
                self.play(self.player.drain)
        finally:
            self.portal.call(self.player.subject.close)


def play_model(
    harness: DriverHarness, event_loop: str, profile: str, seed: int | None = None, *, shrink: bool = True
) -> None:
    """Play a profile's number of programs on one event loop.

    Raises:
        AssertionError: the driver and the model disagree; hypothesis prints the shortest program that shows it.
    """
    backend, _, flavour = event_loop.partition("+")
    options: dict[str, Any] = {"use_uvloop": True} if flavour == "uvloop" else {}
    # Always left again: a portal that is not makes the interpreter wait for its thread for ever.
    with start_blocking_portal(backend, options) as portal:
        machine = type("Machine", (QueueMachine,), {"harness": harness, "portal": portal})
        if seed is not None:
            machine = hypothesis.seed(seed)(machine)
        run_state_machine_as_test(machine, settings=settings_of(profile, seeded=seed is not None, shrink=shrink))
