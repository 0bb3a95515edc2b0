"""The tables have a version: they are created, upgraded with what is in them, and never touched when they are newer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asynctasq_sqlite import SQLiteDriver, migrations, session
from asynctasq_sqlite.connection import open_connection
from asynctasq_sqlite.group_commit import CallConnection
from asynctasq_sqlite.migrations import all_migrations, latest_version, migrations_in, stored_version
from asynctasq_sqlite.settings import SQLiteConfig
from asynctasq_sqlite.statements import in_namespace

from asynctasq.driver_api import StorageTooNew

from .harness import connection_to
from .tasks import new_tasks, take

pytestmark = pytest.mark.anyio

SECOND = """
-- A column for the tenant; of what is there already, the queue's name.
ALTER TABLE ns_task ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
UPDATE ns_task SET tenant = queue || ';' || name;
CREATE TRIGGER ns_task_tenant AFTER INSERT ON ns_task BEGIN
  UPDATE ns_task SET tenant = new.queue WHERE seq = new.seq;
END;
"""


@pytest.fixture
def newer_folder(tmp_path: Path) -> Path:
    """The shipped migrations and one more."""
    folder = tmp_path / "schema"
    folder.mkdir()
    for migration in all_migrations():
        (folder / f"{migration.version:04}_shipped.sql").write_text(migration.sql)
    (folder / f"{latest_version() + 1:04}_tenants.sql").write_text(SECOND)
    return folder


async def test_upgrade_keeps_what_is_stored(path: Path, new_driver: Callable[..., Any], newer_folder: Path) -> None:
    """A later version runs only what is new, on the rows that are there, and marks the version."""
    async with new_driver() as driver:
        await driver.enqueue_many(new_tasks(5))
        assert len(await take(driver, 2)) == 2
    settings = SQLiteConfig(path=str(path))
    connection = open_connection(settings, str(path), factory=CallConnection, migrations=migrations_in(newer_folder))
    try:
        rows = connection.execute(in_namespace("SELECT DISTINCT tenant FROM ns_task", "asynctasq")).fetchall()
        assert rows == [("q;work",)]
        assert stored_version(connection, "asynctasq") == latest_version() + 1
    finally:
        connection.close()


async def test_upgraded_tables_work(
    path: Path, new_driver: Callable[..., Any], newer_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the upgrade the driver that knows it goes on with the old tasks."""
    async with new_driver() as driver:
        await driver.enqueue_many(new_tasks(5))
    newer = migrations_in(newer_folder)
    monkeypatch.setattr("asynctasq_sqlite.connection.all_migrations", lambda: newer)
    monkeypatch.setattr(session, "latest_version", lambda: len(newer))
    async with new_driver() as driver:
        await driver.enqueue_many(new_tasks(1))
        assert len(await take(driver)) == 6


async def test_a_failed_upgrade_changes_nothing(path: Path, new_driver: Callable[..., Any], newer_folder: Path) -> None:
    """A migration applies as a whole or not at all."""
    async with new_driver() as driver:
        await driver.enqueue_many(new_tasks(1))
    broken = newer_folder / f"{latest_version() + 1:04}_tenants.sql"
    broken.write_text(SECOND + "INSERT INTO nowhere VALUES (1);\n")
    with pytest.raises(Exception, match="nowhere"):
        open_connection(
            SQLiteConfig(path=str(path)), str(path), factory=CallConnection, migrations=migrations_in(newer_folder)
        )
    async with new_driver() as driver:
        assert len(await take(driver)) == 1


async def test_newer_tables_are_refused(path: Path, new_driver: Callable[..., SQLiteDriver]) -> None:
    """An old driver does not touch tables that it does not know, neither when it connects nor when it is at work."""
    async with new_driver() as driver:
        with connection_to(path) as connection:
            connection.execute(in_namespace("UPDATE ns_meta SET version = 99", "asynctasq"))
        with pytest.raises(StorageTooNew, match="version 99"):
            await driver.enqueue_many(new_tasks(1))
        with pytest.raises(StorageTooNew, match="version 99"):
            await driver.queue_stats()
    with pytest.raises(StorageTooNew, match="Upgrade asynctasq-sqlite"):
        await new_driver().connect()
    with pytest.raises(StorageTooNew):
        await new_driver().prepare_storage()


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_dry_run_creates_no_file(path: Path, new_driver: Callable[..., SQLiteDriver]) -> None:
    """`dry_run` tells what would be run, and leaves no trace."""
    planned = await new_driver().prepare_storage(dry_run=True)
    assert not files_in(path.parent)
    assert any(statement.startswith("CREATE TABLE") for statement in planned)
    assert await new_driver().prepare_storage() == planned
    assert await new_driver().prepare_storage() == []
    assert await new_driver().prepare_storage(dry_run=True) == []


async def test_namespaces_are_migrated_apart(path: Path, open_driver: Callable[..., Any]) -> None:
    """Each namespace has its own version mark, and its own tasks."""
    one, other = await open_driver(namespace="One"), await open_driver(namespace="one")
    await one.enqueue_many(new_tasks(2))
    assert await take(other) == []
    assert len(await take(one)) == 2


@pytest.mark.parametrize("names", [["0002_x.sql"], ["0001_a.sql", "0003_b.sql"], ["0001_a.sql", "0001_b.sql"]])
def test_migrations_are_numbered_without_gaps(tmp_path: Path, names: list[str]) -> None:
    """A gap or a number given twice is a mistake that must show."""
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(ValueError, match="numbered 1, 2, 3"):
        migrations_in(tmp_path)


def test_a_migration_ends_with_its_last_statement(tmp_path: Path) -> None:
    """A forgotten semicolon is reported instead of dropping the statement."""
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE ns_a (x);\nCREATE TABLE ns_b (x)")
    (migration,) = migrations_in(tmp_path)
    with pytest.raises(ValueError, match="ends within a statement"):
        list(migration.statements("n"))
    assert migrations.latest_version() == len(all_migrations())
