"""What the acceptance tests share: an application of their own, on each real driver that a test asks for."""

import json
import logging
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import asynctasq.app
from asynctasq.config import set_current, set_flags
from asynctasq.memory import drop_store
from asynctasq.runtime.task_logging import JsonLogFormatter, TaskContextFilter
from asynctasq.tasks.task_ids import new_task_id
from tests.acceptance.notes import notes
from tests.acceptance.seed_lines import ADVICE, SEED, STILL_TO_COME
from tests.backend_urls import SERVERS, own_namespace


@pytest.fixture
def fresh_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder, an environment without settings (but for where the tests' servers are), and no configuration
    left behind."""
    for name in [name for name in os.environ if name.startswith("ASYNCTASQ_")]:
        if not name.startswith("ASYNCTASQ_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    set_flags({})
    set_current(None)
    yield
    asynctasq.app.application().stop_background()
    set_flags({})
    set_current(None)


@pytest.fixture
def memory_url(fresh_application: None) -> Iterator[str]:
    """A memory store of the test's own."""
    namespace = f"acceptance-{new_task_id()}"
    yield f"memory://?namespace={namespace}"
    drop_store(namespace)


@pytest.fixture
def sqlite_url(fresh_application: None, tmp_path: Path) -> str:
    """A SQLite file of the test's own."""
    return f"sqlite:///{tmp_path / 'tasks.db'}"


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest) -> str:
    """Each driver that needs no server."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
async def redis_url(fresh_application: None) -> AsyncIterator[str]:
    """A namespace of the test's own on a running Redis."""
    async with own_namespace("redis", prefix="acceptance") as url:
        yield url


@pytest.fixture
async def postgres_url(fresh_application: None) -> AsyncIterator[str]:
    """A namespace of the test's own on a running PostgreSQL."""
    async with own_namespace("postgres", prefix="acceptance") as url:
        yield url


@pytest.fixture
async def mysql_url(fresh_application: None) -> AsyncIterator[str]:
    """A namespace of the test's own on a running MySQL or MariaDB."""
    async with own_namespace("mysql", prefix="acceptance") as url:
        yield url


@pytest.fixture(params=SERVERS)
def server_url(request: pytest.FixtureRequest) -> str:
    """Each driver that needs a server."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(params=["memory", "sqlite", *SERVERS])
def every_url(request: pytest.FixtureRequest) -> str:
    """Each driver."""
    return request.getfixturevalue(f"{request.param}_url")


# -- what tasks leave behind


@pytest.fixture(autouse=True)
def _nothing_noted() -> Iterator[None]:
    notes.clear()
    yield
    notes.clear()


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What is logged, as `--log-format json` writes it."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Lines()
    handler.addFilter(TaskContextFilter())
    handler.setFormatter(JsonLogFormatter())
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in lines]
    logging.getLogger().removeHandler(handler)


# -- the best practices, line by line

_outcomes: dict[int, set[str]] = {}
_line_of = re.compile(r"/test_best_practices\w*\.py::test_line_(\d+)_").search


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember how the tests of each line ended."""
    found = _line_of(report.nodeid)
    if found is not None and (report.when == "call" or not report.passed):
        _outcomes.setdefault(int(found[1]), set()).add(report.outcome)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A table of the document's lines, after a run that had tests of them."""
    if not _outcomes:
        return
    terminalreporter.section("best practices, by line")
    for line, words in SEED.items():
        outcomes = _outcomes.get(line, set())
        worst = next((outcome for outcome in ("failed", "skipped", "passed") if outcome in outcomes), "not run")
        if line in ADVICE:
            worst = "advice"
        elif line in STILL_TO_COME:
            worst, words = "to come", f"{words} ({STILL_TO_COME[line]})"
        terminalreporter.write_line(f"{line:4}  {worst:8}{words}", red=worst == "failed", yellow=worst == "skipped")
