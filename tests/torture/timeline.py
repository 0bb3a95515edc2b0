"""From facts to what happened to each task, with what is certain and what is only possible.

A call that was not answered may have had its effect or not. A call's effect lies somewhere between its beginning and
its answer. So a lease has an earliest and a latest end, and a checker may only complain about what holds in all cases.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from tests.torture.history import BodyEnded, BodyStarted, CallBegan, CallEnded, Fact, FaultFired, LeaseLookedAt

LOST_WITHIN = 1.0
"""Seconds that a call of a process that was killed may have gone on."""

TERMINAL = frozenset({"Complete", "Bury", "Cancel"})


class Call(Struct):
    """One call of a driver's method."""

    process: str
    method: str
    began: float
    items: list[Any]
    answered: float = math.inf
    outcomes: list[Any] | None = None
    """None: it failed, or its process died first; it may have had its effect."""


class Settling(Struct):
    """One settlement that was sent."""

    kind: str
    began: float
    answered: float
    outcome: str | None
    delay: float

    @property
    def applied(self) -> bool:
        """It certainly had its effect."""
        return self.outcome == "applied"

    @property
    def may_have_applied(self) -> bool:
        """It is not certain that it had none."""
        return self.outcome != "stale"


class Extending(Struct):
    """One extension of a lease that was asked for."""

    began: float
    answered: float
    applied: bool | None
    lease: float


class Grant(Struct):
    """One delivery: a lease, and everything that was done with its receipt."""

    task: str
    receipt: str
    attempt: int
    worker: str
    queue: str
    priority: int
    asked: float
    answered: float
    lease: float
    settlings: list[Settling] = field(default_factory=list)
    extendings: list[Extending] = field(default_factory=list)

    def earliest_end(self, before: float = math.inf) -> float:
        """The lease certainly lasts until here, unless it is settled. Only what was answered `before` counts."""
        ends = [one.began + one.lease for one in self.extendings if one.applied and one.answered < before]
        return max([self.asked + self.lease, *ends])

    def latest_end(self, before: float = math.inf) -> float:
        """From here on the lease has certainly ended. Only what began `before` counts."""
        ends = [
            math.inf if one.applied is None else one.answered + one.lease
            for one in self.extendings
            if one.applied is not False and one.began < before
        ]
        return max([self.answered + self.lease, *ends])

    @property
    def settled_from(self) -> float:
        """When the first settlement was sent: from here on the lease may be over."""
        return min((one.began for one in self.settlings if one.may_have_applied), default=math.inf)

    def may_be_live(self, moment: float) -> bool:
        """Whether the lease may have lasted at this moment."""
        settled = min((one.answered for one in self.settlings if one.applied), default=math.inf)
        return self.asked <= moment < min(self.latest_end(), settled)

    @property
    def certainly_live(self) -> tuple[float, float]:
        """Throughout this interval the lease is live."""
        return self.answered, min(self.earliest_end(), self.settled_from)


class Start(Struct):
    """A body began."""

    task: str
    at: float
    attempt: int
    worker: str
    looked_at: float | None = None
    """What its worker's clock had shown when it last looked whether it may. A machine that stood still between this and
    the body's first line is no fault of the worker's."""

    @property
    def decided_at(self) -> float:
        """From here on its worker could have known better. A worker that never looked could have until the end."""
        return self.at if self.looked_at is None else self.looked_at


class Enqueueing(Struct):
    """A task was sent to the store."""

    began: float
    answered: float
    accepted: bool | None
    delay: float


class TaskStory(Struct):
    """Everything that is known of one task."""

    id: str
    enqueueings: list[Enqueueing] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    returns: int = 0
    """How often its body came to its end without raising."""

    @property
    def was_acknowledged(self) -> bool:
        """Some enqueue of it was answered."""
        return any(one.accepted is not None for one in self.enqueueings)

    @property
    def has_lapsed(self) -> bool:
        """It was delivered more often than its settlements explain."""
        return len(self.grants) > self._given_back + 1

    @property
    def ran_again(self) -> bool:
        """Its body began more often than its settlements explain."""
        return len(self.starts) > self._given_back + 1

    @property
    def was_extended_slowly(self) -> bool:
        """A call that was to keep its lease took over a third of that: a machine under load, no fault of the worker's.
        A call that was never answered counts too."""
        return any(one.answered - one.began > one.lease / 3.0 for grant in self.grants for one in grant.extendings)

    @property
    def _given_back(self) -> int:
        return sum(one.kind in ("Retry", "Release") and one.may_have_applied for _, one in self.settlings())

    def settlings(self) -> Iterable[tuple[Grant, Settling]]:
        """All settlements of all of its deliveries."""
        return ((grant, one) for grant in self.grants for one in grant.settlings)


class Timeline(Struct):
    """What happened in a trial."""

    stories: dict[str, TaskStory]
    empty_answers: list[tuple[float, float]]
    """Of `reserve`, in order: those that prove something."""
    lost_answers: list[tuple[float, float]]
    """Of `reserve`: while they may have left leases that nobody knows of."""
    grants_by_answer: list[list[Grant]]
    unknown_receipts: list[str]
    """Settled or extended, but never seen to be issued."""
    faults: list[FaultFired]
    starts: int

    def fired(self, fault: str) -> int:
        """How often a fault happened."""
        return sum(one.fault == fault for one in self.faults)


def build_timeline(histories: Mapping[str, Sequence[Fact]]) -> Timeline:
    """Put the facts of all processes together."""
    builder = _Builder()
    for process, facts in histories.items():
        builder.read(process, facts)
    return builder.build()


class _Builder:
    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._timeline = Timeline({}, [], [], [], [], [], 0)
        self._grants: dict[str, list[Grant]] = defaultdict(list)
        self._looks: dict[tuple[str, int, str], list[float]] = defaultdict(list)

    def read(self, process: str, facts: Sequence[Fact]) -> None:
        calls: dict[int, Call] = {}
        for fact in facts:
            match fact:
                case CallBegan():
                    calls[fact.call] = Call(process, fact.method, fact.at, fact.items)
                case CallEnded():
                    call = calls[fact.call]
                    call.answered = fact.at
                    call.outcomes = fact.outcomes
                case LeaseLookedAt():
                    self._looks[fact.task, fact.attempt, fact.worker].append(fact.at)
                case BodyStarted():
                    self._timeline.starts += 1
                    self._story(fact.task).starts.append(Start(fact.task, fact.at, fact.attempt, fact.worker))
                case BodyEnded():
                    self._story(fact.task).returns += fact.how == "returned"
                case FaultFired():
                    self._timeline.faults.append(fact)
        self._calls.extend(calls.values())

    def build(self) -> Timeline:
        self._calls.sort(key=lambda call: call.began)
        handlers = {"enqueue_many": self._enqueue, "reserve": self._reserve}
        for call in self._calls:
            if call.method in handlers:
                handlers[call.method](call)
        handlers = {"settle_many": self._settle, "extend_many": self._extend}
        for call in self._calls:
            if call.method in handlers:
                handlers[call.method](call)
        for story in self._timeline.stories.values():
            story.grants.sort(key=lambda grant: grant.answered)
            for start in story.starts:
                looks = self._looks[start.task, start.attempt, start.worker]
                start.looked_at = max((look for look in looks if look <= start.at), default=None)
        lost = self._timeline.lost_answers
        self._timeline.empty_answers = sorted(
            (began, answered)
            for began, answered in self._timeline.empty_answers
            if not any(since < answered and began < until for since, until in lost)
        )
        return self._timeline

    def _story(self, task: str) -> TaskStory:
        return self._timeline.stories.setdefault(task, TaskStory(task))

    def _enqueue(self, call: Call) -> None:
        outcomes = call.outcomes or [None] * len(call.items)
        for (task, delay), accepted in zip(call.items, outcomes, strict=True):
            self._story(task).enqueueings.append(Enqueueing(call.began, call.answered, accepted, delay))

    def _reserve(self, call: Call) -> None:
        if call.outcomes is None:
            self._timeline.lost_answers.append((call.began, call.began + call.items[0] + LOST_WITHIN))
            return
        if not call.outcomes:
            self._timeline.empty_answers.append((call.began, call.answered))
            return
        lease, worker, _ = call.items
        answer: list[Grant] = []
        for task, receipt, attempt, queue, priority in call.outcomes:
            grant = Grant(task, receipt, attempt, worker, queue, priority, call.began, call.answered, lease)
            self._story(task).grants.append(grant)
            self._grants[receipt].append(grant)
            answer.append(grant)
        self._timeline.grants_by_answer.append(answer)

    def _settle(self, call: Call) -> None:
        outcomes = call.outcomes or [None] * len(call.items)
        for (receipt, kind, delay, follow_ups), outcome in zip(call.items, outcomes, strict=True):
            settling = Settling(kind, call.began, call.answered, outcome, delay)
            for grant in self._found(receipt):
                grant.settlings.append(settling)
            if settling.may_have_applied:
                accepted = True if settling.applied else None
                for task, task_delay in follow_ups:
                    self._story(task).enqueueings.append(Enqueueing(call.began, call.answered, accepted, task_delay))

    def _extend(self, call: Call) -> None:
        outcomes = call.outcomes or [None] * len(call.items)
        for (receipt, lease), applied in zip(call.items, outcomes, strict=True):
            for grant in self._found(receipt):
                grant.extendings.append(Extending(call.began, call.answered, applied, lease))

    def _found(self, receipt: str) -> list[Grant]:
        found = self._grants.get(receipt)
        if not found:
            self._timeline.unknown_receipts.append(receipt)
            return []
        return found
