"""The report as a document: `conformance.json`."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from typing import Any

from asynctasq.driver_api import API_VERSION, ConfigurationError, Driver
from asynctasq.testing import DriverFactory
from asynctasq_conformance.driver_plugins import ancestry_of, nearest_plugins
from asynctasq_conformance.examples import CORE_GROUPS
from asynctasq_conformance.report.verdict import TestOutcome, claims_not_shown, group_results, verdict_of

SCHEMA = 1
REQUIRED = tuple(group for group in CORE_GROUPS if group != "ordering")
"""Groups that every driver passes. `ordering` is for those that claim STRICT_ORDER."""

Document = dict[str, Any]


def document_of(
    facts: Mapping[str, Any], outcomes: Sequence[TestOutcome], *, profile: str, event_loops: Iterable[str]
) -> Document:
    """Everything that is worth knowing of one run."""
    groups = group_results(outcomes)
    traits: Mapping[str, Any] = facts.get("traits", {})
    claims = [*traits.get("features", ()), *traits.get("guarantees", ())]
    not_shown = claims_not_shown(claims, facts.get("shown_by", {}), outcomes)
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
        "traits": traits,
        "groups": {name: asdict(groups[name]) for name in sorted(groups)},
        "not_shown": not_shown,
        "verdict": verdict_of(groups, REQUIRED, not_shown),
    }


def driver_of(driver_class: type[Driver]) -> dict[str, str | None]:
    """Name, plugin, distribution, version and API of a driver. A harness may open a subclass of it, which is no other
    driver for that."""
    plugin, distribution = None, None
    for one in ancestry_of(driver_class):
        plugin, distribution = _plugin_of(one.__module__)
        if plugin is not None:
            driver_class = one
            break
    if distribution is None:
        package = driver_class.__module__.partition(".")[0]
        distribution = next(iter(metadata.packages_distributions().get(package, ())), None)
    return {
        "name": driver_class.__name__,
        "plugin": plugin,
        "distribution": distribution,
        "version": None if distribution is None else version_of(distribution),
        "api": API_VERSION,
    }


def _plugin_of(module: str) -> tuple[str | None, str | None]:
    """The name of the plugin that brings the driver, and its distribution: its module is the nearest one."""
    near = nearest_plugins(module)
    if not near:
        return None, None
    names, distribution = near[0]
    return name_of_driver(names), distribution


def name_of_driver(names: Sequence[str]) -> str:
    """The driver's name among those of its entry points, which are its URL schemes as well."""
    try:
        return DriverFactory.load(names[0]).spec.name
    except ConfigurationError:
        return names[0]


def version_of(distribution: str) -> str | None:
    """The installed version, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
