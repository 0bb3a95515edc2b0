"""All mutants. A new sentence in the contract brings a new one."""

from __future__ import annotations

from asynctasq_conformance.mutants import (
    wrong_atomicity,
    wrong_enqueueing,
    wrong_features,
    wrong_guests,
    wrong_heartbeats,
    wrong_lifecycles,
    wrong_management,
    wrong_reserving,
    wrong_settling,
    wrong_timing,
    wrong_views,
)
from asynctasq_conformance.mutants.mutant import CATALOGUE, Mutant

MODULES = (
    wrong_lifecycles,
    wrong_atomicity,
    wrong_enqueueing,
    wrong_reserving,
    wrong_settling,
    wrong_heartbeats,
    wrong_timing,
    wrong_management,
    wrong_views,
    wrong_features,
    wrong_guests,
)


def all_mutants() -> list[Mutant]:
    """Every mutant, in the order of the modules above."""
    return [*CATALOGUE.values()]
