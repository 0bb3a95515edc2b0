"""What becomes of an attempt that failed. Pure: no clock, no I/O.

Task retries are durable: they wait in the store, not here. `Backoff` is the other kind of waiting, for a backend that
does not answer.
"""

import random
from collections.abc import Callable

from asynctasq.runtime.frame import Headers

_MAX_EXPONENT = 62
"""Doubling more often than this only overflows; every cap lies far below."""


def may_retry(headers: Headers, attempt: int) -> bool:
    """Whether the body may start once more after this attempt."""
    return attempt < headers.max_attempts


def retry_delay(headers: Headers, attempt: int, *, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds until the next attempt, after attempt number `attempt` failed.

    `fixed` waits `retry_delay`. `exponential` waits a random time up to `retry_delay` doubled with each attempt, and at
    most `retry_max_delay`: full jitter, so that tasks which failed together do not come back together.
    """
    if headers.retry_strategy == "fixed":
        return headers.retry_delay
    exponent = min(max(attempt - 1, 0), _MAX_EXPONENT)
    return uniform(0.0, min(headers.retry_delay * 2.0**exponent, headers.retry_max_delay))


class Backoff:
    """Waiting times for sending again to a backend that does not answer: doubled each time, jittered, capped."""

    def __init__(
        self,
        first: float = 0.05,
        most: float = 2.0,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first = first
        self._most = most
        self._uniform = uniform
        self._ceiling = first
        self.failures = 0
        """How often in a row it went wrong."""

    def next_delay(self) -> float:
        """Seconds to wait after one more failure: from half of the ceiling up to all of it."""
        ceiling = self._ceiling
        self._ceiling = min(ceiling * 2.0, self._most)
        self.failures += 1
        return self._uniform(ceiling / 2.0, ceiling)

    def reset(self) -> None:
        """It worked: the next failure waits briefly again."""
        self._ceiling = self._first
        self.failures = 0
