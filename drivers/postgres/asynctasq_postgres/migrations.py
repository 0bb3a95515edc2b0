"""Numbered SQL files, a table of those that were applied, and a lock: the storage's versions."""

import re
from importlib.resources import files

from asynctasq.driver_api import StorageMissing, StorageTooNew
from asynctasq_postgres.client import Connection
from asynctasq_postgres.error_mapping import MIGRATE
from asynctasq_postgres.namespaces import migration_lock
from asynctasq_postgres.storage_names import StorageNames, read

MIGRATION_TIMEOUT = 3_600.0
"""Seconds for one statement of a migration, and for another caller's migration to end."""

_is_migration = re.compile(r"([0-9]{4})_[a-z_]+\.sql").fullmatch


def migration_files() -> dict[int, str]:
    """Version -> file name, in order. A released file never changes: what comes next is a new one."""
    names = sorted(entry.name for entry in (files("asynctasq_postgres") / "schema").iterdir())
    return {int(match[1]): name for name in names if (match := _is_migration(name)) is not None}


def latest_version() -> int:
    """The version that this driver works with."""
    return max(migration_files())


async def check_version(connection: Connection, names: StorageNames) -> None:
    """Raise `StorageMissing` or `StorageTooNew` unless the storage has this driver's version."""
    version = await _stored_version(connection, names)
    where = f'schema "{names.schema}", tables "{names.queue_table}_..."'
    if version == 0:
        raise StorageMissing(f"Schema missing. Run: {MIGRATE} (nothing was found in {where})")
    if version < latest_version():
        raise StorageMissing(
            f"Schema out of date. Run: {MIGRATE} (found version {version} in {where}, wanted {latest_version()})"
        )
    _refuse_newer(version, names)


async def migrate(connection: Connection, names: StorageNames, *, dry_run: bool, until: int | None = None) -> list[str]:
    """Bring the storage to version `until` (None: the latest), in one transaction, one caller at a time.

    Returns the statements that ran or would run.
    """
    if dry_run:
        return await _missing_statements(connection, names, until)
    async with connection.transaction():
        lock = migration_lock(names.schema, names.queue_table)
        await connection.execute("SELECT pg_advisory_xact_lock($1)", lock, timeout=MIGRATION_TIMEOUT)
        statements = await _missing_statements(connection, names, until)
        for statement in statements:
            await connection.execute(statement, timeout=MIGRATION_TIMEOUT)
        return statements


async def _missing_statements(connection: Connection, names: StorageNames, until: int | None) -> list[str]:
    version = await _stored_version(connection, names)
    _refuse_newer(version, names)
    statements: list[str] = []
    if version == 0:
        if not await connection.fetchval(names.statement("schema_exists"), names.schema):
            statements.append(names.fill(f'CREATE SCHEMA "{names.schema}"'))
        statements += split_statements(names.fill(read("schema", "migrations.sql")))
    migrated = names.fill(read("schema", "migrated.sql"))
    for number, file in migration_files().items():
        if number > version and (until is None or number <= until):
            statements += split_statements(names.fill(read("schema", file)))
            statements += split_statements(migrated.replace(":version", str(number)).replace(":file", file))
    return statements


def split_statements(script: str) -> list[str]:
    """The statements of a script: each ends with a line that ends with a semicolon, outside of any $$ ... $$."""
    statements: list[str] = []
    lines: list[str] = []
    for line in script.splitlines():
        lines.append(line)
        if line.endswith(";") and "\n".join(lines).count("$$") % 2 == 0:
            statements.append("\n".join(lines).strip().removesuffix(";"))
            lines = []
    return statements


async def _stored_version(connection: Connection, names: StorageNames) -> int:
    # Asked first, since a statement that fails would end the transaction.
    if await connection.fetchval("SELECT to_regclass($1) IS NULL", names.fill("{migrations}")):
        return 0
    return await connection.fetchval(names.statement("storage_version"))


def _refuse_newer(version: int, names: StorageNames) -> None:
    if version > latest_version():
        raise StorageTooNew(
            f'the storage in schema "{names.schema}" has version {version}, and this driver knows {latest_version()}. '
            "Upgrade asynctasq-postgres"
        )
