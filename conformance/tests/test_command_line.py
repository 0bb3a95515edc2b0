"""The command line of the suite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asynctasq_conformance.command_line import UNREACHABLE, USAGE, main


@pytest.mark.slow
def test_a_driver_is_tested_by_its_url(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`run URL` needs no file: it runs the suite in real time, tells the verdict and writes the report."""
    status = main(["run", "memory://", "--report", str(tmp_path / "report")])
    assert "TestDriver: CONFORMANT" in capfd.readouterr().out
    assert status == 0
    report = json.loads((tmp_path / "report" / "conformance.json").read_text())
    assert report["driver"]["name"] == "MemoryDriver"
    assert report["driver"]["distribution"] == "asynctasq"
    assert report["verdict"] == "CONFORMANT"


def test_a_driver_that_cannot_be_reached_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """`run URL` says why a driver can't be tested, and exits 3."""
    assert main(["run", "nothing-of-the-kind://host"]) == UNREACHABLE
    assert "DriverNotFound" in capsys.readouterr().err


def test_a_run_needs_a_url_or_installed(capsys: pytest.CaptureFixture[str]) -> None:
    """`run` without a URL says what to type."""
    assert main(["run"]) == USAGE
    assert "asynctasq-conformance run memory://" in capsys.readouterr().err


def test_reports_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`compare` puts several reports side by side."""
    for name, verdict in (("One", "CONFORMANT"), ("Two", "PARTIAL")):
        document = {"driver": {"name": name}, "verdict": verdict, "traits": {"features": ["pausing"]}, "groups": {}}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    assert main(["compare", str(tmp_path / "One.json"), str(tmp_path / "Two.json")]) == 0
    table = capsys.readouterr().out
    assert "|  | One | Two |" in table
    assert "| verdict | CONFORMANT | PARTIAL |" in table


def test_the_sentences_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`sentences` prints the table of the contract."""
    assert main(["sentences"]) == 0
    assert "| SET-7 | STALE: redelivered. |" in capsys.readouterr().out
