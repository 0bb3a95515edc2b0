"""The suite on one driver that is given by its URL: pytest, in a process of its own, with an end to waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from asynctasq_conformance.report.files import JSON_NAME, read_report, write_report

WRITING_TIME = 30.0
"""Seconds that a run which was told to stop has for its report."""


@dataclass(frozen=True)
class Ran:
    """How a run ended."""

    document: dict[str, Any] | None
    """Its report; None if it came to none."""
    output: str = ""
    """What it printed, if that was not shown."""


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


def run_suite(
    target: str, profile: str, report: Path | None, *, quiet: bool = False, time_limit: float | None = None
) -> Ran:
    """Run pytest on the module that tests a URL. Tests that `time_limit` seconds did not suffice for did not run."""
    import asynctasq_conformance.url_suite as url_suite

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "report" if report is None else report.absolute()
        (folder / JSON_NAME).unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", str(Path(url_suite.__file__)), "-q", "-c", os.devnull]
        command += ["--rootdir", scratch, "--import-mode=importlib", "-p", "no:cacheprovider"]
        command += ["--conformance-profile", profile, "--conformance-report", str(folder)]
        environment = os.environ | {url_suite.VARIABLE: target}
        with (Path(scratch) / "output").open("w+b") as output:
            shown = output if quiet else None
            # Embedded stores that are named without a path lie in the current folder.
            process = subprocess.Popen(
                command, env=environment, cwd=scratch if quiet else None, stdout=shown, stderr=shown
            )
            _wait(process, time_limit)
            printed = _read(output)
        if not (folder / JSON_NAME).exists():
            return Ran(None, printed)
        document = read_report(folder / JSON_NAME)
        if report is not None:
            write_report(report, document)
        return Ran(document, printed)


def _wait(process: subprocess.Popen[bytes], time_limit: float | None) -> None:
    """Wait for the end, and hasten it after `time_limit`: interrupted, pytest reports what it has."""
    try:
        process.wait(time_limit)
        return
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    except BaseException:
        process.kill()
        raise
    try:
        process.wait(WRITING_TIME)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode(errors="replace")
