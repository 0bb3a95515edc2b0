"""The `asynctasq-conformance` command.

asynctasq-conformance run acme://localhost        run the suite on the driver that a URL or a name picks
asynctasq-conformance run --installed             run it on every installed driver, and print one table
asynctasq-conformance compare A.json B.json       print one table of several reports
asynctasq-conformance sentences                   print the contract's sentences with their tests and mutants
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asynctasq.driver_api import ConfigurationError
from asynctasq_conformance.report.files import JSON_NAME, read_report, write_report
from asynctasq_conformance.report.rendering import absent, comparison

NON_CONFORMANT, USAGE, UNREACHABLE = 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. 0: conformant (or partial, with declared gaps); 1: not; 2: usage; 3: unreachable."""
    options = _parser().parse_args(arguments)
    if options.command == "compare":
        sys.stdout.write(comparison([read_report(path) for path in options.reports]))
        return 0
    if options.command == "sentences":
        from asynctasq_conformance.sentences import SENTENCES, markdown_table

        sys.stdout.write(markdown_table(SENTENCES))
        return 0
    if bool(options.target) == options.installed:
        sys.stderr.write("Name one driver by its URL, or say --installed.\nTry: asynctasq-conformance run memory://\n")
        return USAGE
    return run_installed(options) if options.installed else run_one(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="asynctasq-conformance", description="The driver contract, executable.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the suite")
    run.add_argument("target", nargs="?", metavar="URL", help="a driver's URL or name, such as acme://localhost")
    run.add_argument("--installed", action="store_true", help="every installed driver; prints one table")
    run.add_argument("--profile", choices=["quick", "ci", "nightly"], default="quick")
    run.add_argument("--report", type=Path, metavar="FOLDER", help="write the reports here")
    compare = commands.add_parser("compare", help="print one table of several reports")
    compare.add_argument("reports", nargs="+", type=Path, metavar="FILE")
    commands.add_parser("sentences", help="print the contract's sentences with their tests and mutants")
    return parser


def run_one(options: argparse.Namespace) -> int:
    """Run the suite on one driver, whose output is shown."""
    reason = why_unreachable(options.target)
    if reason is not None:
        sys.stderr.write(f"{options.target} can't be tested: {reason}\n")
        return UNREACHABLE
    return run_suite(options.target, options.profile, options.report, quiet=False)


def run_installed(options: argparse.Namespace) -> int:
    """Run the suite on every installed driver: `ASYNCTASQ_<NAME>_URL` says where each one's backend is."""
    from asynctasq.testing import DriverFactory

    documents: list[dict[str, Any]] = []
    report = None if options.report is None else options.report.absolute()
    # Embedded stores that are named without a path lie in the current folder.
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        folder = report or Path(scratch)
        for plugin in DriverFactory.installed():
            name = _name_of(plugin.names)
            target = os.environ.get(f"ASYNCTASQ_{name.upper()}_URL", name)
            sys.stderr.write(f"{name} ...\n")
            reason = why_unreachable(target)
            if reason is None:
                run_suite(target, options.profile, folder / name, quiet=True)
            written = folder / name / JSON_NAME
            told = read_report(written) if written.exists() else absent(name, reason or "no report was written")
            documents.append(told)
    sys.stdout.write(comparison(documents))
    for document in documents:
        if document["verdict"] == "ABSENT":
            sys.stdout.write(f"\n{document['driver']['name']} is ABSENT: {document['reason']}\n")
    return NON_CONFORMANT if any(document["verdict"] == "NON_CONFORMANT" for document in documents) else 0


def _name_of(names: Sequence[str]) -> str:
    """The driver's name among those of its entry points, which are its URL schemes as well."""
    from asynctasq.testing import DriverFactory

    try:
        return DriverFactory.load(names[0]).spec.name
    except ConfigurationError:
        return names[0]


def why_unreachable(target: str) -> str | None:
    """Connect once; what keeps the driver from being tested, or None."""
    from asynctasq_conformance.running import run_on
    from asynctasq_conformance.subject import open_subject
    from asynctasq_conformance.url_suite import UrlHarness

    harness = UrlHarness(target)

    async def look() -> None:
        async with open_subject(harness) as subject:
            harness.verify(subject.driver)

    try:
        run_on("asyncio", look)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def run_suite(target: str, profile: str, report: Path | None, *, quiet: bool) -> int:
    """Run pytest on the module that tests a URL, in a process and a folder of its own."""
    import asynctasq_conformance.url_suite as url_suite

    with tempfile.TemporaryDirectory() as scratch:
        folder = (report or Path(scratch) / "report").absolute()
        command = [sys.executable, "-m", "pytest", str(Path(url_suite.__file__)), "-q", "-c", os.devnull]
        command += ["--rootdir", scratch, "--import-mode=importlib", "-p", "no:cacheprovider"]
        command += ["--conformance-profile", profile, "--conformance-report", str(folder)]
        environment = os.environ | {url_suite.VARIABLE: target}
        ran = subprocess.run(
            command, env=environment, cwd=scratch if quiet else None, check=False, capture_output=quiet
        )
        if not (folder / JSON_NAME).exists():
            if quiet:
                sys.stderr.write(ran.stdout.decode(errors="replace")[-2000:])
            return ran.returncode or NON_CONFORMANT
        document = read_report(folder / JSON_NAME)
        if report is not None:
            write_report(report, document)
        return NON_CONFORMANT if document["verdict"] == "NON_CONFORMANT" else 0


if __name__ == "__main__":
    sys.exit(main())
