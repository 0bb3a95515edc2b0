"""What programs are made of. The alphabets are small, so that tasks meet: in a queue, under a key, by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.vendor.pretty import RepresentationPrinter

from asynctasq.driver_api import NewTask
from asynctasq_conformance.model.observer import QUEUES
from asynctasq_conformance.model.player import KINDS

UNIT = 60.0
"""Seconds. Durations of a program are multiples of it, so that the time it takes to run decides nothing."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Wanted:
    """What a program asks of a new task. Durations are in units."""

    queue: str = "a"
    payload: bytes = b""
    priority: int = 4
    delay: int = 0
    dedupe_key: str | None = None
    expires_after: int | None = None
    keep_for: int = 0
    remember_for: int = 1

    def task(self, id: str) -> NewTask:
        """The task that it asks for."""
        return NewTask(
            id=id,
            queue=self.queue,
            name="model.task",
            payload=self.payload,
            priority=self.priority,
            delay=self.delay * UNIT,
            dedupe_key=self.dedupe_key,
            expires_after=None if self.expires_after is None else self.expires_after * UNIT,
            keep_for=self.keep_for * UNIT,
            remember_for=self.remember_for * UNIT,
        )

    def __repr__(self) -> str:
        unlike = [one.name for one in fields(self) if getattr(self, one.name) != one.default]
        return f"Wanted({', '.join(f'{name}={getattr(self, name)!r}' for name in unlike)})"

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        """Printed programs show what is not as usual."""
        printer.text(repr(self))


wanted_tasks = st.builds(
    Wanted,
    queue=st.sampled_from(QUEUES),
    payload=st.sampled_from([b"", b"\x00", b"same", b"same", b"\xff\x00tail"]),
    priority=st.sampled_from([4, 4, 0, 9]),
    delay=st.sampled_from([0, 0, 0, 1, 2, 5]),
    dedupe_key=st.sampled_from([None, None, "k1", "k2"]),
    expires_after=st.sampled_from([None, None, None, 1, 3]),
    keep_for=st.sampled_from([0, 0, 2, 100]),
    remember_for=st.sampled_from([1, 100, 0]),
)
units = st.sampled_from([0, 0, 1, 2, 5])
positive_units = st.sampled_from([1, 2, 4])
nth = st.integers(0, 7)
queue_orders = st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a")])
kinds = st.sampled_from(KINDS)
some_kinds = st.lists(kinds, min_size=1, max_size=5, unique=True)


def pick(values: Sequence[Value], index: int) -> Value:
    """The value at `index`, counted round and round."""
    return values[index % len(values)]
