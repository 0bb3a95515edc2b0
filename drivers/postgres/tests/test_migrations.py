"""The storage's versions."""

import asyncio

import asyncpg
import pytest
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.migrations import latest_version, migrate, migration_files, split_statements
from asynctasq_postgres.settings import PostgresConfig
from asynctasq_postgres.storage_names import StorageNames, read
from msgspec.structs import replace

from asynctasq.driver_api import Complete, NewTask, SettleOutcome, StorageMissing, StorageTooNew

pytestmark = pytest.mark.anyio


@pytest.fixture
def fresh(settings: PostgresConfig, schema: str) -> PostgresConfig:
    """Settings whose schema does not exist."""
    return replace(settings, schema=schema)


async def test_a_dry_run_tells_and_does_nothing(fresh: PostgresConfig) -> None:
    """`dry_run` returns the very statements that the real run then executes."""
    driver = PostgresDriver(fresh)
    planned = await driver.prepare_storage(dry_run=True)
    assert any(statement.startswith("CREATE TABLE") for statement in planned)
    with pytest.raises(StorageMissing):
        await driver.connect()
    assert await driver.prepare_storage() == planned
    assert await driver.prepare_storage() == []
    assert await driver.prepare_storage(dry_run=True) == []


async def test_concurrent_callers_prepare_once(fresh: PostgresConfig) -> None:
    """Ten processes that start at once: one of them creates the tables, the others find them."""
    drivers = [PostgresDriver(fresh) for _ in range(10)]
    done = await asyncio.gather(*(driver.prepare_storage() for driver in drivers))
    assert sorted(map(bool, done)) == [False] * 9 + [True]


async def test_missing_storage_names_the_command(fresh: PostgresConfig) -> None:
    """The message says what to run."""
    with pytest.raises(StorageMissing, match=r"^Schema missing\. Run: asynctasq migrate --driver postgres"):
        await PostgresDriver(fresh).connect()


async def test_newer_storage_is_refused(fresh: PostgresConfig, connection: asyncpg.Connection) -> None:
    """A driver never touches tables that it does not know."""
    driver = PostgresDriver(fresh)
    await driver.prepare_storage()
    names = StorageNames(fresh)
    await connection.execute(names.fill("INSERT INTO {migrations} (version, file) VALUES (9999, 'from the future')"))
    for call in (driver.connect, driver.prepare_storage):
        with pytest.raises(StorageTooNew, match="9999"):
            await call()


async def test_an_upgrade_keeps_rows(fresh: PostgresConfig, connection: asyncpg.Connection) -> None:
    """From the version before, with tasks in it: an older one is refused, upgraded, and the tasks are there."""
    names = StorageNames(fresh)
    await migrate(connection, names, dry_run=False, until=latest_version() - 1)
    enqueue = names.fill("SELECT {enqueue_plain}($1, $2, $3, $4, 'q', $5, 'n', 4::smallint, 0, NULL)")
    await connection.execute(enqueue, names.namespace, ["a", "b"], [b"1", b"2"], [None, None], names.line("q", 4))
    driver = PostgresDriver(fresh)
    with pytest.raises(StorageMissing, match=f"found version {latest_version() - 1}"):
        await driver.connect()
    assert await driver.prepare_storage()
    async with driver:
        deliveries = await driver.reserve(["q"], limit=9, lease=30.0, worker="w")
        assert [(delivery.id, delivery.payload) for delivery in deliveries] == [("a", b"1"), ("b", b"2")]
        outcomes = await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
        assert outcomes == [SettleOutcome.APPLIED] * 2


async def test_a_failed_migration_leaves_nothing(fresh: PostgresConfig, connection: asyncpg.Connection) -> None:
    """One transaction: a migration that fails half-way has done nothing."""
    names = StorageNames(fresh)
    await connection.execute(f'CREATE SCHEMA "{fresh.schema}"')
    await connection.execute(names.fill("CREATE TABLE {reports} (in_the_way integer)"))
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate(connection, names, dry_run=False)
    assert await connection.fetchval(names.fill("SELECT to_regclass('{task}') IS NULL"))


async def test_the_queue_table_names_the_live_table(fresh: PostgresConfig, connection: asyncpg.Connection) -> None:
    """Two queue tables in one schema know nothing of each other; the longest names fit."""
    long_name = "q" * 48
    for table in ("jobs", long_name):
        await PostgresDriver(replace(fresh, queue_table=table)).prepare_storage()
    async with PostgresDriver(replace(fresh, queue_table="jobs")) as driver:
        await driver.enqueue_many([NewTask(id="a", queue="q", name="n", payload=b"")])
    async with PostgresDriver(replace(fresh, queue_table=long_name)) as driver:
        assert await driver.get_tasks(["a"]) == {}
    assert await connection.fetchval(f'SELECT count(*) FROM "{fresh.schema}".jobs') == 1


def test_statements_are_split_outside_of_functions() -> None:
    """A semicolon inside a function's body does not end the statement that creates it."""
    script = "CREATE TABLE a (\n    b integer\n);\n\nCREATE FUNCTION f() AS $$\nBEGIN\n    x := 1;\nEND\n$$;\n"
    assert [statement.split()[1] for statement in split_statements(script)] == ["TABLE", "FUNCTION"]
    for file in migration_files().values():
        assert all(statement.count("$$") in (0, 2) for statement in split_statements(read("schema", file)))
