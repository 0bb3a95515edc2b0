"""The command line of the suite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asynctasq_conformance.command_line import UNREACHABLE, USAGE, main, what_a_harness_adds


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


def test_what_a_url_cannot_show_is_told() -> None:
    """What is claimed and takes a harness to be shown is named after a run, with the methods that show it."""
    told = what_a_harness_adds({"durable": ["restart_backend"], "transactions": ["begin_transaction"]})
    assert "A URL alone can't show durable and transactions" in told
    assert "begin_transaction() and restart_backend()" in told
    assert what_a_harness_adds({}) == ""


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
    assert cells(table, "") == ["One", "Two"]
    assert cells(table, "verdict") == ["CONFORMANT", "PARTIAL"]


def test_every_installed_driver_must_be_conformant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`compare --installed` has one column for each installed driver: what was not run is ABSENT, and exits 1."""
    for suite, trait in (("plain", "pausing"), ("special", "wake_ups")):
        document = {
            "driver": {"name": "MemoryDriver", "plugin": "memory"},
            "verdict": "CONFORMANT",
            "backend": suite,
            "traits": {"features": [trait]},
            "groups": {"pausing": {"outcome": "PASSED" if suite == "plain" else "ABSENT"}},
        }
        (tmp_path / suite).mkdir()
        (tmp_path / suite / "conformance.json").write_text(json.dumps(document))
    assert main(["compare", "--installed", str(tmp_path)]) == 1
    table = capsys.readouterr().out
    names = cells(table, "")
    assert names.count("memory") == 1
    verdicts = dict(zip(names, cells(table, "verdict"), strict=True))
    assert verdicts.pop("memory") == "CONFORMANT"
    assert set(verdicts.values()) == {"ABSENT"}
    column = names.index("memory")
    assert cells(table, "backend")[column] == "plain; special"
    assert cells(table, "wake_ups")[column] == "with special"
    assert cells(table, "group pausing")[column] == "yes"
    assert "sqlite is ABSENT: none of the reports is about it" in table


@pytest.mark.slow
def test_a_run_ends_in_time(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`--time-limit`: a run that takes longer is stopped, and reported for what it is."""
    status = main(["run", "memory://", "--report", str(tmp_path), "--profile", "nightly", "--time-limit", "20"])
    assert status == 1
    report = json.loads((tmp_path / "conformance.json").read_text())
    assert report["verdict"] == "NON_CONFORMANT"
    assert any(group["outcome"] == "INCOMPLETE" for group in report["groups"].values())
    assert "TestDriver: NON_CONFORMANT" in capfd.readouterr().out


def cells(table: str, title: str) -> list[str]:
    """The cells of the table's row of that title."""
    for line in table.splitlines():
        first, *others = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and first == title:
            return others
    raise AssertionError(f"no row {title!r} in:\n{table}")


def test_the_sentences_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`sentences` prints the table of the contract."""
    assert main(["sentences"]) == 0
    assert "| SET-7 | STALE: redelivered. |" in capsys.readouterr().out
