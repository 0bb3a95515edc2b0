"""The names of the tables, and the SQL files filled with them.

`{task}` is the live table, named by the settings' `queue_table`; any other `{name}` is `<queue_table>_<name>`, both
quoted and in the settings' database, so that a caller's connection may be in another one. `{now}` is the server's
clock. `:name` is a value, which becomes a literal.
"""

import re
from functools import cache
from importlib.resources import files

from asynctasq_mysql.literals import Value, literal
from asynctasq_mysql.settings import MySQLConfig

NOW = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
"""The moment at which the present statement began: in a statement of its own, behind those that waited for locks."""

ROOM_FOR_REST = 262_144
"""Bytes of a statement beside its largest value: ten failures of 8 KiB, in hexadecimal, and all that is small."""

_value = re.compile(r":([a-z_]+)")


class StorageNames:
    """The names that one database, queue table and namespace give."""

    def __init__(self, settings: MySQLConfig) -> None:
        self.database = settings.database_name
        self.queue_table = settings.queue_table
        self.namespace = 0
        """The number of the settings' namespace, known once the driver has connected."""
        self.statement_limit = 1 << 20
        """Bytes that the rows of one statement may have, known once the driver has connected."""
        self.session_look = ""
        """The statement that asks a session for its isolation level, known once the driver has connected."""
        self._templates: dict[str, list[str]] = {}

    def adapt_to(self, max_allowed_packet: int, session_look: str) -> None:
        """Take over what depends on the server."""
        self.statement_limit = max_allowed_packet - ROOM_FOR_REST
        self.session_look = session_look

    def statement(self, file: str, /, **values: Value) -> str:
        """The text of `statements/<file>.sql` with its values. `:namespace` is known."""
        template = self._templates.get(file)
        if template is None:
            template = self._templates[file] = _value.split(self.fill(read("statements", f"{file}.sql")).strip())
        values["namespace"] = self.namespace
        parts = template.copy()
        for place in range(1, len(parts), 2):
            parts[place] = literal(values[parts[place]])
        return "".join(parts)

    def fill(self, sql: str) -> str:
        """SQL with its `{names}` replaced, and without lines of comment."""
        code = "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))
        return re.sub(r"\{(\w+)\}", self._replacement, code)

    def table(self, name: str) -> str:
        """The quoted name of a table."""
        table = self.queue_table if name == "task" else f"{self.queue_table}_{name}"
        return f"{quoted(self.database)}.{quoted(table)}"

    def _replacement(self, match: re.Match[str]) -> str:
        return NOW if match[1] == "now" else self.table(match[1])


def quoted(name: str) -> str:
    """A name in backquotes."""
    return "`" + name.replace("`", "``") + "`"


@cache
def read(folder: str, file: str) -> str:
    """The text of one of this package's SQL files."""
    return (files("asynctasq_mysql") / folder / file).read_text(encoding="utf-8")
