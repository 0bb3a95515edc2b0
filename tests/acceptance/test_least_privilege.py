"""The least privilege that SECURITY.md gives a worker or an application is enough for all that they do."""

import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiomysql
import asyncpg
import pytest
from redis.asyncio import Redis

from asynctasq import Config, DriverFactory, MonitoringService, TaskState, init
from asynctasq.testing import drain
from tests.acceptance.best_practice_application import charge, dead_letter
from tests.acceptance.notes import notes
from tests.acceptance.workers import PATIENCE, working
from tests.backend_urls import server_url

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]
SECURITY = Path(__file__).parents[2] / "SECURITY.md"
_RUN = uuid.uuid4().hex[:8]
USER = f"least-privilege-{_RUN}"
OWN = f"least_privilege_{_RUN}"
"""A schema, a database or a namespace of the test's own, which nobody else on that server has."""


def shown(heading: str, language: str) -> str:
    """The block of SECURITY.md below the line that begins with this heading."""
    text = SECURITY.read_text().partition(f"\n{heading}")[2]
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def as_user(url: str, *, path: str | None = None, query: str) -> str:
    """The same server, as the user with the fewest rights."""
    parts = urlsplit(url)
    place = f"{USER}:secret@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit((parts.scheme, place, parts.path if path is None else path, query, ""))


async def work_is_done(url: str) -> int:
    """A worker and an application do all that they ever do: dispatch, run, retry, bury, report, look, pause, purge.

    Gives the number of tasks that ran well.
    """
    init(url=url)
    dead = await dead_letter(1)
    handle = await charge(1).unique("one").dispatch()
    await charge(2).delay(3600).task_id("later").dispatch()
    async with working(heartbeat_interval=0.05):
        assert await handle.result(timeout=PATIENCE) == 1
    assert notes == [("admin", "the bank does not answer"), 1]
    async with Config.get().open_driver() as driver:
        monitoring = MonitoringService(driver)
        assert {info.status async for info in _infos(monitoring)} == {"pending", "failed", "completed"}
        assert driver.pausing is not None
        await driver.pausing.pause(["default"])
        assert await driver.pausing.paused_queues() == {"default"}
        await driver.pausing.resume(["default"])
        assert await monitoring.retry_task(dead)
        await driver.cancel_many(["later"])
        assert (await driver.get_tasks(["later"]))["later"].state is TaskState.CANCELLED
        assert [finding.code for finding in await driver.diagnose() if "denied" in finding.message] == []
        await drain()
        await driver.purge(["default"])
        stats = (await driver.queue_stats(["default"]))["default"]
        assert stats.dead == 0
        return stats.total_completed


async def _infos(monitoring: MonitoringService) -> AsyncIterator[object]:
    for info in (await monitoring.get_task_infos())[0]:
        yield info


async def test_redis() -> None:
    """The ACL for Redis and Valkey, as it is printed, for a namespace."""
    url = server_url("redis")
    acl = shown("Redis and Valkey", "").replace("{asynctasq}", f"{{{OWN}}}").split()
    assert acl[:3] == ["ACL", "SETUSER", "queue"]
    async with Redis.from_url(url) as administrator:
        await administrator.execute_command(*acl[:2], USER, *acl[3:])
        try:
            assert await work_is_done(as_user(url, query=f"namespace={OWN}")) == 1
        finally:
            await administrator.execute_command("ACL", "DELUSER", USER)
            keys = [key async for key in administrator.scan_iter(match=f"asynctasq:{{{OWN}}}:*", count=1000)]
            await administrator.delete(*keys, "asynctasq:no-such-key")  # it wants one at least
        assert keys


@asynccontextmanager
async def created(administrator: Any, create: str, drop: str) -> AsyncIterator[None]:
    """What the first statement creates is gone at the end; if it fails, nothing is dropped."""
    await administrator.execute(create)
    try:
        yield
    finally:
        await administrator.execute(drop)


async def test_postgres() -> None:
    """The grants for PostgreSQL, as they are printed, in a schema that somebody else has migrated."""
    url = server_url("postgres")
    grants = re.sub(r"\bapp\b", f'"{USER}"', re.sub(r"\bqueue\b", OWN, shown("PostgreSQL", "sql")))
    create_role = f"create role \"{USER}\" login password 'secret'"
    drop_role = f'drop owned by "{USER}"; drop role "{USER}"'
    administrator = await asyncpg.connect(url)
    try:
        async with (
            created(administrator, create_role, drop_role),
            created(administrator, f"create schema {OWN}", f"drop schema {OWN} cascade"),
        ):
            await DriverFactory.create(f"{url}?schema={OWN}").prepare_storage()
            await administrator.execute(grants)
            assert await work_is_done(as_user(url, query=f"schema={OWN}")) == 1
    finally:
        await administrator.close()


@asynccontextmanager
async def database(url: str) -> AsyncIterator[aiomysql.Cursor]:
    """An administrator's cursor, and an empty database, both gone at the end."""
    parts = urlsplit(url)
    administrator = await aiomysql.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        autocommit=True,
    )
    try:
        async with administrator.cursor() as cursor:
            await cursor.execute(f"create database {OWN}")
            try:
                yield cursor
            finally:
                await cursor.execute(f"drop database {OWN}")
    finally:
        administrator.close()


async def test_mysql() -> None:
    """The grants for MySQL and MariaDB, as they are printed, in a database that somebody else has migrated."""
    url = server_url("mysql")
    async with database(url) as cursor:
        # A nameless user of the host from which we come, which a fresh server may have, would win over '%'.
        await cursor.execute("select substring_index(user(), '@', -1)")
        [host] = await cursor.fetchone()
        user = f"'{USER}'@'{host}'"
        grant = shown("MySQL and MariaDB", "sql").replace("queue.*", f"{OWN}.*").replace("'app'@'%'", user)
        await cursor.execute(f"create user {user} identified by 'secret'")
        try:
            parts = urlsplit(url)
            await DriverFactory.create(urlunsplit(parts._replace(path=f"/{OWN}"))).prepare_storage()
            await cursor.execute(grant)
            assert await work_is_done(as_user(url, path=f"/{OWN}", query="")) == 1
        finally:
            await cursor.execute(f"drop user {user}")
