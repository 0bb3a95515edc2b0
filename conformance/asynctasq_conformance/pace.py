"""How long the short waits of an example are, and whether all else in it was quick enough for them.

Only a harness that can't move time makes an example really wait, and then the example has a premise: what it does
between its waits takes much less time than they do. On a busy machine that may be untrue, and then it proves nothing.
"""

from __future__ import annotations

import time

USUAL = 0.3
"""Seconds: a short wait, unless the driver's time resolution needs more."""

SHARE = 1 / 3
"""What all else in an example may take, as a share of its short wait: none of them counts on less."""


class Pace:
    """The short waits of one example, and the time that it spends beside them."""

    def __init__(self, factor: float = 1.0) -> None:
        self._factor = factor
        self._brief: float | None = None
        self._began = self._ended = time.monotonic()
        self._waited = 0.0

    def brief(self, resolution: float) -> float:
        """Seconds that an example lets pass. From now on it counts on being quick."""
        self._brief = max(USUAL, 3 * resolution) * self._factor
        return self._brief

    def waits(self, seconds: float) -> None:
        """The example lets `seconds` pass; whatever it really takes beyond them is time beside its waits."""
        self._waited += seconds

    def begin(self) -> None:
        """The example begins."""
        self._began = self._ended = time.monotonic()

    def end(self) -> None:
        """The example has ended."""
        self._ended = time.monotonic()

    @property
    def beside(self) -> float:
        """Seconds that the example spent beside its waits."""
        return self._ended - self._began - self._waited

    @property
    def was_too_slow(self) -> bool:
        """The example counts on being quick, and was not: a promise that it saw broken may have been kept."""
        return self._brief is not None and self.beside > self._brief * SHARE

    def __str__(self) -> str:
        return f"{self.beside:.2f} s went by beside its waits of {self._brief or 0.0:.2f} s"
