"""Helpers for tests of applications and of drivers."""

from asynctasq.testing.clock import ManualClock

__all__ = ["ManualClock"]
