"""How much is held in reserve, and in which order queues are asked."""

from collections import Counter

import pytest

from asynctasq.errors import ConfigurationError
from asynctasq.runtime.prefetch import HORIZON, MOST, Prefetch
from asynctasq.runtime.queue_order import QueueOrder, parse_queues


def after(rate: float, *, steps: int = 60, step: float = 0.05) -> int:
    prefetch = Prefetch()
    prefetch.size(0.0, 0)
    size = 0
    for n in range(1, steps + 1):
        size = prefetch.size(n * step, int(rate * n * step))
    return size


def test_nothing_is_held_before_anything_ran() -> None:
    """A worker that has just begun takes no more than it can run."""
    assert Prefetch().size(123.0, 0) == 0


@pytest.mark.parametrize("rate", [20.0, 500.0, 3000.0])
def test_the_buffer_is_what_the_rate_runs_within_the_horizon(rate: float) -> None:
    """At most what the recent rate would run within 100 ms is held in reserve."""
    assert after(rate) == pytest.approx(rate * HORIZON, abs=2)


def test_the_buffer_is_bounded() -> None:
    """However short tasks are, 500 are enough."""
    assert after(1_000_000.0) == MOST


def test_long_tasks_are_not_held() -> None:
    """With tasks of seconds, nothing waits here while another worker idles."""
    assert after(4.0) == 0


def test_the_buffer_shrinks_at_once() -> None:
    """One slow sample is enough to shrink the buffer, while growing takes several."""
    prefetch = Prefetch()
    prefetch.size(0.0, 0)
    for n in range(1, 20):
        prefetch.size(n * 0.1, n * 1000)
    assert prefetch.size(2.0, 20_000) > 400
    assert prefetch.size(2.1, 20_003) <= 3
    assert prefetch.size(2.2, 20_006) <= 3


def test_tasks_that_end_together_are_not_taken_for_short_ones() -> None:
    """A hundred tasks of a second each, ending within a few milliseconds, do not fill the buffer."""
    prefetch = Prefetch()
    prefetch.size(0.0, 0)
    for second in range(1, 20):
        for n in range(100):
            assert prefetch.size(second + n * 0.0001, (second - 1) * 100 + n) <= 10


def test_shrink_forgets_the_rate() -> None:
    """Once tasks were seen to be long, nothing is held until the rate has risen again."""
    prefetch = Prefetch()
    prefetch.size(0.0, 0)
    assert prefetch.size(0.1, 1000) > 0
    prefetch.shrink(0.2, 1000)
    assert prefetch.size(0.2001, 1001) == 0


def test_queues_and_weights_are_read() -> None:
    """`critical:6,default:3,low` names queues, with weights where they are written."""
    assert parse_queues("critical:6, default:3,low") == {"critical": 6, "default": 3, "low": None}


@pytest.mark.parametrize("text", ["", "a,,b", "a:0", "a:-1", "a:x", "a:", "a,a", ":3", "a:1.5"])
def test_wrong_queues_are_refused(text: str) -> None:
    """What can't be read as queues is one clear error."""
    with pytest.raises(ConfigurationError, match="wanted"):
        parse_queues(text)


def test_order_is_strict_by_default() -> None:
    """Without weights the order is always as listed."""
    order = QueueOrder(["b", "a", "c"])
    assert all(order.next() == ["b", "a", "c"] for _ in range(10))


def test_weights_give_shares_and_starve_nobody() -> None:
    """By weights 6:3:1 each queue is first in exactly that share of the calls, evenly spread, and none is left out."""
    order = QueueOrder(["critical", "default", "low"], {"critical": 6, "default": 3, "low": 1})
    calls = [order.next() for _ in range(100)]
    assert Counter(call[0] for call in calls) == {"critical": 60, "default": 30, "low": 10}
    assert all(sorted(call) == ["critical", "default", "low"] for call in calls)
    assert all(any(call[0] == "low" for call in calls[n : n + 10]) for n in range(0, 100, 10))
