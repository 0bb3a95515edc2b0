"""The ceiling on MySQL and MariaDB: SELECT ... SKIP LOCKED, UPDATE, COMMIT, and a DELETE. It fences nothing."""

import time
import uuid
from urllib.parse import urlsplit

import aiomysql

TABLE = """
CREATE TABLE {table}(
  id bigint AUTO_INCREMENT PRIMARY KEY, leased tinyint NOT NULL DEFAULT 0, run_at bigint NOT NULL DEFAULT 0,
  attempt int NOT NULL DEFAULT 0, payload mediumblob NOT NULL, KEY waiting(leased, run_at, id)) ENGINE=InnoDB
"""
CLAIM = """
SELECT id, payload FROM {table} WHERE leased = 0 AND run_at <= 1
ORDER BY run_at, id LIMIT {batch} FOR UPDATE SKIP LOCKED
"""
ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
LEASE = "UPDATE {table} SET leased = 1, attempt = attempt + 1 WHERE id IN ({ids})"


class RawMySQL:
    """Four round trips a cycle on one connection at READ COMMITTED."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._table = f"raw_{uuid.uuid4().hex}"

    async def open(self) -> None:
        url = self._url
        self._connection = await aiomysql.connect(
            host=url.hostname,
            port=url.port or 3306,
            user=url.username or "root",
            password=url.password or "",
            db=url.path.lstrip("/"),
            autocommit=False,
            init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        )
        self._cursor = await self._connection.cursor()
        await self._cursor.execute(TABLE.format(table=self._table))

    async def close(self) -> None:
        await self._cursor.execute(f"DROP TABLE {self._table}")
        self._connection.close()

    async def insert(self, payloads: list[bytes]) -> None:
        """One multi-row statement."""
        values = ",".join(["(%s)"] * len(payloads))
        await self._cursor.execute(f"INSERT INTO {self._table}(payload) VALUES {values}", payloads)
        await self._connection.commit()

    async def drain(self, batch: int) -> float:
        """Claim and delete everything, `batch` at a time; the seconds that it took."""
        started = time.perf_counter()
        while True:
            await self._cursor.execute(CLAIM.format(table=self._table, batch=batch))
            ids = ",".join(str(row[0]) for row in await self._cursor.fetchall())
            if not ids:
                await self._connection.commit()
                return time.perf_counter() - started
            await self._cursor.execute(LEASE.format(table=self._table, ids=ids))
            await self._connection.commit()
            await self._cursor.execute(f"DELETE FROM {self._table} WHERE id IN ({ids})")
            await self._connection.commit()
