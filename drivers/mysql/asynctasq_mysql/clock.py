"""Times as they are stored: whole microseconds, since 1970 if they are moments. The clock itself is the server's."""

import math
from datetime import UTC, datetime, timedelta

RESOLUTION = 1e-6
"""Seconds: what the driver's times resolve."""

NEVER = 9223372036854775807
"""The moment that does not come."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(seconds: float) -> int:
    """A duration, rounded up."""
    return math.ceil(round(seconds * 1e6, 3))  # of 0.1 seconds, a float makes 100000.00000000001 microseconds


def seconds(duration: int) -> float:
    """A duration, as the contract has it."""
    return duration / 1e6


def moment_at(stored: int) -> datetime:
    """A moment, as the contract has it."""
    return _EPOCH + timedelta(microseconds=stored)


def stored_moment(moment: datetime) -> int:
    """A moment, as it is stored."""
    return (moment - _EPOCH) // _MICROSECOND
