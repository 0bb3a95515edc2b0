"""From the outcomes of tests to a verdict. Pure: it does not matter in which order tests ran, or in which process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CONFORMANT = "CONFORMANT"
PARTIAL = "PARTIAL"
NON_CONFORMANT = "NON_CONFORMANT"

HEART = frozenset({"enqueue", "reserve", "settle", "lease"})
"""Groups in which a declared gap is as bad as a failure."""

PASSED, FAILED, GAP, ABSENT, SKIPPED, NOT_RUN = "passed", "failed", "gap", "absent", "skipped", "not run"


@dataclass(frozen=True)
class TestOutcome:
    """What became of one test on one event loop."""

    __test__ = False  # its name is no request to pytest

    test: str
    group: str
    event_loop: str
    outcome: str
    """`passed`, `failed`, `gap` (declared, with a reason), `absent` (the driver has not what the test is about),
    `skipped` (by whoever ran the suite) or `not run`."""
    reason: str = ""
    """Of a gap; what is missing, of what is absent; of what passed, why its first try did not."""


@dataclass
class GroupResult:
    """What became of one group."""

    outcome: str = "ABSENT"
    """`PASSED`, `FAILED`, `GAPS`, `INCOMPLETE`, or `ABSENT` if the driver has not what the group is about."""
    passed: int = 0
    failed: int = 0
    absent: int = 0
    incomplete: int = 0
    gaps: dict[str, str] = field(default_factory=dict[str, str])
    failures: list[str] = field(default_factory=list[str])
    missing: list[str] = field(default_factory=list[str])
    """What the driver or its harness has not, wherefore some tests did not apply."""
    second_tries: dict[str, str] = field(default_factory=dict[str, str])
    """Test -> why its first try failed. It passed when its waits were longer."""


def group_results(outcomes: Iterable[TestOutcome]) -> dict[str, GroupResult]:
    """The outcomes, gathered by group."""
    groups: dict[str, GroupResult] = defaultdict(GroupResult)
    for one in sorted(outcomes, key=lambda one: (one.group, one.test, one.event_loop)):
        group = groups[one.group]
        if one.outcome == PASSED:
            group.passed += 1
            if one.reason:
                group.second_tries[f"{one.test}[{one.event_loop}]"] = one.reason
        elif one.outcome == FAILED:
            group.failed += 1
            group.failures.append(f"{one.test}[{one.event_loop}]")
        elif one.outcome == GAP:
            group.gaps[one.test] = one.reason
        elif one.outcome == ABSENT:
            group.absent += 1
            group.missing = sorted({*group.missing, *one.reason.split(", ")})
        else:
            group.incomplete += 1
    for group in groups.values():
        group.outcome = _group_outcome(group)
    return dict(groups)


def _group_outcome(group: GroupResult) -> str:
    if group.failed:
        return "FAILED"
    if group.incomplete:
        return "INCOMPLETE"
    if group.gaps:
        return "GAPS"
    return "PASSED" if group.passed else "ABSENT"


def claims_not_shown(
    claims: Iterable[str], shown_by: Mapping[str, Iterable[str]], outcomes: Iterable[TestOutcome]
) -> dict[str, list[str]]:
    """Claimed feature or guarantee -> what the harness lacks, for those that no test could show.

    `shown_by` says for each test which features and guarantees it is about.
    """
    shown: set[str] = set()
    missing: dict[str, set[str]] = {claim: set() for claim in claims}
    for one in outcomes:
        for claim in missing.keys() & set(shown_by.get(one.test, ())):
            if one.outcome == ABSENT:
                missing[claim].update(one.reason.split(", "))
            else:
                shown.add(claim)
    return {claim: sorted(missing[claim]) for claim in sorted(missing) if claim not in shown and missing[claim]}


def verdict_of(
    groups: Mapping[str, GroupResult], required: Iterable[str], not_shown: Mapping[str, Iterable[str]] | None = None
) -> str:
    """The verdict: nothing failed, nothing required is missing; gaps, if any, are declared outside the heart, and a
    claim that the harness keeps from being tested weighs as much as such a gap."""
    gaps = bool(not_shown)
    for name in {*groups, *required}:
        group = groups.get(name, GroupResult())
        if group.failed or group.incomplete or (group.gaps and name in HEART):
            return NON_CONFORMANT
        if name in required and not group.passed:
            return NON_CONFORMANT
        gaps = gaps or bool(group.gaps)
    return PARTIAL if gaps else CONFORMANT
