"""How many programs are played, and how they are chosen."""

from __future__ import annotations

import os
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, settings

SLOW_AND_LARGE = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
VARIABLE = "ASYNCTASQ_CONFORMANCE_PROFILE"


@dataclass(frozen=True)
class Profile:
    """A number of programs."""

    examples: int
    steps: int
    derandomize: bool = False


PROFILES = {
    "quick": Profile(examples=50, steps=25, derandomize=True),
    "ci": Profile(examples=250, steps=30, derandomize=True),
    "nightly": Profile(examples=5_000, steps=50),
}


def chosen_profile() -> str:
    """The profile that the environment names; `quick` by default.

    Raises:
        ValueError: there is no profile of that name.
    """
    name = os.environ.get(VARIABLE, "quick")
    if name not in PROFILES:
        raise ValueError(f"{VARIABLE} is {name!r}; wanted one of {', '.join(PROFILES)}")
    return name


def seed_of(name: str) -> str:
    """Where the random programs of a profile come from: the same ones each time, or others."""
    return "derandomised" if PROFILES[name].derandomize else "random"


def settings_of(name: str, *, seeded: bool = False, shrink: bool = True) -> settings:
    """A profile as hypothesis takes it. The example database is kept for random programs only."""
    profile = PROFILES[name]
    phases = [Phase.reuse, Phase.generate, *([Phase.shrink] if shrink else [])]
    common = settings(
        max_examples=profile.examples,
        stateful_step_count=profile.steps,
        derandomize=profile.derandomize and not seeded,
        deadline=None,
        print_blob=False,
        phases=phases,
        report_multiple_bugs=False,  # one short program is worth more than four, and comes sooner
        suppress_health_check=SLOW_AND_LARGE,
    )
    return settings(common, database=None) if profile.derandomize or seeded else common
