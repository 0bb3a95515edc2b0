"""What an example test is: a plain coroutine function that says which sentences of the contract it protects."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from asynctasq_conformance.subject import Subject

Body = Callable[[Subject], Awaitable[None]]

CORE_GROUPS = (
    "lifecycle",
    "enqueue",
    "reserve",
    "ordering",
    "settle",
    "lease",
    "schedule",
    "expiry",
    "dead_letter",
    "results",
    "retention",
    "maintenance",
    "purge",
    "cancel",
    "records",
    "stats",
    "payloads",
    "errors",
    "concurrency",
)
FEATURE_GROUPS = ("wake_ups", "transactions", "pausing", "worker_reports")
GROUPS = (*CORE_GROUPS, *FEATURE_GROUPS, "guarantees", "faults")

GATES = {feature: (feature,) for feature in FEATURE_GROUPS} | {
    "transactions": ("transactions", "begin_transaction"),
    "faults": ("address",),
}
"""What the driver or its harness must have, so that a group applies."""

_MARK = "__conformance_example__"


class NotApplicable(Exception):
    """The driver or its harness lacks what the example is about; its text names that."""


@dataclass(frozen=True)
class Example:
    """One example test."""

    name: str
    group: str
    sentences: tuple[str, ...]
    requires: tuple[str, ...]
    body: Body
    round_trips: int = 0
    """Calls that it makes one after the other, if they are many."""

    @property
    def summary(self) -> str:
        """What it protects, in one line."""
        return (inspect.getdoc(self.body) or "").splitlines()[0]


def example(*sentences: str, requires: Sequence[str] = (), round_trips: int = 0) -> Callable[[Body], Body]:
    """Mark a coroutine function as an example test.

    `sentences` are numbers of the contract's sentences. `requires` names features, guarantees or parts of the harness
    without which the example does not apply. `round_trips` are the calls of an example that makes many of them, one
    after the other: it may take longer on a server that is far away.
    """

    def mark(body: Body) -> Body:
        setattr(body, _MARK, (sentences, tuple(requires), round_trips))
        return body

    return mark


def examples_of(group: str) -> list[Example]:
    """The examples of one group, in the order of its file."""
    module = import_module(f"asynctasq_conformance.groups.{group}")
    found: list[Example] = []
    for name, body in vars(module).items():
        if name.startswith("test_") and hasattr(body, _MARK):
            sentences, requires, round_trips = getattr(body, _MARK)
            gate = GATES.get(group, ())
            found.append(Example(name, group, sentences, (*gate, *requires), body, round_trips))
    return found


def all_examples() -> list[Example]:
    """Every example test of the suite."""
    return [example for group in GROUPS for example in examples_of(group)]
