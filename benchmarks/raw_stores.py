"""The raw cycle of each store that a benchmark can name by URL."""

from pathlib import Path
from typing import Protocol


class RawStore(Protocol):
    """Insert, claim and delete, as bare as the store allows."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def insert(self, payloads: list[bytes]) -> None: ...
    async def drain(self, batch: int) -> float: ...


def raw_store(url: str, folder: Path) -> RawStore:
    """The raw store behind a driver's URL. Client libraries are imported when their store is asked for."""
    scheme = url.split(":", 1)[0]
    if scheme == "memory":
        from raw_memory import RawMemory

        return RawMemory()
    if scheme == "sqlite":
        from raw_sqlite import RawSQLite

        return RawSQLite(folder)
    if scheme in ("redis", "rediss"):
        from raw_redis import RawRedis

        return RawRedis(url)
    if scheme in ("postgres", "postgresql"):
        from raw_postgres import RawPostgres

        return RawPostgres(url)
    if scheme in ("mysql", "mariadb"):
        from raw_mysql import RawMySQL

        return RawMySQL(url)
    raise SystemExit(f"there is no raw cycle for {scheme}://; known are memory, sqlite, redis, postgresql and mysql")
