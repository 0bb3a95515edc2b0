"""Every installed driver, side by side."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asynctasq.testing import DriverFactory
from asynctasq_conformance.report.document import name_of_driver
from asynctasq_conformance.report.merging import merged, title_of
from asynctasq_conformance.report.rendering import absent, comparison
from asynctasq_conformance.url_run import run_suite, why_unreachable

AT_ONCE = 4
"""Runs in real time mostly wait, so several share the machine."""
TOLD_OF_OUTPUT = 2000

Document = dict[str, Any]


def installed_names() -> list[str]:
    """The names of the installed drivers."""
    return [name_of_driver(plugin.names) for plugin in DriverFactory.installed()]


def run_all(profile: str, report: Path | None, time_limit: float) -> list[Document]:
    """The report of every installed driver, in real time. `ASYNCTASQ_<NAME>_URL` says where each one's backend is;
    without it the driver's default settings do."""
    folder = None if report is None else report.absolute()

    def run(name: str) -> Document:
        target = os.environ.get(f"ASYNCTASQ_{name.upper()}_URL", name)
        reason = why_unreachable(target)
        if reason is not None:
            return absent(name, reason)
        sys.stderr.write(f"{name} ...\n")
        ran = run_suite(target, profile, folder and folder / name, quiet=True, time_limit=time_limit)
        sys.stderr.write(f"{name}: {ran.document['verdict'] if ran.document else 'no report'}\n")
        return ran.document or absent(
            name, f"no report was written; the end of the output:\n{ran.output[-TOLD_OF_OUTPUT:]}"
        )

    # Embedded stores that are named without a path lie in the current folder.
    with TemporaryDirectory() as scratch, chdir(scratch), ThreadPoolExecutor(AT_ONCE) as pool:
        return [*pool.map(run, installed_names())]


def with_absent_ones(documents: Sequence[Document]) -> list[Document]:
    """One document for each installed driver, absent ones included, and those of any others behind them."""
    drivers = {title_of(document): document for document in merged(documents)}
    names = installed_names()
    found = [drivers.pop(name, None) or absent(name, "none of the reports is about it") for name in names]
    return [*found, *drivers.values()]


def tell(documents: Sequence[Document]) -> None:
    """Print the table, and below it what keeps a driver from a better verdict."""
    sys.stdout.write(comparison(documents))
    for document in documents:
        name = title_of(document)
        if document["verdict"] == "ABSENT":
            sys.stdout.write(f"\n{name} is ABSENT: {document['reason']}\n")
        for claim, missing in document.get("not_shown", {}).items():
            sys.stdout.write(f"\n{name}: {claim} is claimed, but not shown: the harness has no {', '.join(missing)}\n")
