"""A driver may keep durations rounded up to its time resolution, and no example holds that against it."""

from __future__ import annotations

import math

import msgspec
from asynctasq_conformance.examples import all_examples
from asynctasq_conformance.model.machine import play_model
from asynctasq_conformance.mutants.plain_driver import GUARANTEES, LIMITS, PlainDriver
from asynctasq_conformance.mutants.plain_harness import PlainHarness
from asynctasq_conformance.mutants.plain_storage import Space
from asynctasq_conformance.running import run_example
from asynctasq_conformance.subject import rounded_up

from asynctasq.driver_api import DriverTraits, NewTask

RESOLUTION = 7e-6
"""Seconds; no whole number of seconds is a multiple of it."""


class RoundsUp(PlainDriver):
    """Keeps how long records and ids stay in steps of its resolution."""

    async def _connect(self) -> None:
        await super()._connect()
        limits = msgspec.structs.replace(LIMITS, time_resolution=RESOLUTION)
        self.traits = DriverTraits(guarantees=GUARANTEES, limits=limits, event_loops=frozenset({"asyncio"}))

    def insert(self, space: Space, task: NewTask, now: int) -> None:
        keep_for, remember_for = (math.ceil(s / RESOLUTION) * RESOLUTION for s in (task.keep_for, task.remember_for))
        super().insert(space, msgspec.structs.replace(task, keep_for=keep_for, remember_for=remember_for), now)


def test_examples_allow_rounding_up() -> None:
    """What a record shows of its durations may be rounded up, by default values too."""
    for example in all_examples():
        if {"REC-1", "ENQ-11"} & {*example.sentences}:
            run_example(example, PlainHarness(RoundsUp), "asyncio")


def test_the_model_allows_rounding_up() -> None:
    """The model compares durations give or take the same rounding."""
    play_model(PlainHarness(RoundsUp), "asyncio", "quick")


def test_up_to_the_resolution_and_never_down() -> None:
    """A duration that is shorter than wanted, or longer by more than the resolution, is wrong."""
    assert rounded_up(10.25, 10.25, 1e-3)
    assert rounded_up(10.2509, 10.25, 1e-3)
    assert not rounded_up(10.0, 10.25, 1.0)
    assert not rounded_up(10.252, 10.25, 1e-3)
    assert rounded_up(None, None, 1.0)
    assert not rounded_up(None, 1.0, 1.0)
