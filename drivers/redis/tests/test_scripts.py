"""The scripts: how they are put together, and what they may do."""

import re

import pytest
from asynctasq_redis.script_library import installed_scripts, read_pieces
from asynctasq_redis.ticks import LAST_TICK, moment_of, moment_ticks, ticks_of

READING = {"get", "list", "now", "reports", "stats"}
GROWING = {"enqueue", "enqueue_plain"}


@pytest.mark.parametrize("name", sorted(installed_scripts()))
def test_each_script_says_what_it_may_do(name: str) -> None:
    """Only enqueueing is refused when memory is full; what only reads can't write."""
    first_line = installed_scripts()[name].text.splitlines()[0]
    expected = "#!lua" if name in GROWING else "#!lua flags=no-writes" if name in READING else "#!lua flags=allow-oom"
    assert first_line == expected


@pytest.mark.parametrize("name", sorted(installed_scripts()))
def test_each_script_is_whole(name: str) -> None:
    """No include is left over, none comes twice, and the clock is read at most once."""
    text = installed_scripts()[name].text
    assert "--#include" not in text
    assert text.count("redis.call('TIME')") <= 1
    for piece in read_pieces().values():
        assert text.count(piece) <= 1


def test_every_piece_is_used() -> None:
    """No dead Lua."""
    texts = "".join(script.text for script in installed_scripts().values())
    assert [name for name, piece in read_pieces().items() if piece not in texts] == []


def test_no_script_calls_what_it_can_not_undo_per_key() -> None:
    """Nothing in the scripts walks the whole server."""
    texts = "".join(script.text for script in installed_scripts().values())
    assert not re.search(r"'(KEYS|SCAN|FLUSHDB|FLUSHALL|EVAL|SELECT)'", texts)


@pytest.mark.parametrize(
    ("seconds", "ticks"), [(0, 0), (1e-9, 1), (1e-4, 1), (1.00001e-4, 2), (0.1, 1000), (1.1, 11_000), (60, 600_000)]
)
def test_durations_are_rounded_up(seconds: float, ticks: int) -> None:
    """To whole ticks of 0.1 ms; noise of the float is no reason to round up."""
    assert ticks_of(seconds) == ticks


def test_moments_survive_the_round_trip() -> None:
    """Every tick has a moment, and every moment its tick."""
    for tick in (0, 1, 10_000, 949_017_600_000, LAST_TICK):
        assert moment_ticks(moment_of(tick)) == tick
