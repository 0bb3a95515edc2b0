"""The class that a driver's author subclasses. Every example test is one method of it.

The methods are plain functions that run an event loop themselves, so that no plugin for asynchronous tests is needed,
and none that is installed gets in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from asynctasq.driver_api import FEATURE_NAMES, DriverError, DriverUnavailable, Guarantee
from asynctasq_conformance.examples import Example, NotApplicable, all_examples
from asynctasq_conformance.harness import DriverHarness
from asynctasq_conformance.model.machine import play_model
from asynctasq_conformance.model.profiles import chosen_profile, chosen_seed, seed_of
from asynctasq_conformance.pytest_plugin import SUITE_MARK
from asynctasq_conformance.report.document import driver_of
from asynctasq_conformance.report.gathering import ABSENT_PREFIX
from asynctasq_conformance.running import facts_of, leaves_of, run_example

EXAMPLES = {example.name: example for example in all_examples()}
MODEL_TEST = "test_the_driver_agrees_with_the_model"
GROUP_OF = {example.name: example.group for example in EXAMPLES.values()} | {MODEL_TEST: "model"}
SECOND_TRY = "__conformance_second_try__"
_TRAITS = FEATURE_NAMES | {guarantee.value for guarantee in Guarantee}


class DriverConformance:
    """Subclass it with a name that begins with `Test`, and set `harness`."""

    harness: ClassVar[DriverHarness]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        overridden = [name for name in vars(cls) if name in GROUP_OF]
        if overridden:
            raise TypeError(
                f"{cls.__name__} overrides {', '.join(overridden)} of the suite. A test that your driver fails "
                "belongs into the harness's known_gaps, with a reason"
            )
        harness = getattr(cls, "harness", None)
        if harness is None:
            return
        unknown = sorted(set(harness.known_gaps) - set(EXAMPLES))
        if unknown:
            raise TypeError(f"known_gaps of {cls.__name__} names no example test of the suite: {', '.join(unknown)}")
        setattr(cls, SUITE_MARK, SuiteFacts(harness, GROUP_OF))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One run of each test for every event loop."""
        if "event_loop_name" in metafunc.fixturenames:
            metafunc.parametrize("event_loop_name", event_loops_of(self.harness))

    def test_the_driver_agrees_with_the_model(self, event_loop_name: str) -> None:
        """Random programs, played by the driver and by a model of the contract: both always agree."""
        profile = chosen_profile()
        play_model(self.harness, event_loop_name, profile, chosen_seed(profile))


class SuiteFacts:
    """What the report tells of one suite class, besides the outcomes."""

    def __init__(self, harness: DriverHarness, groups: Mapping[str, str]) -> None:
        self.groups = groups
        self._harness = harness
        self._told = False

    def note(self, item: Any) -> dict[str, Any]:
        """Which suite class this is; the first time also what it is about. Plain values: notes travel to other
        processes."""
        note: dict[str, Any] = {
            "suite": f"{item.module.__name__.rpartition('.')[2]}::{item.cls.__name__}",
            "group": self.groups[item.originalname],
            "second_try": getattr(item.instance, SECOND_TRY, ""),
        }
        if self._told:
            return note
        self._told = True
        return note | {
            "groups": dict(self.groups),
            "event_loops": [*event_loops_of(self._harness)],
            "profile": chosen_profile(),
            "seed": seed_of(chosen_profile()),
            "shown_by": {name: shown for name, one in EXAMPLES.items() if (shown := _traits_shown_by(one))},
            **_driver_facts(self._harness),
        }


def _traits_shown_by(example: Example) -> list[str]:
    return sorted(_TRAITS & set(example.requires))


def _driver_facts(harness: DriverHarness) -> dict[str, Any]:
    try:
        facts = facts_of(harness)
    except Exception as error:
        return {"driver": {"name": type(harness).__name__}, "traits": {}, "unreachable": repr(error)}
    return {
        "backend": facts.backend,
        "driver": driver_of(facts.driver_class),
        "traits": {
            "features": sorted(facts.features),
            "guarantees": sorted(guarantee.value for guarantee in facts.traits.guarantees),
            "limits": {name: getattr(facts.traits.limits, name) for name in facts.traits.limits.__struct_fields__},
            "event_loops": sorted(facts.traits.event_loops),
        },
    }


def event_loops_of(harness: DriverHarness) -> Sequence[str]:
    """The event loops to test on: the harness's choice, or what the driver's traits claim."""
    if harness.event_loops is None:
        try:
            harness.event_loops = tuple(sorted(facts_of(harness).traits.event_loops))
        except Exception:
            # Whatever keeps the driver from connecting is told by the tests, not by their collection.
            harness.event_loops = ("asyncio",)
    return harness.event_loops


def is_of_the_driver(error: Exception, harness: DriverHarness) -> bool:
    """The driver broke a promise: an example says so, or a `DriverError` escaped. Whatever else went wrong is the
    harness's or the server's, and no gap of the driver excuses it."""
    leaves = leaves_of(error)
    if not all(isinstance(leaf, AssertionError | DriverError) for leaf in leaves):
        return False
    if any(isinstance(leaf, DriverUnavailable) for leaf in leaves):
        try:
            facts_of(harness)
        except Exception:
            return False  # whoever is told that nothing answers reads the error itself, not this second one
    return True


def run_in_pytest(name: str, harness: DriverHarness, run: Callable[[], object]) -> None:
    """Run one test under pytest's notions of skipped and expected to fail."""
    reason = harness.known_gaps.get(name)
    try:
        run()
    except NotApplicable as absence:
        if reason is not None:
            pytest.fail(
                f"{name} does not apply (it needs {absence}), but is a known gap ({reason}); remove it from known_gaps",
                pytrace=False,
            )
        pytest.skip(f"{ABSENT_PREFIX}{absence}")
    except Exception as error:
        if reason is None or not is_of_the_driver(error, harness):
            raise
        pytest.xfail(reason)
    if reason is not None:
        pytest.fail(f"{name} passes, but is a known gap ({reason}); remove it from known_gaps", pytrace=False)


def _method(example: Example) -> Callable[[DriverConformance, str], None]:
    def test(self: DriverConformance, event_loop_name: str) -> None:
        def run() -> None:
            setattr(self, SECOND_TRY, run_example(example, self.harness, event_loop_name))

        run_in_pytest(example.name, self.harness, run)

    test.__name__ = example.name
    test.__qualname__ = f"DriverConformance.{example.name}"
    test.__doc__ = example.summary
    return test


for _example in EXAMPLES.values():
    setattr(DriverConformance, _example.name, _method(_example))
