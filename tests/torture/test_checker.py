"""The checker, fed with one violation of each kind. A history without any passes; what is only possible passes too."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from asynctasq.driver_api import TaskRecord, TaskState
from tests.torture.checker import Evidence, check
from tests.torture.history import BodyEnded, BodyStarted, CallBegan, CallEnded, Fact, LeaseLookedAt
from tests.torture.timeline import build_timeline

LEASE = 2.0
LIMIT = 3


class Story:
    """A history in the making: each method adds what one process wrote down. Calls take 10 ms."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.records: dict[str, TaskRecord] = {}
        self._calls = 0

    def call(
        self, method: str, at: float, items: list[Any], outcomes: list[Any] | None, *, answered: bool = True
    ) -> None:
        """A call of a driver's method; not answered: its process was killed."""
        self._calls += 1
        self.facts.append(CallBegan(self._calls, method, at, items))
        if answered:
            self.facts.append(CallEnded(self._calls, at + 0.01, outcomes))

    def enqueue(self, task: str = "t", *, at: float = 0.0, delay: float = 0.0, accepted: bool = True) -> None:
        self.call("enqueue_many", at, [[task, delay]], [accepted])

    def deliver(self, at: float, receipt: str = "r1", *, attempt: int = 1, worker: str = "w1", task: str = "t") -> None:
        self.call("reserve", at, [LEASE, worker, 10], [[task, receipt, attempt, "default", 4]])

    def deliver_none(self, at: float) -> None:
        self.call("reserve", at, [LEASE, "w2", 10], [])

    def start(
        self, at: float, *, attempt: int = 1, worker: str = "w1", task: str = "t", looked: float | None = None
    ) -> None:
        if looked is not None:
            self.facts.append(LeaseLookedAt(looked, task, attempt, worker))
        self.facts.append(BodyStarted(at, task, attempt, worker))
        self.facts.append(BodyEnded(at + 0.01, task, attempt, worker, "returned"))

    def extend(self, at: float, receipt: str = "r1", *, applied: bool = True, answered: bool = True) -> None:
        self.call("extend_many", at, [[receipt, LEASE]], [applied], answered=answered)

    def settle(
        self,
        at: float,
        receipt: str = "r1",
        kind: str = "Complete",
        *,
        outcome: str = "applied",
        delay: float = 0.0,
        answered: bool = True,
    ) -> None:
        self.call("settle_many", at, [[receipt, kind, delay, []]], [outcome], answered=answered)

    def store(self, state: TaskState = TaskState.COMPLETED, *, task: str = "t", reason: str | None = None) -> None:
        now = datetime.now(UTC)
        self.records[task] = TaskRecord(
            id=task, queue="default", name="app:task", payload=b"", correlation_id=None, priority=4, dedupe_key=None,
            expires_after=None, keep_for=0, remember_for=60, state=state, attempts=1, cancel_requested=False,
            worker="w1", lease=None, reason=reason, result=None, failures=(), enqueued_at=now, available_at=now,
            started_at=now, finished_at=now,
        )  # fmt: skip

    def rules(self) -> list[str]:
        """The rules that the checker finds broken."""
        evidence = Evidence(build_timeline({"p": self.facts}), self.records, lambda _name: LIMIT)
        return sorted({violation.rule for violation in check(evidence)})


def quiet() -> Story:
    """A task that is enqueued, delivered, run and completed."""
    story = Story()
    story.enqueue()
    story.deliver(1.0)
    story.start(1.1)
    story.settle(1.5)
    story.store()
    return story


def recovered() -> Story:
    """A worker that was killed; another one ran the task."""
    story = Story()
    story.enqueue()
    story.deliver(1.0)
    story.start(1.1)
    story.extend(2.0)
    story.deliver(4.05, "r2", attempt=2, worker="w2")
    story.start(4.1, attempt=2, worker="w2")
    story.settle(4.2, "r2")
    story.store()
    return story


def zombie() -> Story:
    """A worker that was frozen, and whose settlement and extension came too late."""
    story = recovered()
    story.extend(5.0, applied=False)
    story.settle(5.1, outcome="stale")
    return story


def ambiguous() -> Story:
    """Calls that were never answered may have had their effect or not."""
    story = Story()
    story.enqueue()
    story.deliver(1.0)
    story.start(1.1)
    story.extend(1.5, answered=False)
    story.settle(1.8, kind="Retry", answered=False)
    story.deliver(1.9, "r2", attempt=2, worker="w2")
    story.start(2.0, attempt=2, worker="w2")
    story.settle(2.1, "r2", answered=False)
    story.settle(2.2, "r2", outcome="stale")
    story.store()
    return story


def given_back() -> Story:
    """Attempts that were released do not count."""
    story = Story()
    story.enqueue(delay=0.5)
    for number in range(LIMIT + 1):
        story.deliver(1.0 + number, f"r{number}")
        story.start(1.1 + number)
        story.settle(1.2 + number, f"r{number}", "Complete" if number == LIMIT else "Release", delay=0.1)
    story.store()
    return story


def stalled() -> Story:
    """A worker that had looked at its lease in time, and was frozen before the body's first line."""
    story = recovered()
    story.facts = [fact for fact in story.facts if not (isinstance(fact, BodyStarted) and fact.worker == "w1")]
    story.start(5.0, looked=2.9)
    return story


@pytest.mark.parametrize("make", [quiet, recovered, zombie, ambiguous, given_back, stalled])
def test_what_may_happen_passes(make: Callable[[], Story]) -> None:
    """Nothing is complained about that the contract allows."""
    assert make().rules() == []


def lost(story: Story) -> None:
    del story.records["t"]


def stuck(story: Story) -> None:
    story.store(TaskState.READY)


def phantom(story: Story) -> None:
    story.store(task="other")


def unknown_receipt(story: Story) -> None:
    story.settle(1.6, "forged", outcome="stale")


def accepted_twice(story: Story) -> None:
    story.enqueue(at=0.5)


def completed_and_dead(story: Story) -> None:
    story.store(TaskState.DEAD, reason="failed")


def settled_twice(story: Story) -> None:
    story.settle(1.6, kind="Bury")


def never_ran(story: Story) -> None:
    story.facts = [fact for fact in story.facts if not isinstance(fact, BodyStarted)]


def never_returned(story: Story) -> None:
    for fact in story.facts:
        if isinstance(fact, BodyEnded):
            fact.how = "raised"


def nobody_completed(story: Story) -> None:
    story.facts = story.facts[:-2]


def too_many_starts(story: Story) -> None:
    story.facts = story.facts[:-2]
    for number in range(2, LIMIT + 2):
        story.deliver(10.0 * number, f"r{number}", attempt=number)
        story.start(10.0 * number + 0.1, attempt=number)
    story.settle(10.0 * number + 0.2, f"r{number}")


def receipt_reused(story: Story) -> None:
    story.facts = story.facts[:-2]
    story.deliver(4.0, attempt=2)
    story.start(4.1, attempt=2)
    story.settle(4.2)


def two_leases(story: Story) -> None:
    story.facts = story.facts[:-2]
    story.deliver(1.5, "r2", attempt=2, worker="w2")
    story.start(1.6, attempt=2, worker="w2")
    story.settle(2.0, "r2")


def stale_settlement_accepted(story: Story) -> None:
    story.facts = story.facts[:-2]
    story.settle(3.5)


def settled_after_redelivery(story: Story) -> None:
    story.facts = story.facts[:-2]
    story.extend(1.5, answered=False)
    story.deliver(4.0, "r2", attempt=2, worker="w2")
    story.settle(4.1)


def live_settlement_refused(story: Story) -> None:
    story.facts = story.facts[:-2]
    story.settle(1.5, outcome="stale")
    story.deliver(4.0, "r2", attempt=2)
    story.settle(4.1, "r2")


def stale_extension_accepted(story: Story) -> None:
    story.facts = story.facts[:-2]
    story.extend(3.5)
    story.settle(3.6)


def live_extension_refused(story: Story) -> None:
    story.facts = story.facts[:-2]
    story.extend(1.3, applied=False)
    story.settle(1.5)


def ran_without_delivery(story: Story) -> None:
    story.start(1.2, worker="w2")


def ran_twice_on_one_delivery(story: Story) -> None:
    story.start(1.2)


def ran_after_its_lease(story: Story) -> None:
    story.facts = [fact for fact in story.facts if not isinstance(fact, BodyStarted)][:-2]
    story.start(3.2)
    story.deliver(3.4, "r2", attempt=2)
    story.settle(3.5, "r2")


def looked_after_its_lease(story: Story) -> None:
    story.facts = [fact for fact in story.facts if not isinstance(fact, BodyStarted)][:-2]
    story.start(3.2, looked=3.15)
    story.deliver(3.4, "r2", attempt=2)
    story.settle(3.5, "r2")


def behind_a_later_one(story: Story) -> None:
    for task, at in (("a", 5.0), ("b", 5.1)):
        story.enqueue(task, at=at)
        story.store(task=task)
    story.call("reserve", 6.0, [LEASE, "w1", 10], [["b", "rb", 1, "default", 4], ["a", "ra", 1, "default", 4]])
    for task in ("a", "b"):
        story.start(6.1, task=task)
        story.settle(6.2, f"r{task}")


def behind_a_lower_priority(story: Story) -> None:
    for task in ("a", "b"):
        story.enqueue(task, at=5.0)
        story.store(task=task)
    story.call("reserve", 6.0, [LEASE, "w1", 10], [["a", "ra", 1, "default", 1], ["b", "rb", 1, "default", 2]])
    for task in ("a", "b"):
        story.start(6.1, task=task)
        story.settle(6.2, f"r{task}")


def passed_over(story: Story) -> None:
    story.enqueue("late", at=10.0)
    for number in range(6):
        story.deliver_none(10.5 + number)
    story.deliver(17.0, "r9", task="late")
    story.start(17.1, task="late")
    story.settle(17.2, "r9")
    story.store(task="late")


def resurrected(story: Story) -> None:
    story.deliver(5.0, "r2", attempt=2)


def started_after_completion(story: Story) -> None:
    story.start(1.7)


def looked_after_completion(story: Story) -> None:
    story.start(1.7, looked=1.6)


def early(story: Story) -> None:
    story.facts.clear()
    story.enqueue(delay=2.0)
    story.deliver(1.0)
    story.start(1.1)
    story.settle(1.5)


def early_retry(story: Story) -> None:
    story.facts = story.facts[:-2]
    story.settle(1.5, kind="Retry", delay=5.0)
    story.deliver(3.0, "r2", attempt=2)
    story.start(3.1, attempt=2)
    story.settle(3.2, "r2")


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("C1", lost),
        ("C1", stuck),
        ("C2", phantom),
        ("C2", unknown_receipt),
        ("C2", accepted_twice),
        ("C3", completed_and_dead),
        ("C3", settled_twice),
        ("C3", never_ran),
        ("C3", never_returned),
        ("C3", nobody_completed),
        ("C4", too_many_starts),
        ("C4", receipt_reused),
        ("C5", two_leases),
        ("C6", stale_settlement_accepted),
        ("C6", settled_after_redelivery),
        ("C6", live_settlement_refused),
        ("C6", stale_extension_accepted),
        ("C6", live_extension_refused),
        ("C7", ran_without_delivery),
        ("C7", ran_twice_on_one_delivery),
        ("C7", ran_after_its_lease),
        ("C7", looked_after_its_lease),
        ("C8", behind_a_later_one),
        ("C8", behind_a_lower_priority),
        ("C9", passed_over),
        ("C10", resurrected),
        ("C10", started_after_completion),
        ("C10", looked_after_completion),
        ("C11", early),
        ("C11", early_retry),
    ],
)
def test_every_violation_is_caught(rule: str, spoil: Callable[[Story], None]) -> None:
    """A history that breaks a rule is found out, by that rule."""
    story = quiet()
    spoil(story)
    assert rule in story.rules()


@pytest.mark.parametrize(("took", "excused"), [(LEASE / 4.0, False), (LEASE / 2.0, True)])
def test_a_body_that_runs_again_is_excused_by_a_slow_heartbeat_alone(took: float, excused: bool) -> None:
    """A second run counts against a worker unless a call that was to keep the lease took over a third of it."""
    story = recovered()
    story.facts.append(CallBegan(99, "extend_many", 3.0, [["r1", LEASE]]))
    story.facts.append(CallEnded(99, 3.0 + took, [True]))
    told = build_timeline({"p": story.facts}).stories["t"]
    assert (told.ran_again, told.was_extended_slowly) == (True, excused)


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Any) -> None:
    """A process that was killed while it wrote leaves a history that can be read."""
    from tests.torture.history import History, read_histories

    history = History(tmp_path)
    history.write(BodyStarted(1.0, "t", 1, "w"))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() * 2 + b'{"type":"sta')
    assert [len(facts) for facts in read_histories(tmp_path).values()] == [2]
