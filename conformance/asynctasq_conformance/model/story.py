"""What a program did, told in the driver's own terms, so that a failure can be read and played by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from asynctasq.driver_api import (
    Complete,
    Delivery,
    EnqueueOutcome,
    ExtendOutcome,
    NewTask,
    Release,
    Retry,
    Settlement,
    SettleOutcome,
)

_SHOWN = ("priority", "delay", "dedupe_key", "expires_after", "keep_for", "remember_for", "payload")
_USUAL = NewTask(id="usual", queue="usual", name="usual", payload=b"")


class Story:
    """Every call, and what came of it. Receipts are named by the order of their issue."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._receipts: dict[str, str] = {}

    def __str__(self) -> str:
        lines = [f"  {number}. {line}" for number, line in enumerate(self._lines, 1)]
        return "\n".join(["What was called, and what came of it:", *lines])

    def tell(self, line: str) -> None:
        """Whatever needs no more words."""
        self._lines.append(line)

    def enqueued(self, tasks: Sequence[NewTask], outcomes: Sequence[EnqueueOutcome]) -> None:
        """An `enqueue_many`."""
        came = ["accepted" if one.accepted else f"DUPLICATE({one.existing_id})" for one in outcomes]
        self.tell(f"enqueue_many({_listed(map(_of_task, tasks))}) -> {_listed(came)}")

    def reserved(self, queues: Sequence[str], limit: int, lease: float, deliveries: Sequence[Delivery]) -> None:
        """A `reserve`, whose receipts are given names."""
        for delivery in deliveries:
            self._receipts.setdefault(delivery.receipt, f"receipt {len(self._receipts) + 1} of {delivery.id}")
        came = [f"{self._receipts[one.receipt]}, attempt {one.attempt}" for one in deliveries]
        self.tell(f"reserve({[*queues]}, limit={limit}, lease={lease:g}) -> {_listed(came)}")

    def settled(self, settlements: Sequence[Settlement], outcomes: Sequence[SettleOutcome]) -> None:
        """A `settle_many`."""
        asked = [self._of_settlement(one) for one in settlements]
        self.tell(f"settle_many({_listed(asked)}) -> {_listed(one.name for one in outcomes)}")

    def extended(self, receipts: Sequence[str], lease: float, outcomes: Sequence[ExtendOutcome]) -> None:
        """An `extend_many`."""
        came = [f"applied, {one.lease:g} s" if one.applied else "STALE" for one in outcomes]
        asked = _listed(self._receipts[receipt] for receipt in receipts)
        self.tell(f"extend_many({asked}, lease={lease:g}) -> {_listed(came)}")

    def _of_settlement(self, settlement: Settlement) -> str:
        said = [self._receipts[settlement.receipt]]
        if isinstance(settlement, Retry | Release) and settlement.delay:
            said.append(f"delay={settlement.delay:g}")
        if isinstance(settlement, Complete) and settlement.follow_ups:
            said.append(f"follow_ups={_listed(map(_of_task, settlement.follow_ups))}")
        return f"{type(settlement).__name__}({', '.join(said)})"


def _of_task(task: NewTask) -> str:
    unusual = [name for name in _SHOWN if getattr(task, name) != getattr(_USUAL, name)]
    return " ".join([f"{task.id} in {task.queue}", *(f"{name}={getattr(task, name)!r}" for name in unusual)])


def _listed(texts: Iterable[str]) -> str:
    return f"[{'; '.join(texts)}]"
