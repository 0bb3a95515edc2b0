"""The state machine: hypothesis writes programs, the player plays them, and what fails is shrunk to its bones.

Half of the rules are single calls. The others are the stories in which queues go wrong, each told by one rule. For
hypothesis leaves half of the rules out of a program: a mistake that shows when four rules meet would hardly ever show.
"""

from __future__ import annotations

import math
from typing import Any

import hypothesis
from anyio.from_thread import start_blocking_portal
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from asynctasq_conformance.harness import DriverHarness
from asynctasq_conformance.model.alphabet import (
    UNIT,
    Wanted,
    kinds,
    nth,
    pick,
    positive_units,
    queue_orders,
    some_kinds,
    units,
    wanted_tasks,
)
from asynctasq_conformance.model.observer import QUEUES
from asynctasq_conformance.model.player import KINDS, settlement
from asynctasq_conformance.model.profiles import settings_of
from asynctasq_conformance.model.program import Program


class QueueMachine(Program):
    """All rules."""

    @initialize(tasks=st.lists(wanted_tasks, max_size=5), limit=st.integers(0, 3), lease=positive_units)
    def begin(self, tasks: list[Wanted], limit: int, lease: int) -> None:
        """Most programs begin with some tasks, of which some are held."""
        for wanted in tasks:
            self.put(wanted)
        if tasks and limit:
            self.take(QUEUES, limit, lease)

    # -- single calls

    @rule(wanted=wanted_tasks)
    def enqueue(self, wanted: Wanted) -> None:
        """A new task."""
        self.put(wanted)

    @rule(first=wanted_tasks, second=wanted_tasks, index=nth)
    def enqueue_batch(self, first: Wanted, second: Wanted, index: int) -> None:
        """Two new tasks, and between them one that is known or comes twice."""
        new = [self.new_id(), self.new_id()]
        again = pick([*self.known, *new], index)
        self.play(self.player.enqueue, [first.task(new[0]), second.task(again), second.task(new[1])])

    @rule(index=nth, wanted=wanted_tasks)
    def enqueue_known(self, index: int, wanted: Wanted) -> None:
        """An id that was used before: of a live task, of one that ended, or of one that was forgotten."""
        self.play(self.player.enqueue, [wanted.task(pick(self.known, index))])

    @rule(queues=queue_orders, limit=st.integers(1, 4), lease=positive_units)
    def reserve(self, queues: tuple[str, ...], limit: int, lease: int) -> None:
        """Take tasks."""
        self.take(queues, limit, lease)

    @rule(index=nth, kind=kinds, delay=units)
    def settle_live(self, index: int, kind: str, delay: int) -> None:
        """Settle with a receipt that is live."""
        self.settle(self.hold(index), kind, delay=delay)

    @precondition(lambda self: self.issued)
    @rule(index=nth, some=some_kinds, delay=units)
    def settle_any(self, index: int, some: list[str], delay: int) -> None:
        """Settle with any receipt that was ever issued: live, lapsed, stolen or settled; the latest first."""
        self.settle(pick(self.issued, index), *some, delay=delay)

    @rule(held=nth, items=st.lists(st.tuples(nth, kinds, units), min_size=2, max_size=4))
    def settle_batch(self, held: int, items: list[tuple[int, str, int]]) -> None:
        """A mixed batch, in which receipts may repeat, and of which one is live."""
        receipts, number = [self.hold(held), *self.issued], self.player.next_number
        batch = [settlement(kind, pick(receipts, index), number(), delay * UNIT) for index, kind, delay in items]
        self.play(self.player.settle, batch)

    @precondition(lambda self: self.issued)
    @rule(lease=positive_units, indexes=st.lists(nth, min_size=1, max_size=3))
    def extend(self, lease: int, indexes: list[int]) -> None:
        """A heartbeat with any receipts that were ever issued."""
        self.play(self.player.extend, [pick(self.issued, index) for index in indexes], lease * UNIT)

    @rule(index=nth, action=st.sampled_from(["cancel", "replay", "delete", "cancel", "replay"]))
    def manage(self, index: int, action: str) -> None:
        """Cancel, replay or delete a task, in whatever state it is."""
        self.play(getattr(self.player, action), pick(self.known, index))

    @precondition(lambda self: self.finished)
    @rule(index=nth, action=st.sampled_from(["cancel", "replay", "delete"]))
    def manage_finished(self, index: int, action: str) -> None:
        """Cancel, replay or delete a task that has ended."""
        self.play(getattr(self.player, action), pick(self.finished, index))

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

    # -- stories

    @precondition(lambda self: self.harness.can_move_time)
    @rule(index=nth, some=some_kinds, delay=units, stolen=st.booleans(), beats=st.booleans())
    def come_too_late(self, index: int, some: list[str], delay: int, stolen: bool, beats: bool) -> None:
        """A worker outlives its lease, perhaps another takes the task, and then the first sends a heartbeat and settles
        it all the same."""
        receipt = self.hold(index)
        now = self.play(self.player.now)
        left = (self.player.model.tasks[self.id_of(receipt)].available_at - now).total_seconds()
        self.play(self.player.advance, max(1.0, math.ceil(left / UNIT)) * UNIT)
        if stolen:
            self.take(QUEUES, 8, 1)
        if beats:
            self.play(self.player.extend, [receipt], UNIT)
        self.settle(receipt, *some, delay=delay)

    @rule(index=nth, leases=st.lists(positive_units, min_size=2, max_size=3), twice=st.booleans())
    def beat(self, index: int, leases: list[int], twice: bool) -> None:
        """Heartbeats for a live receipt, which ask for more, for less, and in one call for the same again."""
        receipts = [self.hold(index)] * (2 if twice else 1)
        for lease in leases:
            self.play(self.player.extend, receipts, lease * UNIT)

    @rule(index=nth, kind=st.sampled_from([*KINDS, "extend"]), delay=units)
    def crash_while_holding(self, index: int, kind: str, delay: int) -> None:
        """A process loses its connection while it holds a task, and goes on over another with the receipt it has."""
        receipt = self.hold(index)
        self.play(self.player.reconnect)
        if kind == "extend":
            self.play(self.player.extend, [receipt], UNIT)
        else:
            self.settle(receipt, kind, delay=delay)

    @precondition(lambda self: self.player.driver.pausing is not None)
    @rule(wanted=wanted_tasks, queues=queue_orders, resume=st.booleans())
    def reserve_while_paused(self, wanted: Wanted, queues: tuple[str, ...], resume: bool) -> None:
        """A queue is paused with a task in it, and workers go on asking."""
        self.put(wanted)
        self.play(self.player.pause, wanted.queue, paused=True)
        self.take(queues, 8, 1)
        if resume:
            self.play(self.player.pause, wanted.queue, paused=False)
            self.take(queues, 1, 1)

    @precondition(lambda self: self.harness.can_move_time)
    @rule(key=st.sampled_from([None, "k1"]), held=st.booleans(), kind=kinds)
    def outlast_expiry(self, key: str | None, held: bool, kind: str) -> None:
        """A task's time is up, in its queue or under its worker's hands, who settles it; then its key is wanted."""
        queue = self.open_queue()
        one = self.player.model.tasks.get(self.put(Wanted(queue=queue, dedupe_key=key, expires_after=1)))
        if held:
            self.take((queue,), 8, 4)
        self.play(self.player.advance, 2 * UNIT)
        if one is not None and one.receipt is not None:
            self.settle(one.receipt, kind)
        self.put(Wanted(queue=queue, dedupe_key=key))

    @rule(index=nth, first=wanted_tasks, second=wanted_tasks, twice=st.booleans())
    def complete_with_follow_ups(self, index: int, first: Wanted, second: Wanted, twice: bool) -> None:
        """Complete a task that is followed by others, one of which may be a duplicate; and once more, in vain."""
        receipt, number = self.hold(index), self.player.next_number()
        wanted = [first, first if twice else second, second]
        follow_ups = [one.task(self.new_id()) for one in wanted]
        self.play(self.player.settle, [settlement("complete", receipt, number, follow_ups=follow_ups)])
        late = [first.task(self.new_id())]
        self.play(self.player.settle, [settlement("complete", receipt, number, follow_ups=late)])

    @rule(index=nth, kind=st.sampled_from(["release", "retry"]))
    def give_back_and_reserve(self, index: int, kind: str) -> None:
        """Give a task back, take it (or another) at once, and give it back with the receipt of before."""
        receipt = self.hold(index)
        self.settle(receipt, kind)
        self.take(QUEUES, 1, 1)
        self.settle(receipt, kind)

    @rule(index=nth, kind=st.sampled_from([*KINDS, "lapse", "lapse"]))
    def cancel_and_settle(self, index: int, kind: str) -> None:
        """Cancel a task under its worker's hands, who hears of it and settles it all the same, or dies."""
        receipt = self.hold(index)
        self.play(self.player.cancel, self.id_of(receipt))
        self.play(self.player.extend, [receipt], UNIT)
        if kind != "lapse":
            self.settle(receipt, kind, delay=1)
        elif self.harness.can_move_time:
            self.play(self.player.advance, 5 * UNIT)

    @rule(index=nth, wanted=wanted_tasks, kind=st.sampled_from(["complete", "bury", "cancel"]), maintain=st.booleans())
    def finish_and_enqueue_again(self, index: int, wanted: Wanted, kind: str, maintain: bool) -> None:
        """A task ends, and somebody who never heard of its acceptance sends it again."""
        receipt = self.hold(index)
        self.settle(receipt, kind)
        if maintain:
            self.play(self.player.maintain)
        self.play(self.player.enqueue, [wanted.task(self.id_of(receipt))])

    @rule(index=nth, retries=st.integers(0, 2))
    def bury_and_replay(self, index: int, retries: int) -> None:
        """A task fails, becomes a dead letter, is replayed, and taken once more."""
        receipt = self.hold(index)
        id = self.id_of(receipt)
        for _ in range(retries):
            self.settle(receipt, "retry")
            self.take(QUEUES, 8, 1)
            receipt = self.player.model.tasks[id].receipt or receipt
        self.settle(receipt, "bury")
        self.play(self.player.replay, id)
        self.take(QUEUES, 8, 1)


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
