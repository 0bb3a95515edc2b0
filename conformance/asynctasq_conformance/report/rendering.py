"""The report for people: Markdown, a badge, and one table for several drivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asynctasq_conformance.examples import GROUPS

_COLOURS = {"CONFORMANT": "brightgreen", "PARTIAL": "yellow", "NON_CONFORMANT": "red", "ABSENT": "lightgrey"}
_SIGNS = {"PASSED": "yes", "FAILED": "**no**", "GAPS": "gaps", "INCOMPLETE": "incomplete", "ABSENT": "-"}

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
        f"- event loops: {', '.join(document['event_loops'])}; profile {document['profile']}",
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
    failures = [test for group in document["groups"].values() for test in group["failures"]]
    if failures:
        lines += ["", "Failed:", "", *[f"- {test}" for test in failures]]
    return "\n".join(lines) + "\n"


def _not_applicable(group: Mapping[str, Any]) -> str:
    return f"{group['absent']} (no {', '.join(group['missing'])})" if group["absent"] else "0"


def comparison(documents: Sequence[Document]) -> str:
    """One table for several drivers: verdicts, traits and groups."""
    names = [str(document["driver"].get("name")) for document in documents]
    rows = [["", *names], ["verdict", *[str(document["verdict"]) for document in documents]]]
    for kind in ("features", "guarantees"):
        known = sorted({name for document in documents for name in document["traits"].get(kind, ())})
        for name in known:
            has = ["yes" if name in document["traits"].get(kind, ()) else "-" for document in documents]
            rows.append([name, *has])
    for group in (*GROUPS, "model"):
        outcomes = [document["groups"].get(group, {}).get("outcome", "ABSENT") for document in documents]
        rows.append([f"group {group}", *[_SIGNS[outcome] for outcome in outcomes]])
    header, *body = rows
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *["| " + " | ".join(row) + " |" for row in body]]) + "\n"


def absent(name: str, reason: str) -> dict[str, Any]:
    """The document of a driver that could not be reached."""
    return {"driver": {"name": name}, "verdict": "ABSENT", "reason": reason, "traits": {}, "groups": {}}
