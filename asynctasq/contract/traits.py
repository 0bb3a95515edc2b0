"""What one connected driver guarantees and where its limits are."""

from enum import Enum

from msgspec import Struct


class Guarantee(Enum):
    """What a backend may promise beyond the core of the contract.

    At-least-once delivery, fencing and atomic batches are not in this list, because they are not optional.
    """

    STRICT_ORDER = "strict_order"
    """`reserve` delivers exactly in the contract's order."""
    DURABLE = "durable"
    """What was acknowledged survives a restart of the backend."""
    EXACT_STATS = "exact_stats"
    """The gauges of one queue are exact at one instant."""
    SHARED_BETWEEN_PROCESSES = "shared_between_processes"
    """Drivers in several processes see the same tasks."""


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds that are checked before anything reaches the backend."""

    max_payload_bytes: int
    """Of a payload, and of a result."""
    max_batch: int
    """Items per call. Settlements count with their follow-ups; `limit` counts too."""
    max_delay: float
    """Seconds; the longest duration of any kind."""
    time_resolution: float
    """Seconds; durations are rounded up to a multiple of it."""


class DriverTraits(Struct, frozen=True, kw_only=True):
    """Read after connecting, and checked against what the plugin's spec advertises: less is allowed, more is not."""

    guarantees: frozenset[Guarantee]
    limits: Limits
    event_loops: frozenset[str]
    """Of `asyncio` and `trio`."""
