"""The ceiling on SQLite: one table, a claiming UPDATE and a batched DELETE, on a thread of its own. Nothing of a contract.

WAL and synchronous=FULL, as the driver. It fences nothing, remembers nothing, counts nothing and knows one queue.
"""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TABLE = """
CREATE TABLE task(
  id INTEGER PRIMARY KEY, queue TEXT NOT NULL DEFAULT 'default', status INTEGER NOT NULL DEFAULT 0,
  run_at REAL NOT NULL DEFAULT 0, lease REAL, attempt INTEGER NOT NULL DEFAULT 0, payload BLOB NOT NULL)
"""
INDEX = "CREATE INDEX waiting ON task(queue, run_at, id) WHERE status = 0"
INSERT = "INSERT INTO task(payload) VALUES (?)"
CLAIM = """
UPDATE task SET status = 1, attempt = attempt + 1, lease = 1e10 WHERE id IN (
  SELECT id FROM task WHERE queue = 'default' AND status = 0 AND run_at <= 1 ORDER BY run_at, id LIMIT ?)
RETURNING id, payload
"""
DELETE = "DELETE FROM task WHERE id = ?"


class RawSQLite:
    """One connection on one thread, called from the event loop's thread through an executor."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._thread.submit(self._open, folder / "raw.db").result()

    def _open(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY", "cache_size=-16000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(TABLE)
        self._connection.execute(INDEX)

    def close(self) -> None:
        self._thread.submit(self._connection.close).result()
        self._thread.shutdown()

    def insert(self, payloads: list[bytes]) -> None:
        """One transaction."""
        self._thread.submit(self._insert, payloads).result()

    def _insert(self, payloads: list[bytes]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(INSERT, [(payload,) for payload in payloads])
        self._connection.execute("COMMIT")

    def drain(self, batch: int) -> float:
        """Claim and delete everything, `batch` at a time, both in one transaction; the seconds that it took."""
        started = time.perf_counter()
        claimed: list[int] = []
        while True:
            claimed = self._thread.submit(self._cycle, claimed, batch).result()
            if not claimed:
                return time.perf_counter() - started

    def _cycle(self, done: list[int], batch: int) -> list[int]:
        self._connection.execute("BEGIN IMMEDIATE")
        if done:
            self._connection.executemany(DELETE, [(key,) for key in done])
        rows = self._connection.execute(CLAIM, (batch,)).fetchall()
        self._connection.execute("COMMIT")
        return [row[0] for row in rows]
