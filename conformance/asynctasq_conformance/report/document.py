"""The report as a document: `conformance.json`."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from typing import Any

from asynctasq.driver_api import API_VERSION
from asynctasq_conformance.examples import CORE_GROUPS
from asynctasq_conformance.report.verdict import TestOutcome, group_results, verdict_of

SCHEMA = 1
REQUIRED = tuple(group for group in CORE_GROUPS if group != "ordering")
"""Groups that every driver passes. `ordering` is for those that claim STRICT_ORDER."""

Document = dict[str, Any]


def document_of(
    facts: Mapping[str, Any], outcomes: Sequence[TestOutcome], *, profile: str, event_loops: Iterable[str]
) -> Document:
    """Everything that is worth knowing of one run."""
    groups = group_results(outcomes)
    return {
        "schema": SCHEMA,
        "suite": version_of("asynctasq-conformance"),
        "driver": facts.get("driver", {}),
        "core": version_of("asynctasq"),
        "python": platform.python_version(),
        "backend": facts.get("backend"),
        "event_loops": sorted(event_loops),
        "profile": profile,
        "seed": facts.get("seed"),
        "traits": facts.get("traits", {}),
        "groups": {name: asdict(groups[name]) for name in sorted(groups)},
        "verdict": verdict_of(groups, REQUIRED),
    }


def driver_of(module: str, class_name: str) -> dict[str, str | None]:
    """Name, distribution, version and API of the driver whose class is defined in `module`."""
    package = module.partition(".")[0]
    distribution = _distribution_of(package)
    return {
        "name": class_name,
        "distribution": distribution,
        "version": None if distribution is None else version_of(distribution),
        "api": API_VERSION,
    }


def _distribution_of(package: str) -> str | None:
    for entry_point in metadata.entry_points(group="asynctasq.drivers"):
        if entry_point.dist is not None and entry_point.module.partition(".")[0] == package:
            return entry_point.dist.name
    return next(iter(metadata.packages_distributions().get(package, ())), None)


def version_of(distribution: str) -> str | None:
    """The installed version, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
