"""The ceiling on PostgreSQL: a claiming UPDATE with SKIP LOCKED, and a DELETE. It fences nothing."""

import time
import uuid

import asyncpg

TABLE = """
CREATE TABLE {table}(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run_at timestamptz NOT NULL DEFAULT now(),
  lease timestamptz, attempt int NOT NULL DEFAULT 0, payload bytea NOT NULL);
CREATE INDEX ON {table}(run_at, id) WHERE lease IS NULL;
"""
INSERT = "INSERT INTO {table}(payload) SELECT unnest($1::bytea[])"
CLAIM = """
UPDATE {table} SET lease = now() + interval '30 s', attempt = attempt + 1 WHERE id IN (
  SELECT id FROM {table} WHERE lease IS NULL AND run_at <= now() ORDER BY run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id, payload
"""
DELETE = "DELETE FROM {table} WHERE id = ANY($1::bigint[])"


class RawPostgres:
    """Two statements a cycle on one connection."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._table = f"raw_{uuid.uuid4().hex}"

    async def open(self) -> None:
        self._connection = await asyncpg.connect(self._url)
        await self._connection.execute(TABLE.format(table=self._table))

    async def close(self) -> None:
        await self._connection.execute(f"DROP TABLE {self._table}")
        await self._connection.close()

    async def insert(self, payloads: list[bytes]) -> None:
        """One statement."""
        await self._connection.execute(INSERT.format(table=self._table), payloads)

    async def drain(self, batch: int) -> float:
        """Claim and delete everything, `batch` at a time; the seconds that it took."""
        claim = await self._connection.prepare(CLAIM.format(table=self._table))
        delete = DELETE.format(table=self._table)
        started = time.perf_counter()
        while rows := await claim.fetch(batch):
            await self._connection.execute(delete, [row[0] for row in rows])
        return time.perf_counter() - started
