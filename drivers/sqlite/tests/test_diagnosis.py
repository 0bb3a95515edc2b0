"""Findings for operators."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asynctasq_sqlite import SQLiteConfig
from asynctasq_sqlite.diagnosis import LARGE_LOG, diagnose, file_system_of, has_wal_reset_bug

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


def test_what_should_be_changed_is_found(tmp_path: Path) -> None:
    """Relaxed durability, a log that does not shrink, and a network file system."""
    path, mounts = tmp_path / "queue.db", tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/export {tmp_path} nfs4 rw 0 0\n")
    with path.with_name("queue.db-wal").open("wb") as log:
        log.truncate(LARGE_LOG + 1)
    found = diagnose(SQLiteConfig(synchronous="normal"), str(path), mounts=str(mounts))
    assert {finding.code for finding in found} - {"sqlite_wal_reset_bug"} == {
        "sqlite_synchronous_normal",
        "sqlite_large_log",
        "sqlite_network_file_system",
    }


def test_the_file_system_is_found(tmp_path: Path) -> None:
    """The mount with the longest name above the file decides; a name with a blank is read as the system writes it."""
    mounts = tmp_path / "mounts"
    mounts.write_text("none / ext4 rw 0 0\nnone /data nfs rw 0 0\nnone /data/my\\040disk xfs rw 0 0\n")
    assert file_system_of("/data/my disk/queue.db", str(mounts)) == "xfs"
    assert file_system_of("/data/my/queue.db", str(mounts)) == "nfs"
    assert file_system_of("/database/queue.db", str(mounts)) == "ext4"
    assert file_system_of("/data/queue.db", str(tmp_path / "none")) is None
