"""The SQL of this driver, read once from its `.sql` files, with the tables of one namespace."""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType

_name = re.compile(r"\bns_([a-z_]+)\b")
_row = re.compile(r"(?<=^VALUES )\((?:\?, )*\?\)", re.MULTILINE)


def table_prefix(namespace: str) -> str:
    """What the names of a namespace's tables and indexes begin with, in front of a colon.

    SQLite compares names without case and keeps `sqlite_` for itself, hence the marks and the first word.
    """
    return "asynctasq:" + re.sub(r"[A-Z]", lambda match: "^" + match.group().lower(), namespace)


def in_namespace(sql: str, namespace: str) -> str:
    """`sql` with every `ns_name` replaced by that namespace's table or index, and without lines of comment."""
    prefix = table_prefix(namespace)
    code = "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return _name.sub(lambda match: f'"{prefix}:{match.group(1)}"', code).strip()


@cache
def statements(namespace: str) -> Mapping[str, str]:
    """Name of the file without `.sql` -> its one statement."""
    folder = files("asynctasq_sqlite") / "statements"
    return MappingProxyType(
        {
            file.name.removesuffix(".sql"): in_namespace(file.read_text("utf-8"), namespace)
            for file in folder.iterdir()
            if file.name.endswith(".sql")
        }
    )


@lru_cache(maxsize=64)
def with_rows(sql: str, rows: int) -> str:
    """An `INSERT ... VALUES (?, ...)` that takes the parameters of `rows` rows."""
    return _row.sub(lambda match: ", ".join([match.group()] * rows), sql, count=1)
