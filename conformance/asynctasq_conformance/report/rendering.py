"""The report for people: Markdown, a badge, and one table for several drivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asynctasq_conformance.examples import GROUPS
from asynctasq_conformance.report.merging import title_of

_COLOURS = {"CONFORMANT": "brightgreen", "PARTIAL": "yellow", "NON_CONFORMANT": "red", "ABSENT": "lightgrey"}
_SIGNS = {"PASSED": "yes", "FAILED": "**no**", "GAPS": "gaps", "INCOMPLETE": "incomplete", "ABSENT": "-"}

LIMITS = {"max_payload_bytes": "bytes", "max_batch": "items", "max_delay": "seconds", "time_resolution": "seconds"}

Document = Mapping[str, Any]


def badge(document: Document) -> dict[str, Any]:
    """What a badge service's endpoint takes."""
    verdict = str(document["verdict"])
    message = verdict.lower().replace("_", " ")
    return {"schemaVersion": 1, "label": "asynctasq driver", "message": message, "color": _COLOURS[verdict]}


def markdown(document: Document) -> str:
    """One driver's report."""
    driver = document["driver"]
    lines = [
        f"# {driver.get('name')}: {document['verdict']}",
        "",
        f"- distribution: {driver.get('distribution')} {driver.get('version')}, driver API {driver.get('api')}",
        f"- suite {document['suite']}, asynctasq {document['core']}, Python {document['python']}",
        f"- event loops: {', '.join(document['event_loops'])}; profile {document['profile']} ({document['seed']})",
        f"- backend: {document['backend'] or 'not told'}",
        f"- features: {', '.join(document['traits'].get('features', ())) or 'none'}",
        f"- guarantees: {', '.join(document['traits'].get('guarantees', ())) or 'none'}",
        "",
        "| group | outcome | passed | failed | not applicable | gaps |",
        "|---|---|---|---|---|---|",
    ]
    for name, group in document["groups"].items():
        gaps = "; ".join(f"{test}: {reason}" for test, reason in group["gaps"].items())
        lines.append(
            f"| {name} | {group['outcome']} | {group['passed']} | {group['failed']} "
            f"| {_not_applicable(group)} | {gaps} |"
        )
    lines += _warnings(document)
    failures = [test for group in document["groups"].values() for test in group["failures"]]
    if failures:
        lines += ["", "Failed:", "", *[f"- {test}" for test in failures]]
    return "\n".join(lines) + "\n"


def _warnings(document: Document) -> list[str]:
    lines = [
        f"- {claim} is claimed, but not shown: the harness has no {', '.join(missing)}"
        for claim, missing in document.get("not_shown", {}).items()
    ]
    for group in document["groups"].values():
        for test, reason in group.get("second_tries", {}).items():
            lines.append(f"- {test} passed only when its waits were longer; at first: {reason}")
    return ["", *lines] if lines else []


def _not_applicable(group: Mapping[str, Any]) -> str:
    return f"{group['absent']} (no {', '.join(group['missing'])})" if group["absent"] else "0"


def comparison(drivers: Sequence[Document]) -> str:
    """One table, a column for each report: verdicts, backends, traits, limits and groups."""
    rows = _facts(drivers)
    for group in (*GROUPS, "model"):
        outcomes = [driver["groups"].get(group, {}).get("outcome", "ABSENT") for driver in drivers]
        rows.append([f"group {group}", *[_SIGNS[outcome] for outcome in outcomes]])
    return _table(rows)


def facts_table(drivers: Sequence[Document]) -> str:
    """The same without the groups."""
    return _table(_facts(drivers))


def _facts(drivers: Sequence[Document]) -> list[list[str]]:
    rows = [["verdict", *[str(driver["verdict"]) for driver in drivers]]]
    rows.append(["backend", *[driver.get("backend") or "-" for driver in drivers]])
    rows.append(["event loops", *[", ".join(driver.get("event_loops", ())) or "-" for driver in drivers]])
    for kind in ("features", "guarantees"):
        known = sorted({name for driver in drivers for name in driver["traits"].get(kind, ())})
        rows += [[name, *[_claim(driver, kind, name) for driver in drivers]] for name in known]
    for limit, unit in LIMITS.items():
        told = [driver["traits"].get("limits", {}).get(limit) for driver in drivers]
        rows.append([f"{limit} ({unit})", *["-" if value is None else f"{value:,}" for value in told]])
    return [["", *[title_of(driver) for driver in drivers]], *rows]


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [[f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)] for row in rows]
    head, *lines = ["| " + " | ".join(row) + " |" for row in padded]
    return "\n".join([head, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines]) + "\n"


def _claim(driver: Document, kind: str, name: str) -> str:
    if name not in driver["traits"].get(kind, ()):
        return "-"
    if name in driver.get("not_shown", {}):
        return "not shown"
    return driver.get("only_with", {}).get(name, "yes")


def absent(name: str, reason: str) -> dict[str, Any]:
    """The document of a driver that could not be reached."""
    return {"driver": {"name": name, "plugin": name}, "verdict": "ABSENT", "reason": reason, "traits": {}, "groups": {}}
