"""When a failed task comes back."""

import pytest

from asynctasq.runtime.frame import Headers
from asynctasq.runtime.retry_policy import Backoff, may_retry, retry_delay


def highest(_low: float, high: float) -> float:
    return high


def lowest(low: float, _high: float) -> float:
    return low


@pytest.mark.parametrize(("attempt", "most"), [(1, 60.0), (2, 120.0), (3, 240.0), (6, 1920.0)])
def test_exponential_doubles_the_ceiling_with_each_attempt(attempt: int, most: float) -> None:
    """The exponential strategy waits up to retry_delay x 2^(attempt - 1)."""
    assert retry_delay(Headers(retry_delay=60.0), attempt, uniform=highest) == most


@pytest.mark.parametrize("attempt", [7, 100, 10_000])
def test_exponential_is_capped(attempt: int) -> None:
    """However many attempts there were, the ceiling is retry_max_delay, and nothing overflows."""
    assert retry_delay(Headers(retry_delay=60.0, retry_max_delay=3600.0), attempt, uniform=highest) == 3600.0


def test_exponential_has_full_jitter() -> None:
    """Tasks that failed together come back anywhere between at once and the ceiling."""
    assert retry_delay(Headers(retry_delay=60.0), 3, uniform=lowest) == 0.0
    assert len({retry_delay(Headers(retry_delay=60.0), 3) for _ in range(100)}) > 90


@pytest.mark.parametrize("attempt", [1, 2, 50])
def test_fixed_waits_the_same_each_time(attempt: int) -> None:
    """The fixed strategy waits exactly retry_delay, above the cap of the other one too."""
    assert retry_delay(Headers(retry_strategy="fixed", retry_delay=7200.0), attempt) == 7200.0


def test_no_delay_means_no_delay() -> None:
    """A retry delay of 0 means 0 with either strategy."""
    assert retry_delay(Headers(retry_delay=0.0), 5) == 0.0
    assert retry_delay(Headers(retry_strategy="fixed", retry_delay=0.0), 5) == 0.0


def test_the_body_starts_at_most_max_attempts_times() -> None:
    """max_attempts counts the first run: 1 means no retry."""
    assert not may_retry(Headers(max_attempts=1), 1)
    assert may_retry(Headers(max_attempts=3), 2)
    assert not may_retry(Headers(max_attempts=3), 3)
    assert not may_retry(Headers(max_attempts=3), 4)


def test_backoff_doubles_up_to_its_cap_and_starts_again() -> None:
    """Sending again is never a hot loop, never waits longer than the cap, and is quick again after a success."""
    backoff = Backoff(first=0.1, most=1.0, uniform=highest)
    assert [round(backoff.next_delay(), 3) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert backoff.failures == 6
    backoff.reset()
    assert (backoff.next_delay(), backoff.failures) == (0.1, 1)
    assert Backoff(first=0.1, uniform=lowest).next_delay() == 0.05
