"""Calls written once for every kind of connection: as generators that yield statements and receive rows.

The driver's own connections, and a caller's connection of whatever client library, synchronous or not, run the same
generator; only the fetching differs.
"""

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from asynctasq_postgres.client import Row

T = TypeVar("T")


class Step(Struct, frozen=True, gc=False):
    """One statement to run."""

    statement: str
    arguments: tuple[Any, ...]
    alone: bool = True
    """No other step follows."""


Steps = Generator[Step, Sequence[Row], T]


async def run_steps(steps: Steps[T], fetch: Callable[[Step], Awaitable[Sequence[Row]]]) -> T:
    """Run all steps on a connection that awaits."""
    try:
        step = next(steps)
        while True:
            step = steps.send(await fetch(step))
    except StopIteration as end:
        return end.value


def run_steps_synchronously(steps: Steps[T], fetch: Callable[[Step], Sequence[Row]]) -> T:
    """Run all steps on a synchronous connection."""
    try:
        step = next(steps)
        while True:
            step = steps.send(fetch(step))
    except StopIteration as end:
        return end.value
