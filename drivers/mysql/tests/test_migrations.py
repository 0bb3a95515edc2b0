"""The storage is created, upgraded, and refused when it does not fit."""

from pathlib import Path

import anyio
import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver
from asynctasq_mysql.connections import open_connection
from asynctasq_mysql.migrations import SCHEMA, check_version, latest_version, migrate
from asynctasq_mysql.storage_names import StorageNames

from asynctasq.driver_api import Complete, NewTask, SettleOutcome, StorageMissing, StorageTooNew

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


@pytest.fixture
def next_schema(tmp_path: Path) -> Path:
    """The released migrations, and one that is not: it adds a column and an index, and fills the column."""
    for entry in SCHEMA.iterdir():
        (tmp_path / entry.name).write_text(entry.read_text(encoding="utf-8"))
    (tmp_path / f"{latest_version() + 1:04}_tenants.sql").write_text(
        "-- Every statement can run again.\n"
        "ALTER TABLE {task} ADD COLUMN tenant VARCHAR(20) CHARACTER SET ascii NOT NULL DEFAULT 'nobody';\n"
        "UPDATE {task} SET tenant = 'somebody' WHERE priority_order = 1;\n"
        "CREATE INDEX by_tenant ON {task} (tenant)\n"
    )
    return tmp_path


async def test_an_upgrade_with_rows_in_it(own_tables: MySQLConfig, next_schema: Path) -> None:
    """A newer driver finds an older version `StorageMissing`, upgrades it once, and finds every task as it was."""
    names = StorageNames(own_tables)
    await MySQLDriver(own_tables).prepare_storage()
    async with MySQLDriver(own_tables) as driver:
        await driver.enqueue_many(
            [NewTask(id=str(n), queue="q", name="n", payload=b"x", priority=n) for n in range(10)]
        )
        [delivery] = await driver.reserve(["q"], limit=1, lease=600.0, worker="worker")
        before = await driver.get_tasks([str(n) for n in range(9)])
        connection = await open_connection(own_tables)
        found, wanted = latest_version(), latest_version() + 1
        with pytest.raises(StorageMissing, match=rf"Schema out of date.*found version {found} .*wanted {wanted}"):
            await check_version(connection, names, next_schema)
        planned = await migrate(connection, names, dry_run=True, folder=next_schema)
        assert await migrate(connection, names, dry_run=False, folder=next_schema) == planned
        assert [statement.split()[0] for statement in planned] == ["ALTER", "UPDATE", "CREATE", "INSERT"]
        assert await migrate(connection, names, dry_run=False, folder=next_schema) == []
        await check_version(connection, names, next_schema)
        await connection.close(1.0)
        assert await driver.get_tasks([str(n) for n in range(9)]) == before
        assert await driver.settle_many([Complete(receipt=delivery.receipt)]) == [SettleOutcome.APPLIED]
    tenants = Administrator(own_tables).run("SELECT tenant, COUNT(*) FROM {task} GROUP BY tenant")
    assert dict(tenants) == {"nobody": 8, "somebody": 1}
    with pytest.raises(StorageTooNew, match=f"version {wanted}"):
        await MySQLDriver(own_tables).connect()


async def test_a_newer_schema_is_refused(own_tables: MySQLConfig) -> None:
    """A newer version is `StorageTooNew`, for `connect()` and `prepare_storage()`."""
    await MySQLDriver(own_tables).prepare_storage()
    Administrator(own_tables).run("INSERT INTO {migrations} (version, file, applied_us) VALUES (99, 'x', 0)")
    with pytest.raises(StorageTooNew, match="version 99"):
        await MySQLDriver(own_tables).connect()
    with pytest.raises(StorageTooNew, match="Upgrade asynctasq-mysql"):
        await MySQLDriver(own_tables).prepare_storage()
