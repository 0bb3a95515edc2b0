"""Gathering outcomes from pytest's reports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asynctasq_conformance.report.document import Document, document_of
from asynctasq_conformance.report.files import write_report
from asynctasq_conformance.report.verdict import ABSENT, FAILED, GAP, NOT_RUN, PASSED, SKIPPED, TestOutcome

ABSENT_PREFIX = "absent: "


class Gatherer:
    """The outcomes of every suite class of a run."""

    def __init__(self) -> None:
        self._facts: dict[str, dict[str, Any]] = {}
        self._outcomes: dict[str, dict[tuple[str, str], TestOutcome]] = {}

    def add(self, note: dict[str, Any], report: Any) -> None:
        """One phase of one test: a failure in any phase fails the test."""
        suite = note["suite"]
        if "groups" in note:
            self._facts.setdefault(suite, note)
        outcome, reason = _outcome_of(report)
        if outcome == PASSED:
            reason = note.get("second_try", "")
        if report.when != "call" and outcome == PASSED:
            return
        outcomes = self._outcomes.setdefault(suite, {})
        key = (note["test"], note["event_loop"])
        known = outcomes.get(key)
        if known is None or known.outcome != FAILED:
            outcomes[key] = TestOutcome(note["test"], note["group"], note["event_loop"], outcome, reason)

    def documents(self) -> dict[str, Document]:
        """Suite class -> its report. Tests of the suite that did not run are part of it; of a suite that was skipped
        whole there is nothing to report."""
        documents: dict[str, Document] = {}
        for suite, facts in self._facts.items():
            outcomes = self._outcomes.get(suite, {})
            if self.why_skipped(suite) is not None:
                continue
            loops: list[str] = facts["event_loops"]
            expected = {(test, loop): group for test, group in facts["groups"].items() for loop in loops}
            missing = [
                TestOutcome(test, group, loop, NOT_RUN)
                for (test, loop), group in expected.items()
                if (test, loop) not in outcomes
            ]
            everything = [*outcomes.values(), *missing]
            documents[suite] = document_of(facts, everything, profile=facts["profile"], event_loops=loops)
        return documents

    def why_skipped(self, suite: str) -> str | None:
        """The reason, if every test of the suite that came to an end was skipped by whoever ran it."""
        outcomes = [*self._outcomes.get(suite, {}).values()]
        if not outcomes or any(one.outcome != SKIPPED for one in outcomes):
            return None
        return outcomes[0].reason

    def lines(self) -> Iterator[str]:
        """The verdicts, for the terminal."""
        for suite in self._facts:
            reason = self.why_skipped(suite)
            if reason is not None:
                yield f"{suite}: ABSENT ({reason})"
        for suite, document in self.documents().items():
            yield f"{suite}: {document['verdict']}"
            if str(document["seed"]).isdecimal():
                yield f"  ASYNCTASQ_CONFORMANCE_SEED={document['seed']} plays the same random programs again"
            for name, group in document["groups"].items():
                if group["outcome"] not in ("PASSED", "ABSENT"):
                    yield f"  {name}: {group['outcome']}"
            for name, group in document["groups"].items():
                if group["outcome"] == "ABSENT":
                    yield f"  {name}: not there, for want of {', '.join(group['missing'])}"
            for claim, missing in document["not_shown"].items():
                yield f"  {claim}: claimed, but not shown: the harness has no {', '.join(missing)}"
            for group in document["groups"].values():
                for test, reason in group["second_tries"].items():
                    yield f"  warning: {test} passed only when its waits were longer; at first: {reason}"

    def write(self, folder: Path) -> None:
        """Write the reports: into the folder itself if there is one suite class, else into a folder for each."""
        documents = self.documents()
        for suite, document in documents.items():
            write_report(folder if len(documents) == 1 else folder / suite.replace("::", "."), document)


def _outcome_of(report: Any) -> tuple[str, str]:
    expected = getattr(report, "wasxfail", None)
    if expected is not None and report.skipped:
        return GAP, str(expected).removeprefix("reason: ")
    if report.skipped:
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        return (ABSENT, reason.removeprefix(ABSENT_PREFIX)) if reason.startswith(ABSENT_PREFIX) else (SKIPPED, reason)
    return (PASSED if report.passed else FAILED), ""
