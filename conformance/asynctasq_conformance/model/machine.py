"""The state machine: hypothesis writes programs, the player plays them, and what fails is shrunk to its bones."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

import anyio
import hypothesis
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from asynctasq.driver_api import NewTask
from asynctasq_conformance.harness import DriverHarness
from asynctasq_conformance.model.player import KINDS, QUEUES, Player, settlement
from asynctasq_conformance.model.profiles import settings_of
from asynctasq_conformance.subject import Subject, fresh_namespace

UNIT = 60.0
"""Seconds. Durations of a program are multiples of it, so that the time it takes to run decides nothing."""

Result = TypeVar("Result")

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


class QueueMachine(RuleBasedStateMachine):
    """Rules are synchronous, as hypothesis wants them: a portal takes each move into the event loop."""

    harness: ClassVar[DriverHarness]
    portal: ClassVar[BlockingPortal]

    ids: Bundle[str] = Bundle("ids")
    receipts: Bundle[str] = Bundle("receipts")

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

    @rule(target=ids, fields=new_tasks)
    def enqueue(self, fields: dict[str, Any]) -> str:
        """A new task."""
        id = f"task-{self.player.next_number()}"
        self.play(self.player.enqueue, [as_task(id, fields)])
        return id

    @rule(target=ids, first=new_tasks, second=new_tasks, again=nth)
    def enqueue_batch(self, first: dict[str, Any], second: dict[str, Any], again: int) -> MultipleResults[str]:
        """Two new tasks, and one that is known or comes twice."""
        new = [f"task-{self.player.next_number()}" for _ in range(2)]
        known = [*self.player.model.tasks, *new]
        batch = [as_task(new[0], first), as_task(known[again % len(known)], second), as_task(new[1], second)]
        self.play(self.player.enqueue, batch)
        return multiple(*new)

    @rule(id=ids, fields=new_tasks)
    def enqueue_again(self, id: str, fields: dict[str, Any]) -> None:
        """An id that was used before."""
        self.play(self.player.enqueue, [as_task(id, fields)])

    @precondition(lambda self: self.finished)
    @rule(index=nth, fields=new_tasks)
    def enqueue_finished(self, index: int, fields: dict[str, Any]) -> None:
        """The id of a task that has ended."""
        self.play(self.player.enqueue, [as_task(self.finished[index % len(self.finished)], fields)])

    @rule(target=receipts, queues=queue_orders, limit=st.integers(1, 4), lease=positive_units)
    def reserve(self, queues: tuple[str, ...], limit: int, lease: int) -> MultipleResults[str]:
        """Take tasks."""
        worker = f"worker-{self.player.next_number()}"
        return multiple(*self.play(self.player.reserve, queues, limit, lease * UNIT, worker))

    @rule(receipt=receipts, kind=kinds, delay=units)
    def settle_any(self, receipt: str, kind: str, delay: int) -> None:
        """Settle with any receipt that was ever issued: live, lapsed, stolen or settled."""
        self.play(self.player.settle, [settlement(kind, receipt, self.player.next_number(), delay * UNIT)])

    @precondition(lambda self: self.live)
    @rule(index=nth, kind=kinds, delay=units)
    def settle_live(self, index: int, kind: str, delay: int) -> None:
        """Settle with a receipt that is live."""
        receipt = self.live[index % len(self.live)]
        self.play(self.player.settle, [settlement(kind, receipt, self.player.next_number(), delay * UNIT)])

    @precondition(lambda self: self.live)
    @rule(index=nth, fields=new_tasks, twice=st.booleans())
    def complete_with_follow_ups(self, index: int, fields: dict[str, Any], twice: bool) -> None:
        """Complete a task that is followed by others, one of them perhaps a duplicate."""
        number = self.player.next_number()
        ids = [f"task-{number}", f"task-{number}" if twice else f"task-{self.player.next_number()}"]
        follow_ups = [as_task(id, fields) for id in ids]
        receipt = self.live[index % len(self.live)]
        self.play(self.player.settle, [settlement("complete", receipt, number, follow_ups=follow_ups)])

    @precondition(lambda self: self.player.model.receipts)
    @rule(items=st.lists(st.tuples(nth, kinds, units), min_size=2, max_size=4))
    def settle_batch(self, items: list[tuple[int, str, int]]) -> None:
        """A mixed batch, in which receipts may repeat."""
        recent = self.player.model.receipts[-8:]
        batch = [
            settlement(kind, recent[index % len(recent)], self.player.next_number(), delay * UNIT)
            for index, kind, delay in items
        ]
        self.play(self.player.settle, batch)

    @rule(receipt=receipts, lease=positive_units)
    def extend_any(self, receipt: str, lease: int) -> None:
        """A heartbeat with any receipt that was ever issued."""
        self.play(self.player.extend, [receipt], lease * UNIT)

    @precondition(lambda self: self.live)
    @rule(lease=positive_units)
    def extend_live(self, lease: int) -> None:
        """A heartbeat for everything that is held."""
        self.play(self.player.extend, self.live, lease * UNIT)

    @precondition(lambda self: self.live)
    @rule(target=receipts, index=nth)
    def release_and_reserve(self, index: int) -> MultipleResults[str]:
        """Give a task back, and take it (or another) at once."""
        receipt = self.live[index % len(self.live)]
        self.play(self.player.settle, [settlement("release", receipt, self.player.next_number())])
        return multiple(*self.play(self.player.reserve, QUEUES, 1, UNIT, f"worker-{self.player.next_number()}"))

    @rule(id=ids)
    def cancel(self, id: str) -> None:
        """Cancel a task, in whatever state it is."""
        self.play(self.player.cancel, id)

    @rule(id=ids)
    def replay(self, id: str) -> None:
        """Replay a task, in whatever state it is."""
        self.play(self.player.replay, id)

    @rule(id=ids)
    def delete(self, id: str) -> None:
        """Delete a task, in whatever state it is."""
        self.play(self.player.delete, id)

    @precondition(lambda self: self.harness.can_move_time)
    @rule(count=st.sampled_from([1, 2, 3, 6]))
    def advance(self, count: int) -> None:
        """Let time pass."""
        self.play(self.player.advance, count * UNIT)

    @rule()
    def crash_and_reconnect(self) -> None:
        """Go on with another driver."""
        self.play(self.player.reconnect)

    @precondition(lambda self: self.player.driver.pausing is not None)
    @rule(queue=st.sampled_from(QUEUES), paused=st.booleans())
    def pause(self, queue: str, paused: bool) -> None:
        """Pause or resume a queue."""
        self.play(self.player.pause, queue, paused=paused)

    @rule()
    def maintain(self) -> None:
        """Maintain to the end."""
        self.play(self.player.maintain)

    # -- what rules draw from

    @property
    def live(self) -> list[str]:
        """The receipts that the model takes for live."""
        return [one.receipt for one in self.player.model.tasks.values() if one.receipt is not None]

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


def play_model(harness: DriverHarness, event_loop: str, profile: str, seed: int | None = None) -> None:
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
        run_state_machine_as_test(machine, settings=settings_of(profile, seeded=seed is not None))
