"""Creates and upgrades the tables: numbered files in `schema/`, each run once, all in one transaction."""

import re
import sqlite3
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from msgspec import Struct

from asynctasq.driver_api import StorageTooNew
from asynctasq_sqlite.statements import in_namespace, statements

_file_name = re.compile(r"(\d{4})_[a-z0-9_]+\.sql").fullmatch


class Migration(Struct, frozen=True):
    """One step from `version - 1` to `version`."""

    version: int
    sql: str

    def statements(self, namespace: str) -> Iterator[str]:
        """Its statements, one by one, for the tables of one namespace."""
        statement = ""
        for line in in_namespace(self.sql, namespace).splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                yield statement.strip()
                statement = ""
        if statement.strip():
            raise ValueError(f"migration {self.version} ends within a statement: {statement.strip()[:80]!r}")


def migrations_in(folder: Traversable) -> tuple[Migration, ...]:
    """The migrations of a folder in order. Their numbers are 1, 2, 3 and so on."""
    found = [
        Migration(version=int(match.group(1)), sql=file.read_text("utf-8"))
        for file in folder.iterdir()
        if (match := _file_name(file.name)) is not None
    ]
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations in {folder} are not numbered 1, 2, 3 and so on")
    return tuple(found)


@cache
def all_migrations() -> tuple[Migration, ...]:
    """The migrations of this driver."""
    return migrations_in(files("asynctasq_sqlite") / "schema")


@cache
def latest_version() -> int:
    """The version that this driver works with."""
    return len(all_migrations())


def stored_version(connection: sqlite3.Connection, namespace: str) -> int:
    """The version of the tables; 0 when there are none."""
    texts = statements(namespace)
    meta = in_namespace("ns_meta", namespace).strip('"')
    if connection.execute(texts["table_exists"], (meta,)).fetchone() is None:
        return 0
    return connection.execute(texts["version"]).fetchone()[0]


def pending_statements(connection: sqlite3.Connection, namespace: str, migrations: tuple[Migration, ...]) -> list[str]:
    """What is to be run to bring the tables up to date, the version mark last.

    Raises:
        StorageTooNew: they are newer.
    """
    version = stored_version(connection, namespace)
    if version > len(migrations):
        raise StorageTooNew(
            f"the tables of namespace {namespace!r} have version {version}, and this driver knows versions up to "
            f"{len(migrations)}. Upgrade asynctasq-sqlite"
        )
    found = [statement for migration in migrations[version:] for statement in migration.statements(namespace)]
    if found:
        mark = (files("asynctasq_sqlite") / "schema" / "version_mark.sql").read_text("utf-8")
        found.append(in_namespace(mark.replace(":version", str(len(migrations))), namespace) + ";")
    return found
