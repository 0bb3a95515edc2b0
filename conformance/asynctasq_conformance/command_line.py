"""The `asynctasq-conformance` command.

asynctasq-conformance run acme://localhost        run the suite on the driver that a URL or a name picks
asynctasq-conformance run --installed             run it on every installed driver, and print one table
asynctasq-conformance compare A.json B.json       print one table of several reports
asynctasq-conformance compare --installed FOLDER  one column for each installed driver, from the reports in a folder
asynctasq-conformance sentences                   print the contract's sentences with their tests and mutants
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from asynctasq_conformance.report.files import read_reports
from asynctasq_conformance.report.rendering import comparison

NON_CONFORMANT, USAGE, UNREACHABLE = 1, 2, 3
TIME_LIMIT = 600.0
"""Seconds for the suite on one driver, unless said otherwise."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. 0: conformant (or partial, with declared gaps); 1: not; 2: usage; 3: unreachable."""
    options = _parser().parse_args(arguments)
    if options.command == "compare":
        return compare_installed(options) if options.installed else compare(options)
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
    run.add_argument("--time-limit", type=float, metavar="SECONDS", help="for each driver; 600 with --installed")
    run.add_argument("--report", type=Path, metavar="FOLDER", help="write the reports here")
    compare = commands.add_parser("compare", help="print one table of several reports")
    compare.add_argument("reports", nargs="+", type=Path, metavar="FILE", help="a report, or a folder of reports")
    compare.add_argument(
        "--installed",
        action="store_true",
        help="one column for each installed driver; exit 1 unless every one of them is CONFORMANT",
    )
    commands.add_parser("sentences", help="print the contract's sentences with their tests and mutants")
    return parser


def compare(options: argparse.Namespace) -> int:
    """Print the reports side by side."""
    sys.stdout.write(comparison(read_reports(options.reports)))
    return 0


def compare_installed(options: argparse.Namespace) -> int:
    """Print one column for each installed driver; 1 unless every one is CONFORMANT."""
    from asynctasq_conformance.installed_drivers import tell, with_absent_ones

    documents = with_absent_ones(read_reports(options.reports))
    tell(documents)
    return 0 if all(document["verdict"] == "CONFORMANT" for document in documents) else NON_CONFORMANT


def run_installed(options: argparse.Namespace) -> int:
    """Run the suite on every installed driver; 1 if one is NON_CONFORMANT."""
    from asynctasq_conformance.installed_drivers import run_all, tell

    documents = run_all(options.profile, options.report, options.time_limit or TIME_LIMIT)
    tell(documents)
    return NON_CONFORMANT if any(document["verdict"] == "NON_CONFORMANT" for document in documents) else 0


def run_one(options: argparse.Namespace) -> int:
    """Run the suite on one driver, whose output is shown."""
    from asynctasq_conformance.url_run import run_suite, why_unreachable

    reason = why_unreachable(options.target)
    if reason is not None:
        sys.stderr.write(f"{options.target} can't be tested: {reason}\n")
        return UNREACHABLE
    ran = run_suite(options.target, options.profile, options.report, time_limit=options.time_limit)
    if ran.document is None:
        sys.stderr.write(f"{options.target}: the run ended before there was anything to report\n")
        return NON_CONFORMANT
    sys.stdout.write(what_a_harness_adds(ran.document["not_shown"]))
    return NON_CONFORMANT if ran.document["verdict"] == "NON_CONFORMANT" else 0


def what_a_harness_adds(not_shown: Mapping[str, Sequence[str]]) -> str:
    """What a driver claims and can't show by its URL alone, and what shows it; "" if there is nothing of the kind."""
    if not not_shown:
        return ""
    wanted = sorted({f"{name}()" for names in not_shown.values() for name in names})
    return (
        f"\nA URL alone can't show {' and '.join(not_shown)}, so the verdict is PARTIAL at best. A harness with "
        f"{' and '.join(wanted)} shows it under pytest: the docstring of DriverHarness says how.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
