"""The ceiling on SQLite: one table, a claiming UPDATE and a batched DELETE, on a thread of its own.

WAL and synchronous=FULL, as the driver. It fences nothing, remembers nothing, counts nothing and knows one queue.
"""

import asyncio
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
    """One connection on one thread, called from the event loop through an executor, as any async client must."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "raw.db"
        self._thread = ThreadPoolExecutor(1)

    async def open(self) -> None:
        await self._call(self._open)

    def _open(self) -> None:
        self._connection = sqlite3.connect(self._path, isolation_level=None, cached_statements=512)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY", "cache_size=-16000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(TABLE)
        self._connection.execute(INDEX)

    async def close(self) -> None:
        await self._call(self._connection.close)
        self._thread.shutdown()

    async def insert(self, payloads: list[bytes]) -> None:
        """One transaction."""
        await self._call(self._insert, payloads)

    def _insert(self, payloads: list[bytes]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(INSERT, [(payload,) for payload in payloads])
        self._connection.execute("COMMIT")

    async def drain(self, batch: int) -> float:
        """Claim and delete everything, `batch` at a time, both in one transaction; the seconds that it took."""
        started = time.perf_counter()
        claimed: list[int] = []
        while claimed := await self._call(self._cycle, claimed, batch):
            pass
        return time.perf_counter() - started

    def _cycle(self, done: list[int], batch: int) -> list[int]:
        self._connection.execute("BEGIN IMMEDIATE")
        if done:
            self._connection.executemany(DELETE, [(key,) for key in done])
        rows = self._connection.execute(CLAIM, (batch,)).fetchall()
        self._connection.execute("COMMIT")
        return [row[0] for row in rows]

    async def _call(self, function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
