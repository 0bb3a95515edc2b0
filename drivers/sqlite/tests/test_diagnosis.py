"""Findings for operators."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asynctasq_sqlite import diagnosis
from asynctasq_sqlite.diagnosis import has_wal_reset_bug

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("version", "has_bug"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
    ],
)
def test_versions_with_the_wal_reset_bug(version: tuple[int, ...], has_bug: bool) -> None:
    """The bug came with WAL, and went with 3.51.3 and two releases of older branches."""
    assert has_wal_reset_bug(version) == has_bug


async def codes(driver: Any) -> set[str]:
    return {finding.code for finding in await driver.diagnose()} - {"sqlite_wal_reset_bug"}


async def test_a_store_in_order_has_no_findings(open_driver: Callable[..., Any]) -> None:
    """Default settings on a local disk: nothing to change but, maybe, SQLite itself."""
    assert await codes(await open_driver()) == set()


async def test_what_should_be_changed_is_found(
    open_driver: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    """Relaxed durability, a log that does not shrink, and a network file system."""
    driver = await open_driver(synchronous="normal")
    monkeypatch.setattr(diagnosis, "LARGE_LOG", 0)
    monkeypatch.setattr(diagnosis, "_file_system_of", lambda _: "nfs4")
    assert await codes(driver) == {"sqlite_synchronous_normal", "sqlite_large_log", "sqlite_network_file_system"}


def test_the_file_system_is_found(path: Path) -> None:
    """The mount with the longest name above the file decides."""
    assert diagnosis._file_system_of("/proc/self/status") in ("proc", None)
