"""The storage is created, upgraded, and refused when it does not fit."""

import anyio
import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver
from asynctasq_mysql.migrations import latest_version, migration_files

from asynctasq.driver_api import NewTask, StorageMissing, StorageTooNew

from .harness import Administrator

pytestmark = pytest.mark.anyio


def tables_of(settings: MySQLConfig) -> list[str]:
    """The names of all tables of this queue table."""
    pattern = settings.queue_table.replace("_", r"\_")
    return [row[0] for row in Administrator(settings).run(f"SHOW TABLES LIKE '{pattern}%'")]


async def test_a_missing_schema_names_the_cure(own_tables: MySQLConfig) -> None:
    """Without a schema `connect()` raises `StorageMissing`, which names the command that creates it."""
    with pytest.raises(StorageMissing, match=r"Schema missing\. Run: asynctasq migrate --driver mysql"):
        await MySQLDriver(own_tables).connect()


async def test_a_dry_run_changes_nothing(own_tables: MySQLConfig) -> None:
    """A dry run gives the statements that would run, and runs none; the real run runs those."""
    driver = MySQLDriver(own_tables)
    planned = await driver.prepare_storage(dry_run=True)
    assert tables_of(own_tables) == []
    assert await driver.prepare_storage() == planned
    assert await driver.prepare_storage() == []
    created = [statement for statement in planned if statement.startswith("CREATE TABLE")]
    assert len(tables_of(own_tables)) == len(created) >= 10
    assert all(f"`test`.`{own_tables.queue_table}" in statement for statement in planned)


async def test_concurrent_migrations(own_tables: MySQLConfig) -> None:
    """Of concurrent callers one migrates, and the others find it done."""
    results: list[list[str]] = []

    async def prepare() -> None:
        results.append(await MySQLDriver(own_tables).prepare_storage())

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(prepare)
    assert sorted(map(bool, results)) == [False, False, False, True]


async def test_a_migration_that_broke_off_goes_on(own_tables: MySQLConfig) -> None:
    """The server can't undo a half of a migration; the next one completes it, and keeps what is there."""
    planned = await MySQLDriver(own_tables).prepare_storage(dry_run=True)
    Administrator(own_tables).run(*planned[:5])
    with pytest.raises(StorageMissing):
        await MySQLDriver(own_tables).connect()
    await MySQLDriver(own_tables).prepare_storage()
    async with MySQLDriver(own_tables) as driver:
        await driver.enqueue_many([NewTask(id="a", queue="q", name="n", payload=b"")])


async def test_an_older_schema_is_out_of_date(own_tables: MySQLConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older version is `StorageMissing`; upgrading it keeps the rows."""
    await MySQLDriver(own_tables).prepare_storage()
    async with MySQLDriver(own_tables) as driver:
        await driver.enqueue_many([NewTask(id="a", queue="q", name="n", payload=b"")])
    newer = migration_files() | {latest_version() + 1: "0001_initial.sql"}
    monkeypatch.setattr("asynctasq_mysql.migrations.migration_files", lambda: newer)
    driver = MySQLDriver(own_tables)
    with pytest.raises(StorageMissing, match=r"Schema out of date.*found version 1 .*wanted 2"):
        await driver.connect()
    assert await driver.prepare_storage()
    async with driver:
        assert [*await driver.get_tasks(["a"])] == ["a"]


async def test_a_newer_schema_is_refused(own_tables: MySQLConfig) -> None:
    """A newer version is `StorageTooNew`, for `connect()` and `prepare_storage()`."""
    await MySQLDriver(own_tables).prepare_storage()
    Administrator(own_tables).run("INSERT INTO {migrations} (version, file, applied_us) VALUES (99, 'x', 0)")
    with pytest.raises(StorageTooNew, match="version 99"):
        await MySQLDriver(own_tables).connect()
    with pytest.raises(StorageTooNew, match="Upgrade asynctasq-mysql"):
        await MySQLDriver(own_tables).prepare_storage()
