"""Time as the store counts it: whole microseconds since 1970, so that "due exactly now" is an exact comparison."""

import math
from datetime import UTC, datetime, timedelta

TICK = 1e-6
"""Seconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_TICK = timedelta(microseconds=1)
# A hair below a million: 0.1 s is slightly more than a tenth as a float, and must not be rounded up to 100,001 ticks.
_TICKS_PER_SECOND = 999_999.9999999995


def ticks_of_clock(seconds: float) -> int:
    """A clock's reading, in ticks."""
    return round(seconds * 1e6)


def ticks_of_duration(seconds: float) -> int:
    """A duration, rounded up to whole ticks."""
    return math.ceil(seconds * _TICKS_PER_SECOND)


def ticks_of_datetime(moment: datetime) -> int:
    """An aware datetime, in ticks."""
    return (moment - _EPOCH) // _ONE_TICK


def datetime_of(ticks: int) -> datetime:
    """Ticks as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=ticks)


def seconds_of(ticks: int) -> float:
    """A number of ticks, in seconds."""
    return ticks / 1e6
