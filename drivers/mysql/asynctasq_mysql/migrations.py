"""Numbered SQL files, a table of those that were applied, and a lock: the storage's versions.

The server commits before and after each statement that changes tables, so every statement of a file must be able to run
again: a migration that broke off goes on from its beginning.
"""

import hashlib
import re
from importlib.resources import files
from importlib.resources.abc import Traversable

from asynctasq.driver_api import DriverUnavailable, StorageMissing, StorageTooNew
from asynctasq_mysql.client import NATIVE_ERRORS, Connection
from asynctasq_mysql.error_mapping import MIGRATE, Meaning, code_of, meaning_of
from asynctasq_mysql.literals import text
from asynctasq_mysql.storage_names import StorageNames, read

PATIENCE = 60
"""Seconds to wait for another caller that is migrating."""

SCHEMA = files("asynctasq_mysql") / "schema"

_is_migration = re.compile(r"([0-9]{4})_[a-z_]+\.sql").fullmatch


def migration_files(folder: Traversable = SCHEMA) -> dict[int, Traversable]:
    """Version -> file, in order. A released file never changes: what comes next is a new one."""
    found = {int(match[1]): entry for entry in folder.iterdir() if (match := _is_migration(entry.name)) is not None}
    return dict(sorted(found.items()))


def latest_version(folder: Traversable = SCHEMA) -> int:
    """The version that a driver with these migrations works with."""
    return max(migration_files(folder))


async def check_version(connection: Connection, names: StorageNames, folder: Traversable = SCHEMA) -> None:
    """Raise `StorageMissing` or `StorageTooNew` unless the storage has this driver's version."""
    version = await _stored_version(connection, names)
    where = f"database `{names.database}`, tables `{names.queue_table}...`"
    if version == 0:
        raise StorageMissing(f"Schema missing. Run: {MIGRATE} (nothing was found in {where})")
    wanted = latest_version(folder)
    if version < wanted:
        raise StorageMissing(
            f"Schema out of date. Run: {MIGRATE} (found version {version} in {where}, wanted {wanted})"
        )
    _refuse_newer(version, names, folder)


async def migrate(
    connection: Connection, names: StorageNames, *, dry_run: bool, folder: Traversable = SCHEMA
) -> list[str]:
    """Bring the storage to the latest version, one caller at a time. Returns the statements that ran or would run."""
    if dry_run:
        return await _missing_statements(connection, names, folder)
    connection.timeout = None  # a large table takes its time
    lock = text(_lock_name(names))
    [taken] = await connection.run(f"SELECT GET_LOCK({lock}, {PATIENCE})")
    if taken.rows[0][0] != 1:
        raise DriverUnavailable(f"another migration has been running for {PATIENCE} seconds; nothing was changed")
    try:
        statements = await _missing_statements(connection, names, folder)
        for statement in statements:
            await connection.run(statement)
        return statements
    finally:
        if not connection.is_closed:
            await connection.run(f"SELECT RELEASE_LOCK({lock})")


async def _missing_statements(connection: Connection, names: StorageNames, folder: Traversable) -> list[str]:
    version = await _stored_version(connection, names)
    _refuse_newer(version, names, folder)
    statements: list[str] = []
    if version == 0:
        statements.append(names.fill(read("schema", "migrations.sql")))
    for number, file in migration_files(folder).items():
        if number > version:
            sql = names.fill(file.read_text(encoding="utf-8"))
            statements += [part for part in sql.split(";\n") if part.strip()]
            statements.append(names.statement("migrated", version=number, file=file.name))
    return [statement.strip().removesuffix(";") for statement in statements]


async def _stored_version(connection: Connection, names: StorageNames) -> int:
    try:
        [found] = await connection.run(names.statement("storage_version"))
    except NATIVE_ERRORS as error:
        code = code_of(error)
        if code is None or meaning_of(code, error) is not Meaning.NO_STORAGE:
            raise
        return 0
    return int(found.rows[0][0])


def _refuse_newer(version: int, names: StorageNames, folder: Traversable) -> None:
    if version > latest_version(folder):
        raise StorageTooNew(
            f"the storage in database `{names.database}` has version {version}, and this driver knows "
            f"{latest_version(folder)}. Upgrade asynctasq-mysql"
        )


def _lock_name(names: StorageNames) -> str:
    digest = hashlib.sha256(f"{names.database}\0{names.queue_table}".encode()).hexdigest()
    return f"asynctasq.{digest[:40]}"
