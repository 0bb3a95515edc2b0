"""The class that a driver's author subclasses. Every example test is one method of it.

The methods are plain functions that run an event loop themselves, so that no plugin for asynchronous tests is needed,
and none that is installed gets in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest

pytest.register_assert_rewrite(
    "asynctasq_conformance.groups", "asynctasq_conformance.subject", "asynctasq_conformance.model"
)

from asynctasq_conformance.examples import Example, all_examples  # noqa: E402
from asynctasq_conformance.harness import DriverHarness  # noqa: E402
from asynctasq_conformance.running import NotApplicable, facts_of, run_example  # noqa: E402

EXAMPLES = {example.name: example for example in all_examples()}


class DriverConformance:
    """Subclass it with a name that begins with `Test`, and set `harness`."""

    harness: ClassVar[DriverHarness]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        overridden = [name for name in vars(cls) if hasattr(DriverConformance, name) and name.startswith("test_")]
        if overridden:
            raise TypeError(
                f"{cls.__name__} overrides {', '.join(overridden)} of the suite. A test that your driver fails "
                "belongs into the harness's known_gaps, with a reason"
            )
        harness = getattr(cls, "harness", None)
        unknown = sorted(set(harness.known_gaps) - set(EXAMPLES)) if harness is not None else []
        if unknown:
            raise TypeError(f"known_gaps of {cls.__name__} names no example test of the suite: {', '.join(unknown)}")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One run of each test for every event loop."""
        if "event_loop_name" in metafunc.fixturenames:
            metafunc.parametrize("event_loop_name", event_loops_of(self.harness))


def event_loops_of(harness: DriverHarness) -> Sequence[str]:
    """The event loops to test on: the harness's choice, or what the driver's traits claim."""
    if harness.event_loops is None:
        try:
            harness.event_loops = tuple(sorted(facts_of(harness).traits.event_loops))
        except Exception:
            # Whatever keeps the driver from connecting is told by the tests, not by their collection.
            harness.event_loops = ("asyncio",)
    return harness.event_loops


def run_in_pytest(name: str, harness: DriverHarness, run: Callable[[], None]) -> None:
    """Run one test under pytest's notions of skipped and expected to fail."""
    reason = harness.known_gaps.get(name)
    try:
        run()
    except NotApplicable as absence:
        pytest.skip(f"absent: {absence}")
    except Exception:
        if reason is None:
            raise
        pytest.xfail(reason)
    if reason is not None:
        pytest.fail(f"{name} passes, but is a known gap ({reason}); remove it from known_gaps", pytrace=False)


def _method(example: Example) -> Callable[[DriverConformance, str], None]:
    def test(self: DriverConformance, event_loop_name: str) -> None:
        run_in_pytest(example.name, self.harness, lambda: run_example(example, self.harness, event_loop_name))

    test.__name__ = example.name
    test.__qualname__ = f"DriverConformance.{example.name}"
    test.__doc__ = example.summary
    return test


for _example in EXAMPLES.values():
    setattr(DriverConformance, _example.name, _method(_example))
