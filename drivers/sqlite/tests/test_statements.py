"""The `.sql` files: each is used, and none on the hot path walks through a table."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import asynctasq_sqlite
import pytest
from asynctasq_sqlite.connection import open_connection
from asynctasq_sqlite.session import bound
from asynctasq_sqlite.settings import SQLiteConfig
from asynctasq_sqlite.statements import in_namespace, statements, table_prefix, with_rows

PACKAGE = Path(asynctasq_sqlite.__file__).parent
NAMES = sorted(statements("plans"))

MAY_SCAN = {
    "lapsed": {"leased"},
    "next_lapse_found": {"leased", "meta"},
    "purge_leased": {"leased"},
    "stats_leased": {"leased"},
    "stats_queues": {"leased", "ended", "totals", "paused", "waiting"},
    "reports": {"report"},
    "reports_forget": {"report"},
    "begin": {"paused", "meta"},
    "lock": {"meta"},
    "next_lapse": {"meta"},
    "next_lapse_set": {"meta"},
}
"""Statements that go through all rows of a table, by design: live leases, pauses, workers, one row."""


class Connection(sqlite3.Connection):
    """Of the type that the driver opens."""


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """An empty store: what is planned there must still be right with a million rows."""
    path = str(tmp_path_factory.mktemp("plans") / "plans.db")
    connection = open_connection(SQLiteConfig(path=path, namespace="plans"), path, factory=Connection)
    yield connection
    connection.close()


@pytest.mark.parametrize("name", NAMES)
def test_query_plan(name: str, plans: Connection) -> None:
    """Every statement reaches its rows by a key or an index, whatever the size of the tables."""
    sql = statements("plans")[name]
    if sql.startswith("PRAGMA"):
        return
    prefix = table_prefix("plans") + ":"
    tables = {alias: table for table, alias in re.findall(rf'"{prefix}([a-z_]+)" (?:AS )?([a-z]+)\b', sql)}
    for detail in _plan(plans, sql):
        scan = re.fullmatch(rf"SCAN (?:{prefix})?(\w+).*", detail)
        if scan is not None:
            scanned = tables.get(scan[1], scan[1])
            assert scanned in MAY_SCAN.get(name, ()) or not _is_table(plans, prefix + scanned), f"{name}: {detail}"
        assert "AUTOMATIC" not in detail, f"{name}: {detail}"


def test_the_plan_test_bites(plans: Connection) -> None:
    """A statement without an index shows as a scan of a table."""
    details = _plan(plans, in_namespace("SELECT seq FROM ns_task t WHERE t.queue = ?", "plans"))
    assert details == ["SCAN t"]


def _plan(connection: Connection, sql: str) -> list[str]:
    numbers = [int(number) for number in re.findall(r"\?(\d)", sql)]
    parameters = [None] * (max(numbers) if numbers else sql.count("?"))
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", bound(sql, parameters))]


def _is_table(connection: Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (name,)).fetchone() is not None


@pytest.mark.parametrize("name", ["reserve", "enqueue_waiting", "settle_plain", "leases_remove", "reserve_take"])
def test_hot_statements_neither_sort_nor_scan_by_row(name: str, plans: Connection) -> None:
    """What runs for every batch searches by key; claims come in order without being sorted."""
    sql = statements("plans")[name]
    assert not [detail for detail in _plan(plans, sql) if "ORDER BY" in detail or "AUTOMATIC" in detail]


@pytest.mark.parametrize("name", NAMES)
def test_every_statement_is_used(name: str) -> None:
    """A file that nothing runs is removed."""
    code = "".join(file.read_text() for file in PACKAGE.glob("*.py"))
    assert f'"{name}"' in code


def test_every_statement_that_is_run_exists() -> None:
    """No call names a file that is not there."""
    code = "".join(file.read_text() for file in PACKAGE.glob("*.py"))
    assert set(re.findall(r'session\.(?:run|value|sql)\(\s*"(\w+)"', code)) <= set(NAMES)


def test_namespaces_have_tables_of_their_own() -> None:
    """Names that differ only in case, or that SQLite keeps for itself, make different tables."""
    names = ["prod", "Prod", "PROD", "prod.1", "prod-1", "sqlite_x", "prod.task"]
    tables = {in_namespace("ns_task", name).lower() for name in names}
    assert len(tables) == len(names)
    assert not any(table.startswith('"sqlite_') for table in tables)


def test_rows_are_repeated() -> None:
    """An INSERT of one row becomes one of several."""
    sql = "INSERT INTO t (a, b)\nVALUES (?, ?)\nON CONFLICT (a) DO NOTHING"
    assert with_rows(sql, 3) == "INSERT INTO t (a, b)\nVALUES (?, ?), (?, ?), (?, ?)\nON CONFLICT (a) DO NOTHING"
