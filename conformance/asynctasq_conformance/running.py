"""How one example test runs: on an event loop of its own, in a namespace of its own, with an end to waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import anyio

from asynctasq.driver_api import Driver, DriverTraits
from asynctasq_conformance.examples import Example, NotApplicable
from asynctasq_conformance.harness import DriverHarness
from asynctasq_conformance.pace import Pace
from asynctasq_conformance.subject import open_subject

TIME_LIMIT = 60.0
"""Seconds after which an example that still waits has failed."""
ROUND_TRIP_LIMIT = 0.5
"""Seconds that one call may take on average, in an example that makes many of them one after the other."""

LONGER = 5.0
"""By how much longer the short waits are when an example was too slow for the usual ones."""

Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class DriverFacts:
    """What a connected driver says of itself."""

    driver_class: type[Driver]
    traits: DriverTraits
    features: frozenset[str]
    backend: str | None


def run_on(event_loop: str, function: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """Run a coroutine function to its end on a new event loop: `asyncio`, `asyncio+uvloop` or `trio`."""
    backend, _, flavour = event_loop.partition("+")
    options: dict[str, Any] = {"use_uvloop": True} if flavour == "uvloop" else {}
    return anyio.run(function, backend=backend, backend_options=options)


def run_example(example: Example, harness: DriverHarness, event_loop: str) -> str:
    """Run one example to its end; "" or, if it was too slow for its waits and needed longer ones, what it saw at first.

    Only what cannot count is tried again: an assertion that fails in an example that was quick enough has failed.

    Raises:
        AssertionError: the driver breaks the contract.
        NotApplicable: the driver or the harness lacks what the example needs.
    """
    pace = Pace()
    try:
        _run_once(example, harness, event_loop, pace)
    except AssertionError as error:
        # Whatever is random has one try: a race that the next attempt does not show has been seen all the same.
        if example.group == "concurrency" or not pace.was_too_slow:
            raise
        _run_once(example, harness, event_loop, Pace(LONGER))
        return f"{pace}, and {(str(error).splitlines() or ['an assertion without a message'])[0]}"
    return ""


def _run_once(example: Example, harness: DriverHarness, event_loop: str, pace: Pace) -> None:
    try:
        run_on(event_loop, lambda: perform(example, harness, pace))
    except BaseExceptionGroup as group:
        causes = leaves_of(group)
        if len(causes) != 1:
            raise
        raise causes[0] from None


async def perform(example: Example, harness: DriverHarness, pace: Pace) -> None:
    """Run one example on the present event loop. Raises as `run_example`."""
    async with open_subject(harness, pace) as subject:
        missing = subject.missing(example.requires)
        if missing:
            raise NotApplicable(", ".join(missing))
        limit = time_limit_of(example)
        pace.begin()
        try:
            with anyio.move_on_after(limit) as scope:
                await example.body(subject)
        finally:
            pace.end()
        assert not scope.cancelled_caught, f"{example.name} still waited after {limit:g} seconds"


def time_limit_of(example: Example) -> float:
    """Seconds after which an example has failed: a right driver on a slow network takes long for many calls."""
    return max(TIME_LIMIT, example.round_trips * ROUND_TRIP_LIMIT)


def leaves_of(error: BaseException) -> list[BaseException]:
    """The exceptions that are no groups."""
    if isinstance(error, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return [leaf for one in inner for leaf in leaves_of(one)]
    return [error]


def facts_of(harness: DriverHarness) -> DriverFacts:
    """Connect once and read what the driver says of itself."""
    event_loop = (harness.event_loops or ("asyncio",))[0]
    return run_on(event_loop, lambda: _read_facts(harness))


async def _read_facts(harness: DriverHarness) -> DriverFacts:
    async with open_subject(harness) as subject:
        return DriverFacts(
            type(subject.driver),
            subject.driver.traits,
            subject.features,
            await harness.describe_backend(),
        )
