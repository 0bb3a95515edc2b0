"""How many deliveries to hold beyond what runs: enough to hide the round trip while tasks are short, none when not."""

import math

HORIZON = 0.1
"""Seconds. The buffer holds at most what the recent rate would run within this time, so that no task waits here while
another worker idles."""
MOST = 500
_SHORTEST_SAMPLE = 0.05
"""Seconds. Over less than this a rate says little: tasks that began together end together."""
_RISE = 0.1
"""Seconds that a rate has to last until most of it is believed."""


class Prefetch:
    """Follows the rate at which tasks end: slowly when it rises, at once when it falls."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._rate = 0.0
        self._sampled_at: float | None = None
        self._finished = 0

    def size(self, now: float, finished: int) -> int:
        """The size of the buffer. `finished` counts the tasks that have ended so far."""
        if self._sampled_at is None:
            self._sampled_at, self._finished = now, finished
            return 0
        elapsed = now - self._sampled_at
        if elapsed >= _SHORTEST_SAMPLE:
            rate = (finished - self._finished) / elapsed
            weight = 1.0 if rate < self._rate else 1.0 - math.exp(-elapsed / _RISE)
            self._rate += weight * (rate - self._rate)
            self._sampled_at, self._finished = now, finished
        return min(int(self._rate * HORIZON), self._most)

    def shrink(self, now: float, finished: int) -> None:
        """Tasks have turned long: hold nothing until the rate rises again."""
        self._rate = 0.0
        self._sampled_at, self._finished = now, finished
