"""Cancelling a call at its k-th await, whatever the event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import anyio

Result = TypeVar("Result")


@dataclass
class Attempted(Generic[Result]):
    """How a call went that was to be cancelled at some await."""

    awaits: int
    """How many awaits it came to."""
    was_cancelled: bool
    result: Result | None


class _Counting(Generic[Result]):
    """Drives an awaitable by hand, and cancels the scope as it suspends for the k-th time."""

    def __init__(self, inner: Awaitable[Result], at: int, scope: anyio.CancelScope) -> None:
        self._inner = inner
        self._at = at
        self._scope = scope
        self.awaits = 0

    def __await__(self) -> Generator[Any, Any, Result]:
        steps = self._inner.__await__()
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                suspended = steps.send(value) if error is None else steps.throw(error)
            except StopIteration as stop:
                return stop.value
            self.awaits += 1
            if self.awaits == self._at:
                self._scope.cancel()
            value = error = None
            try:
                value = yield suspended
            except BaseException as thrown:
                error = thrown


async def cancelled_at(at: int, call: Callable[[], Awaitable[Result]]) -> Attempted[Result]:
    """Make a call and cancel it at its `at`-th await; if it has fewer, it just ends."""
    result: Result | None = None
    scope = anyio.CancelScope()
    counting = _Counting(call(), at, scope)
    with scope:
        result = await counting
    return Attempted(counting.awaits, scope.cancelled_caught, result)
