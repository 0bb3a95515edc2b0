"""What the acceptance tests share: an application of their own, on each real driver that a test asks for."""

import os
import re
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import asynctasq.app
from asynctasq.config import set_current, set_flags
from asynctasq.memory import drop_store
from asynctasq.tasks.task_ids import new_task_id
from tests.acceptance.seed_lines import ADVICE, SEED, STILL_TO_COME

REDIS_URL = os.environ.get("ASYNCTASQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")


@pytest.fixture
def fresh_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder, an environment without settings, and no configuration left behind."""
    for name in [name for name in os.environ if name.startswith("ASYNCTASQ_")]:
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
    """A namespace of the test's own on a running Redis, emptied at the end."""
    parts = urlsplit(REDIS_URL)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), timeout=2).close()
    except OSError:
        pytest.skip(f"backend: NO REDIS SERVER at {parts.hostname}:{parts.port}; set ASYNCTASQ_TEST_REDIS_URL")
    from redis.asyncio import Redis

    namespace = f"acceptance-{new_task_id()}"
    yield f"{REDIS_URL}?namespace={namespace}"
    async with Redis.from_url(REDIS_URL) as client:
        keys = [key async for key in client.scan_iter(match=f"*{namespace}*", count=1000)]
        if keys:
            await client.delete(*keys)


# -- the best practices, line by line

_outcomes: dict[int, set[str]] = {}
_line_of = re.compile(r"/test_best_practices\.py::test_line_(\d+)_").search


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
