"""A clock that stands still until a test moves it."""

import math


class ManualClock:
    """Seconds since 1970 as a function, for whatever takes a `clock`.

    It counts whole microseconds, so that advancing ten times by 0.1 s is exactly one second. It may be read and moved
    from several threads.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._microseconds = round(start * 1e6)

    def __call__(self) -> float:
        return self._microseconds / 1e6

    def advance(self, seconds: float) -> None:
        """Move on, by a duration that is rounded up to whole microseconds.

        Raises:
            ValueError: `seconds` is negative or not finite.
        """
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"advance({seconds!r}); wanted a finite number of seconds, 0 or more")
        # A hair below a million, so that 0.1 (a little more than a tenth, as a float) is not rounded up.
        self._microseconds += math.ceil(seconds * 999_999.9999999995)
