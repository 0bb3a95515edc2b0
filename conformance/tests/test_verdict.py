"""The rules of the verdict."""

from __future__ import annotations

import random

import pytest
from asynctasq_conformance.report.document import REQUIRED, document_of
from asynctasq_conformance.report.rendering import absent, badge, comparison, markdown
from asynctasq_conformance.report.verdict import (
    ABSENT,
    CONFORMANT,
    FAILED,
    GAP,
    NON_CONFORMANT,
    NOT_RUN,
    PARTIAL,
    PASSED,
    SKIPPED,
    TestOutcome,
    group_results,
    verdict_of,
)

ALL_PASSED = [TestOutcome(f"test_{group}", group, "asyncio", PASSED) for group in REQUIRED]


def verdict(*more: TestOutcome) -> str:
    """The verdict on a driver that passes everything, and more."""
    return verdict_of(group_results([*ALL_PASSED, *more]), REQUIRED)


def outcome(kind: str, group: str) -> TestOutcome:
    """The outcome of one more test."""
    return TestOutcome("test_more", group, "asyncio", kind, "a reason")


def test_everything_passed_is_conformant() -> None:
    """Features that are absent take nothing away."""
    assert verdict(outcome(ABSENT, "transactions")) == CONFORMANT


@pytest.mark.parametrize("kind", [FAILED, SKIPPED, NOT_RUN])
@pytest.mark.parametrize("group", ["settle", "stats", "wake_ups", "model"])
def test_failed_skipped_or_not_run_is_non_conformant(kind: str, group: str) -> None:
    """A failure anywhere, and a test that was left out, make the verdict NON_CONFORMANT."""
    assert verdict(outcome(kind, group)) == NON_CONFORMANT


@pytest.mark.parametrize("group", ["enqueue", "reserve", "settle", "lease"])
def test_a_gap_in_the_heart_is_non_conformant(group: str) -> None:
    """A declared gap in enqueue, reserve, settle or lease is NON_CONFORMANT."""
    assert verdict(outcome(GAP, group)) == NON_CONFORMANT


@pytest.mark.parametrize("group", ["stats", "records", "wake_ups"])
def test_a_declared_gap_elsewhere_is_partial(group: str) -> None:
    """A declared gap elsewhere is PARTIAL."""
    assert verdict(outcome(GAP, group)) == PARTIAL


def test_a_missing_core_group_is_non_conformant() -> None:
    """A core group of which nothing ran is NON_CONFORMANT."""
    some = [one for one in ALL_PASSED if one.group != "purge"]
    assert verdict_of(group_results(some), REQUIRED) == NON_CONFORMANT


def test_the_order_of_tests_does_not_matter() -> None:
    """The report is independent of test order."""
    outcomes = [*ALL_PASSED, outcome(GAP, "stats"), outcome(FAILED, "records"), outcome(ABSENT, "pausing")]
    shuffled = random.Random(1).sample(outcomes, len(outcomes))
    facts = {"driver": {"name": "Acme"}, "traits": {"features": ["pausing"], "guarantees": []}}
    first = document_of(facts, outcomes, profile="quick", event_loops=["asyncio"])
    second = document_of(facts, shuffled, profile="quick", event_loops=["asyncio"])
    assert first == second


def test_a_report_is_rendered() -> None:
    """Markdown tells the verdict, gaps and failures; the badge the verdict; the table puts drivers side by side."""
    facts = {"driver": {"name": "Acme"}, "traits": {"features": ["pausing"], "guarantees": []}}
    outcomes = [*ALL_PASSED, outcome(GAP, "stats"), TestOutcome("test_bad", "records", "trio", FAILED)]
    document = document_of(facts, outcomes, profile="quick", event_loops=["asyncio", "trio"])
    text = markdown(document)
    assert "# Acme: NON_CONFORMANT" in text
    assert "test_more: a reason" in text
    assert "test_bad[trio]" in text
    assert badge(document) == {
        "schemaVersion": 1,
        "label": "asynctasq driver",
        "message": "non conformant",
        "color": "red",
    }
    table = comparison([document, absent("other", "no server")])
    assert "| verdict | NON_CONFORMANT | ABSENT |" in table
    assert "| group records | **no** | - |" in table
