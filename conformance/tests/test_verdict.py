"""The rules of the verdict."""

from __future__ import annotations

import random

import pytest
from asynctasq_conformance.report.document import REQUIRED, Document, document_of
from asynctasq_conformance.report.merging import merged
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
    facts = {"driver": {"name": "Acme"}, "traits": {"features": ["pausing"], "guarantees": []}, "seed": "derandomised"}
    outcomes = [*ALL_PASSED, outcome(GAP, "stats"), TestOutcome("test_bad", "records", "trio", FAILED)]
    document = document_of(facts, outcomes, profile="quick", event_loops=["asyncio", "trio"])
    text = markdown(document)
    assert "profile quick (derandomised)" in text
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
    assert [line.split() for line in table.splitlines() if "verdict" in line or "records" in line] == [
        ["|", "verdict", "|", "NON_CONFORMANT", "|", "ABSENT", "|"],
        ["|", "group", "records", "|", "**no**", "|", "-", "|"],
    ]


def test_a_claim_that_nothing_showed_is_partial() -> None:
    """A feature or guarantee that is claimed, and that the harness keeps from being tested, is told and makes the
    verdict PARTIAL; one suite that shows it is enough for the driver."""
    facts = {
        "driver": {"name": "Acme"},
        "traits": {"features": ["transactions"], "guarantees": ["durable"]},
        "shown_by": {"test_guest": ["transactions"], "test_restart": ["durable"]},
    }
    guest, restart = ("transactions", "begin_transaction"), ("guarantees", "restart_backend")

    def run(of_guest: str, of_restart: str) -> Document:
        outcomes = [
            TestOutcome("test_guest", guest[0], "asyncio", of_guest, guest[1] if of_guest == ABSENT else ""),
            TestOutcome("test_restart", restart[0], "asyncio", of_restart, restart[1] if of_restart == ABSENT else ""),
        ]
        return document_of(facts, [*ALL_PASSED, *outcomes], profile="quick", event_loops=["asyncio"])

    one, other = run(ABSENT, PASSED), run(PASSED, ABSENT)
    assert (one["verdict"], one["not_shown"]) == (PARTIAL, {"transactions": ["begin_transaction"]})
    assert (other["verdict"], other["not_shown"]) == (PARTIAL, {"durable": ["restart_backend"]})
    assert "transactions is claimed, but not shown: the harness has no begin_transaction" in markdown(one)
    assert [document["verdict"] for document in merged([one, other])] == [CONFORMANT]
    assert [document["not_shown"] for document in merged([one, one])] == [{"transactions": ["begin_transaction"]}]


def test_a_second_try_is_told() -> None:
    """A test that passed only when its waits were longer is told, with what failed at first."""
    facts = {"driver": {"name": "Acme"}, "traits": {}}
    slow = TestOutcome("test_slow", "lease", "asyncio", PASSED, "the lease had ended")
    document = document_of(facts, [*ALL_PASSED, slow], profile="quick", event_loops=["asyncio"])
    assert document["verdict"] == CONFORMANT
    assert document["groups"]["lease"]["second_tries"] == {"test_slow[asyncio]": "the lease had ended"}
    assert "test_slow[asyncio] passed only when its waits were longer; at first: the lease had ended" in markdown(
        document
    )
