"""Several reports of one driver, as one: it was tested on several backends, or once with more of a harness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]

_WORST_FIRST = ("FAILED", "INCOMPLETE", "GAPS", "PASSED", "ABSENT")
"""Outcomes of groups. What one suite has not, and another passes, is passed."""


def title_of(document: Document) -> str:
    """The driver's name: its plugin's, if it has one."""
    driver = document["driver"]
    return str(driver.get("plugin") or driver.get("name"))


def merged(documents: Sequence[Document]) -> list[dict[str, Any]]:
    """One document for each driver, in the order of their first ones."""
    drivers: dict[str, list[Document]] = {}
    for document in documents:
        drivers.setdefault(title_of(document), []).append(document)
    return [_merge(several) for several in drivers.values()]


def _merge(several: Sequence[Document]) -> dict[str, Any]:
    first, *others = several
    if not others:
        return dict(first)
    names = sorted({name for one in several for name in one["groups"]})
    groups = {name: {"outcome": _outcome([one["groups"].get(name, {}) for one in several])} for name in names}
    not_shown = _not_shown(several)
    return {
        "driver": first["driver"],
        "backend": "; ".join(dict.fromkeys(one["backend"] for one in several if one.get("backend"))),
        "event_loops": sorted({loop for one in several for loop in one.get("event_loops", ())}),
        "traits": {
            **first["traits"],
            **{kind: sorted({name for one in several for name in one["traits"].get(kind, ())}) for kind in _KINDS},
        },
        "only_with": _only_with(several),
        "groups": groups,
        "not_shown": not_shown,
        "verdict": _verdict(several, groups, not_shown),
    }


_KINDS = ("features", "guarantees")


def _claims(document: Document) -> set[str]:
    return {name for kind in _KINDS for name in document["traits"].get(kind, ())}


def _outcome(groups: Sequence[Mapping[str, Any]]) -> str:
    return min((group.get("outcome", "ABSENT") for group in groups), key=_WORST_FIRST.index)


def _not_shown(several: Sequence[Document]) -> dict[str, list[str]]:
    """What none of the suites that claim it could show."""
    shown = {name for one in several for name in _claims(one) - set(one.get("not_shown", ()))}
    return {name: why for one in several for name, why in one.get("not_shown", {}).items() if name not in shown}


def _only_with(several: Sequence[Document]) -> dict[str, str]:
    """Feature or guarantee -> the backends that give it, for those that not all of them give."""
    partial = set[str].union(*map(_claims, several)) - set[str].intersection(*map(_claims, several))
    return {
        name: "with " + "; ".join(one.get("backend") or "some" for one in several if name in _claims(one))
        for name in partial
    }


def _verdict(several: Sequence[Document], groups: Mapping[str, Any], not_shown: Mapping[str, Any]) -> str:
    verdicts = {one["verdict"] for one in several}
    for worst in ("NON_CONFORMANT", "ABSENT"):
        if worst in verdicts:
            return worst
    has_gaps = any(group["outcome"] == "GAPS" for group in groups.values())
    return "PARTIAL" if has_gaps or not_shown else "CONFORMANT"
