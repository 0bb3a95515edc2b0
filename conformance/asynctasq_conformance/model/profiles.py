"""How many programs are played, and how they are chosen."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, settings

SLOW_AND_LARGE = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
VARIABLE = "ASYNCTASQ_CONFORMANCE_PROFILE"
SEED_VARIABLE = "ASYNCTASQ_CONFORMANCE_SEED"


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


def chosen_seed(name: str) -> int | None:
    """Where the random programs of a profile come from: the seed that the environment names, or one that is drawn for
    this run and put there, for the processes that it starts and for whoever plays it again. None: a profile that is
    derandomised plays the same programs each time.

    Raises:
        ValueError: the environment names something that is no seed.
    """
    given = os.environ.get(SEED_VARIABLE, "")
    if not given and PROFILES[name].derandomize:
        return None
    if not given:
        given = os.environ[SEED_VARIABLE] = str(secrets.randbelow(2**32))
    if not given.isdecimal():
        raise ValueError(f"{SEED_VARIABLE} is {given!r}; wanted a whole number, such as 42")
    return int(given)


def seed_of(name: str) -> str:
    """The seed as the report tells it: a number, or `derandomised`."""
    seed = chosen_seed(name)
    return "derandomised" if seed is None else str(seed)


def settings_of(name: str, *, seeded: bool = False, shrink: bool = True) -> settings:
    """A profile as hypothesis takes it. With a seed nothing comes out of its database of examples: the seed alone says
    what is played."""
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
