"""The pytest plugin of the suite. Every pytest run of the environment loads it, so it imports nothing heavy.

It gathers the outcomes of suite classes and says the verdict at the end; runs without a suite class are unchanged.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from asynctasq_conformance.report.gathering import Gatherer

SUITE_MARK = "__conformance_suite__"
PROPERTY = "asynctasq-conformance"

# Said here, because the plugin comes before whatever imports the suite.
pytest.register_assert_rewrite(
    *(f"asynctasq_conformance.{name}" for name in ("concurrency", "groups", "model", "others", "subject"))
)

_GATHERER: pytest.StashKey[Gatherer] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the suite."""
    group = parser.getgroup("asynctasq-conformance")
    group.addoption(
        "--conformance-report", metavar="FOLDER", help="write conformance.json, its Markdown and a badge into FOLDER"
    )
    group.addoption(
        "--conformance-profile",
        choices=["quick", "ci", "nightly"],
        help="how many random programs are played (or ASYNCTASQ_CONFORMANCE_PROFILE; quick by default)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Hand the profile on to the suite, in this process and in those that it starts, with one seed for all of them."""
    profile = config.getoption("--conformance-profile", default=None)
    if profile:
        os.environ["ASYNCTASQ_CONFORMANCE_PROFILE"] = profile
    if os.environ.get("ASYNCTASQ_CONFORMANCE_PROFILE") == "nightly":
        from asynctasq_conformance.model.profiles import chosen_seed

        chosen_seed("nightly")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Note, on the report itself, which test of the suite this was: reports travel between processes."""
    report: Any = yield
    suite: Any = getattr(getattr(item, "cls", None), SUITE_MARK, None)
    name = getattr(item, "originalname", "")
    if suite is not None and name in suite.groups:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        note = {"test": name, "event_loop": parameters.get("event_loop_name", ""), **suite.note(item)}
        report.user_properties.append((PROPERTY, note))
    return report


def pytest_sessionstart(session: pytest.Session) -> None:
    """Gather what reports say, wherever the tests ran."""
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_ReportReader(session.config), "asynctasq-conformance-reader")


class _ReportReader:
    """Reads the notes off the reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather one outcome."""
        properties: dict[str, Any] = dict(report.user_properties)
        note = properties.get(PROPERTY)
        if note is not None:
            from asynctasq_conformance.report.gathering import Gatherer

            self._config.stash.setdefault(_GATHERER, Gatherer()).add(note, report)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say the verdicts."""
        gatherer = self._config.stash.get(_GATHERER, None)
        if gatherer is not None:
            terminalreporter.section("asynctasq conformance")
            for line in gatherer.lines():
                terminalreporter.line(line)

    def pytest_sessionfinish(self) -> None:
        """Write the report, if it was asked for."""
        gatherer = self._config.stash.get(_GATHERER, None)
        folder = self._config.getoption("--conformance-report", default=None)
        if gatherer is not None and folder:
            gatherer.write(Path(folder))
