"""A failed run of random programs can be played again."""

from __future__ import annotations

import pytest
from asynctasq_conformance.model.profiles import SEED_VARIABLE, chosen_seed, seed_of


def test_a_nightly_run_draws_one_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed is drawn once, and left in the environment for the processes that the run starts."""
    monkeypatch.setenv(SEED_VARIABLE, "")
    drawn = chosen_seed("nightly")
    assert drawn is not None
    assert chosen_seed("nightly") == drawn
    assert seed_of("nightly") == str(drawn)


def test_the_same_programs_each_time_need_no_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other profiles are derandomised, unless a seed is given."""
    monkeypatch.setenv(SEED_VARIABLE, "")
    assert seed_of("quick") == "derandomised"
    monkeypatch.setenv(SEED_VARIABLE, "42")
    assert chosen_seed("quick") == 42


def test_what_is_no_seed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed that can't be one is told, not replaced."""
    monkeypatch.setenv(SEED_VARIABLE, "yesterday's")
    with pytest.raises(ValueError, match="wanted a whole number"):
        chosen_seed("nightly")
