"""What an operator should change in this store."""

import os
import sqlite3
from collections.abc import Iterator

from asynctasq.driver_api import Finding
from asynctasq_sqlite.settings import SQLiteConfig

LARGE_LOG = 256 * 1024 * 1024
"""Bytes. A log is written back after some 4 MiB, unless a reader or a writer stands in the way all the time."""

_NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "fuse.glusterfs", "afs", "lustre"}
)


_MOUNTS = "/proc/self/mounts"


def diagnose(settings: SQLiteConfig, path: str, *, mounts: str = _MOUNTS) -> list[Finding]:
    """The findings for one database file. Reads file names and sizes only. `mounts`: the system's list of mounts."""
    return [
        *_old_sqlite(sqlite3.sqlite_version_info),
        *_settings(settings),
        *_large_log(path),
        *_file_system(path, mounts),
    ]


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether this version of SQLite may lose a transaction when a checkpoint and a commit meet at the log's reset."""
    if version < (3, 7, 0) or version > (3, 51, 2):
        return False
    return not ((3, 44, 6) <= version < (3, 45, 0) or (3, 50, 7) <= version < (3, 51, 0))


def _old_sqlite(version: tuple[int, ...]) -> Iterator[Finding]:
    if has_wal_reset_bug(version):
        shown = ".".join(map(str, version))
        yield Finding(
            code="sqlite_wal_reset_bug",
            severity="warning",
            message=f"SQLite {shown} has the WAL-reset bug: in rare cases, with several connections, a checkpoint that "
            "meets a commit damages the database.",
            cure="Use a Python that is built with SQLite 3.51.3 or newer, or with the fixed 3.50.7 or 3.44.6.",
        )


def _settings(settings: SQLiteConfig) -> Iterator[Finding]:
    if settings.synchronous != "full":
        yield Finding(
            code="sqlite_synchronous_normal",
            severity="warning",
            message="synchronous is NORMAL: a power cut may undo the last commits, so tasks may be lost or run again.",
            cure="Set synchronous=full, unless that is what you want.",
        )


def _large_log(path: str) -> Iterator[Finding]:
    try:
        size = os.stat(f"{path}-wal").st_size
    except OSError:
        return
    if size > LARGE_LOG:
        yield Finding(
            code="sqlite_large_log",
            severity="warning",
            message=f"The write-ahead log has {size / 2**20:.0f} MiB: it can't be written back into the database, and "
            "slows down all reading.",
            cure="Find the process that keeps a transaction open on this file, and end it. "
            "Then run `PRAGMA wal_checkpoint(TRUNCATE)`.",
        )


def _file_system(path: str, mounts: str) -> Iterator[Finding]:
    kind = file_system_of(path, mounts)
    if kind in _NETWORK_FILE_SYSTEMS:
        yield Finding(
            code="sqlite_network_file_system",
            severity="error",
            message=f"The database lies on a network file system ({kind}), where SQLite's locks and its shared memory "
            "don't work between machines: the file will be damaged.",
            cure="Move it to a local disk, or use the driver of a database server.",
        )


def file_system_of(path: str, mounts: str = _MOUNTS) -> str | None:
    """The type of the file system, where the system tells: that of the longest mount point above the file."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as listed:
            lines = [line.split(" ") for line in listed]
    except OSError:
        return None
    real = os.path.realpath(path)
    found: tuple[int, str] | None = None
    for _, place, kind, *_ in lines:
        point = place.replace("\\040", " ").rstrip("/") + "/"
        if real.startswith(point) and (found is None or len(point) >= found[0]):
            found = len(point), kind
    return None if found is None else found[1]
