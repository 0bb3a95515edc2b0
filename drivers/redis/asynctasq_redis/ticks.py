"""Time as the scripts count it: ticks of 0.1 ms since 2023-11-14T22:13:20Z, in 48 of a score's 53 exact bits."""

import math
from datetime import UTC, datetime, timedelta

from asynctasq.driver_api import InvalidArgument

TIME_RESOLUTION = 1e-4
TICKS_PER_SECOND = 10_000
LAST_TICK = 2**48 - 1
MAX_DELAY = 3650 * 86_400.0

_EPOCH = datetime.fromtimestamp(1_700_000_000, UTC)
_TICK = timedelta(microseconds=100)
_FLOAT_NOISE = 1e-6  # of a tick: 1.1 s is 11,000 ticks, although 1.1 * 10,000 is a little more than that


def ticks_of(seconds: float) -> int:
    """A duration, rounded up."""
    return math.ceil(seconds * TICKS_PER_SECOND - _FLOAT_NOISE)


def seconds_of(ticks: int) -> float:
    """A duration."""
    return ticks / TICKS_PER_SECOND


def moment_ticks(moment: datetime) -> int:
    """A moment, rounded up; one before the first tick is the first.

    Raises:
        InvalidArgument: the moment is too far away for a score.
    """
    ticks = max(0, -((_EPOCH - moment) // _TICK))
    if ticks > LAST_TICK:
        raise InvalidArgument(f"available_at is {moment.isoformat()}; wanted a moment before {moment_of(LAST_TICK)}")
    return ticks


def moment_of(ticks: int) -> datetime:
    """A moment, aware UTC."""
    return _EPOCH + ticks * _TICK
