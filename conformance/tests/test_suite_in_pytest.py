"""The author's lines work in an empty folder under plain pytest, whatever else is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

AUTHORS_LINES = """
from asynctasq_conformance import DriverConformance, DriverHarness
from asynctasq_conformance.mutants.plain_driver import PlainDriver
from asynctasq_conformance.mutants.plain_storage import HandClock, Storage

class AcmeHarness(DriverHarness):
    def __init__(self):
        self.storages = {}
        self.clock = HandClock()

    async def open_driver(self, namespace):
        return PlainDriver(self.storages.setdefault(namespace, Storage()), self.clock)
"""
SUITE_CLASS = """
class TestAcme(DriverConformance):
    harness = AcmeHarness()
"""
WHOLE_SUITE_CLASS = """
from asynctasq_conformance.mutants.plain_harness import PlainHarness

class TestAcme(DriverConformance):
    harness = PlainHarness()
"""


def run(folder: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in the folder, on a test module of this source."""
    (folder / "test_acme.py").write_text(AUTHORS_LINES + source)
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(folder), *arguments]
    command += ["-p", "no:cacheprovider", "-W", "error", "test_acme.py"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_authors_lines_are_enough(tmp_path: Path) -> None:
    """One harness with one method, one suite class, and plain pytest: every test runs on every event loop, and the
    verdict is told and written."""
    ran = run(tmp_path, SUITE_CLASS, "--conformance-report", "report")
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "test_acme::TestAcme: PARTIAL" in ran.stdout
    assert "transactions: claimed, but not shown: the harness has no begin_transaction" in ran.stdout
    report = json.loads((tmp_path / "report" / "conformance.json").read_text())
    assert report["verdict"] == "PARTIAL"
    assert report["event_loops"] == ["asyncio", "trio"]
    assert report["groups"]["settle"]["outcome"] == "PASSED"
    assert report["groups"]["transactions"]["missing"] == ["begin_transaction"]
    assert (tmp_path / "report" / "conformance.md").exists()
    assert (tmp_path / "report" / "conformance-badge.json").exists()


def test_a_run_in_several_processes_gives_the_same_report(tmp_path: Path) -> None:
    """pytest-xdist: outcomes of all processes make one report. A harness that can begin transactions is all that a
    driver with transactions needs to be CONFORMANT."""
    pytest.importorskip("xdist")
    ran = run(tmp_path, WHOLE_SUITE_CLASS, "-n", "2", "--conformance-report", "report")
    assert ran.returncode == 0, ran.stdout[-3000:]
    report = json.loads((tmp_path / "report" / "conformance.json").read_text())
    assert report["verdict"] == "CONFORMANT"


def test_a_run_of_some_tests_is_no_verdict_of_conformance(tmp_path: Path) -> None:
    """Core tests that were left out make the verdict NON_CONFORMANT."""
    ran = run(tmp_path, SUITE_CLASS, "-k", "completed")
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "test_acme::TestAcme: NON_CONFORMANT" in ran.stdout


def test_the_seed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed that was given is played, recorded in the report, and told at the end."""
    monkeypatch.setenv("ASYNCTASQ_CONFORMANCE_SEED", "42")
    ran = run(tmp_path, SUITE_CLASS, "-k", "agrees_with_the_model and asyncio", "--conformance-report", "report")
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "ASYNCTASQ_CONFORMANCE_SEED=42 plays the same random programs again" in ran.stdout
    assert '"seed": "42"' in (tmp_path / "report" / "conformance.json").read_text()


def test_a_suite_that_was_skipped_whole_is_absent(tmp_path: Path) -> None:
    """Without a backend nothing is said of the driver: no verdict, and no report."""
    source = (
        "import pytest\n"
        + SUITE_CLASS
        + """
    @pytest.fixture(autouse=True)
    def _server(self):
        pytest.skip("no server here")
"""
    )
    ran = run(tmp_path, source, "--conformance-report", "report")
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "test_acme::TestAcme: ABSENT (no server here)" in ran.stdout
    assert not (tmp_path / "report").exists()


def test_overriding_a_suite_test_is_an_error(tmp_path: Path) -> None:
    """A suite test that does not suit an author cannot be replaced."""
    source = SUITE_CLASS + "    def test_a_completed_task_is_done(self): pass\n"
    ran = run(tmp_path, source)
    assert ran.returncode != 0
    assert "TestAcme overrides test_a_completed_task_is_done" in ran.stdout


def test_a_known_gap_that_fails_is_expected(tmp_path: Path) -> None:
    """A declared gap that fails is reported with its reason."""
    gaps = """
class Gappy(AcmeHarness):
    known_gaps = {"test_payloads_are_bytes_when_they_come_back": "it is slow"}
    async def open_driver(self, namespace):
        from asynctasq_conformance.mutants.wrong_enqueueing import PayloadComesBackAsBytearray
        return PayloadComesBackAsBytearray(self.storages.setdefault(namespace, Storage()), self.clock)

class TestGappy(DriverConformance):
    harness = Gappy()
"""
    ran = run(tmp_path, gaps, "-k", "payloads_are_bytes_when", "-rx")
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "it is slow" in ran.stdout


def test_a_known_gap_that_passes_is_an_error(tmp_path: Path) -> None:
    """Gaps are strict: once the driver passes, the gap must go."""
    gaps = """
class Gappy(AcmeHarness):
    known_gaps = {"test_payloads_are_any_bytes": "it was so"}

class TestGappy(DriverConformance):
    harness = Gappy()
"""
    ran = run(tmp_path, gaps, "-k", "test_payloads_are_any_bytes")
    assert ran.returncode == 1
    assert "remove it from known_gaps" in ran.stdout


def test_a_known_gap_that_does_not_apply_is_an_error(tmp_path: Path) -> None:
    """A gap in what the driver or its harness has not is stale, and told."""
    gaps = """
class Gappy(AcmeHarness):
    known_gaps = {"test_leases_survive_a_restart": "the server forgets"}

class TestGappy(DriverConformance):
    harness = Gappy()
"""
    ran = run(tmp_path, gaps, "-k", "test_leases_survive_a_restart")
    assert ran.returncode == 1
    assert "does not apply (it needs restart_backend)" in ran.stdout


@pytest.mark.parametrize("error", ["RuntimeError('no settings')", "DriverUnavailable('nothing answers')"])
def test_a_known_gap_excuses_no_harness_and_no_server(tmp_path: Path, error: str) -> None:
    """What a harness raises, or a server that can't be reached, is no gap of the driver."""
    gaps = f"""
from asynctasq.driver_api import DriverUnavailable

class Gappy(AcmeHarness):
    event_loops = ("asyncio",)
    known_gaps = {{"test_payloads_are_any_bytes": "it was so"}}
    async def open_driver(self, namespace):
        raise {error}

class TestGappy(DriverConformance):
    harness = Gappy()
"""
    ran = run(tmp_path, gaps, "-k", "test_payloads_are_any_bytes")
    assert ran.returncode == 1
    assert "1 failed" in ran.stdout


def test_a_known_gap_that_names_no_test_is_an_error(tmp_path: Path) -> None:
    """A misspelt gap is told at once."""
    gaps = """
class Gappy(AcmeHarness):
    known_gaps = {"test_that_is_not_there": "?"}

class TestGappy(DriverConformance):
    harness = Gappy()
"""
    ran = run(tmp_path, gaps)
    assert ran.returncode != 0
    assert "names no example test of the suite: test_that_is_not_there" in ran.stdout
