"""Fixtures: environments with real fixture distributions."""

from tests.fixtures.distributions import bare, distributions

__all__ = ["bare", "distributions"]
