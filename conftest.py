"""What every test of this repository shares."""

import importlib.util
import sys
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent
BACKEND = "backend: "
"""So begins the reason of a skip for want of a server or its programs."""
MACHINE = "machine: "
"""So begins the reason of a skip for what only the machine can give, such as the right to mount a file system."""
_SERVERS: pytest.StashKey[ExitStack] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-backends",
        action="store_true",
        help="a backend that is not there fails the tests that need it, instead of skipping them",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start private servers for the drivers whose tests are to run, unless a URL says where one is."""
    sys.path.insert(0, str(ROOT))
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    backends = _private_backends()
    stack = config.stash[_SERVERS] = ExitStack()
    for name in backends.needed(config.args):
        stack.enter_context(backends.private_backend(name))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the private servers."""
    stack = config.stash.get(_SERVERS, None)
    if stack is not None:
        stack.close()


def _private_backends() -> ModuleType:
    spec = importlib.util.spec_from_file_location("private_backends", ROOT / "tests" / "private_backends.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def anyio_backend() -> str:
    """asyncio, unless a folder's own conftest says more."""
    return "asyncio"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With `--require-backends` no test that needs a backend may be skipped."""
    report = yield
    reason = what_is_missing(report, BACKEND)
    if reason is not None and item.config.getoption("--require-backends"):
        report.outcome = "failed"
        report.longrepr = f"{BACKEND}{reason}\n--require-backends: this backend has to be there"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what could not be tested, and why: the letter `s` among thousands of dots says nothing."""
    skipped = terminalreporter.getreports("skipped")
    sections = (
        (BACKEND, "for want of a backend", "with --require-backends each of these is a failure"),
        (MACHINE, "for what this machine lacks", "another machine, or more rights on this one, would test it"),
    )
    for prefix, why, cure in sections:
        reasons = Counter(reason for report in skipped if (reason := what_is_missing(report, prefix)) is not None)
        if not reasons:
            continue
        terminalreporter.section(f"NOT TESTED, {why}", yellow=True, bold=True)
        for reason, count in reasons.most_common():
            terminalreporter.line(f"{count:5} x {reason}", yellow=True)
        terminalreporter.line(f"      {cure}", yellow=True)


def what_is_missing(report: pytest.TestReport | pytest.CollectReport, prefix: str) -> str | None:
    """Why a test was skipped, if its reason begins with this prefix."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return None
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    _, found, what = reason.partition(prefix)
    return what if found else None
