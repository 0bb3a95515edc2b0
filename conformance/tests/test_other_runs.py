"""Whoever has the suite installed, and runs other tests, notices nothing of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import pytest

BLOCKED = ("-p", "no:asynctasq_conformance")
PLUGIN = {"asynctasq_conformance", "asynctasq_conformance.pytest_plugin"}

TESTS = """
import unittest
import pytest

@pytest.fixture(params=[1, 2])
def number(request):
    return request.param

def test_passes(number):
    assert number

def test_fails():
    assert [1] == [2]

def test_breaks(nothing_of_this_name):
    pass

@pytest.mark.skip(reason="not today")
def test_is_skipped():
    pass

@pytest.mark.xfail(reason="known")
def test_is_expected_to_fail():
    assert False

class TestOfUnittest(unittest.TestCase):
    def test_passes(self):
        self.assertTrue(True)
"""
CONFTEST = """
import json, os, sys

during_tests = []

def pytest_sessionfinish():
    during_tests.extend(sys.modules)

def pytest_unconfigure(config):
    seen = {"during_tests": during_tests, "modules": [*sys.modules], "environment": dict(os.environ)}
    with open(os.environ["SEEN"], "w") as file:
        json.dump(seen, file)
"""


@dataclass(frozen=True)
class Run:
    """What a run of other people's tests printed, wrote, loaded and left in the environment."""

    output: str
    results: list[object]
    modules: frozenset[str]
    during_tests: frozenset[str]
    """Those modules that had been loaded before the summary was written."""
    environment: dict[str, str]


def run(folder: Path, *arguments: str) -> Run:
    """Run pytest on a project that knows nothing of the suite."""
    folder.mkdir(exist_ok=True)
    (folder / "test_other.py").write_text(TESTS)
    (folder / "conftest.py").write_text(CONFTEST)
    # Not in many words: the plugin of hypothesis would load hypothesis to print its profile.
    command = [sys.executable, "-m", "pytest", "-rA", "-c", os.devnull, "--rootdir", ".", "-p", "no:cacheprovider"]
    command += ["--junitxml", "results.xml", "--strict-markers", "-W", "error", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "ASYNCTASQ"))}
    environment["SEEN"] = str(folder / "seen.json")
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seen = json.loads((folder / "seen.json").read_text())
    results: list[object] = []
    if (folder / "results.xml").exists():
        for element in ElementTree.parse(folder / "results.xml").iter():
            told = {name: value for name, value in element.attrib.items() if name not in ("time", "timestamp")}
            results.append((element.tag, told, (element.text or "").strip()))
    output = re.sub(r"\d+\.\d+s", "TIME", ran.stdout + ran.stderr).replace(str(folder), "FOLDER")
    output = re.sub(r"asynctasq-conformance-[\d.]+, |, asynctasq-conformance-[\d.]+", "", output)
    modules, during_tests = frozenset(seen["modules"]), frozenset(seen["during_tests"])
    return Run(output, results, modules, during_tests, seen["environment"])


@pytest.fixture(scope="module")
def with_and_without(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The same run with the suite's plugin, and with the plugin blocked."""
    folder = tmp_path_factory.mktemp("other")
    return run(folder), run(folder, *BLOCKED)


def test_nothing_but_the_light_plugin_is_loaded(with_and_without: tuple[Run, Run]) -> None:
    """Without a suite class the plugin's own module is all that is loaded: no suite, no hypothesis."""
    installed, blocked = with_and_without
    assert installed.modules - blocked.modules == PLUGIN
    # For the summary the plugin of hypothesis loads hypothesis, whoever else is there.
    assert not {name for name in installed.during_tests if name.partition(".")[0] == "hypothesis"}


def test_the_same_is_printed_and_written(with_and_without: tuple[Run, Run]) -> None:
    """Not a line of the output, but for the list of plugins, nor of the results in XML, nor a variable is different."""
    installed, blocked = with_and_without
    assert "1 failed, 3 passed, 1 skipped, 1 xfailed, 1 error" in installed.output
    assert installed.output == blocked.output
    assert installed.results == blocked.results
    assert installed.environment == blocked.environment


@pytest.mark.parametrize("question", ["--fixtures", "--markers"])
def test_no_fixture_and_no_marker_is_added(question: str, tmp_path: Path) -> None:
    """What can be used in other tests is what could be used before."""
    assert run(tmp_path, question).output == run(tmp_path, question, *BLOCKED).output


def test_only_the_suites_own_options_are_added(tmp_path: Path) -> None:
    """Two options that begin with `--conformance-` are all that there is more."""

    def options(*arguments: str) -> set[str]:
        return set(re.findall(r"^  (--?[\w-]+)", run(tmp_path, "--help", *arguments).output, re.MULTILINE))

    assert options() - options(*BLOCKED) == {"--conformance-report", "--conformance-profile"}
    assert options(*BLOCKED) <= options()
