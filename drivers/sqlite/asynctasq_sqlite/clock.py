"""Times as this store keeps them: whole milliseconds since 1970, read from SQLite's own clock."""

import math
from datetime import UTC, datetime, timedelta
from functools import lru_cache

RESOLUTION = 0.001
"""Seconds. SQLite's clock has no finer one before 3.42."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@lru_cache(maxsize=1024)
def milliseconds(seconds: float) -> int:
    """A duration, rounded up. What is within a ten-thousandth of a millisecond of a whole one is that one."""
    exact = seconds * 1000
    nearest = round(exact)
    return nearest if abs(exact - nearest) < 1e-4 else math.ceil(exact)


def milliseconds_at(moment: datetime) -> int:
    """A moment, rounded up."""
    return -((_EPOCH - moment) // _MILLISECOND)


def moment_at(milliseconds: int) -> datetime:
    """The aware UTC datetime."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def seconds(milliseconds: int) -> float:
    """A duration."""
    return milliseconds / 1000
