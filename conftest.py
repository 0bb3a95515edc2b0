"""What every test of this repository shares."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-backends",
        action="store_true",
        help="a backend that is not there fails the tests that need it, instead of skipping them",
    )


@pytest.fixture
def anyio_backend() -> str:
    """asyncio, unless a folder's own conftest says more."""
    return "asyncio"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """With `--require-backends` no test that needs a backend may be skipped in silence."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--require-backends"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "backend:" in reason:
            report.outcome = "failed"
            report.longrepr = f"{reason}\n--require-backends: this backend has to be there"
    return report
