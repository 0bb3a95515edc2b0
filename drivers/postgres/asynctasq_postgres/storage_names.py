"""The names of everything in the database, and the SQL files, in which `{name}` stands for them.

`{task}` is the live table, named by the settings' `queue_table`; any other `{name}` is `<queue_table>_<name>`, quoted
and in the settings' `schema`. `{index_name}` is the index `<queue_table>_by_<name>`; an index lives where its table
does, and so has no schema.
"""

import re
from functools import cache
from importlib.resources import files

from asynctasq_postgres.namespaces import first_line, namespace_key, wake_up_channel
from asynctasq_postgres.settings import PostgresConfig

# Plans must not depend on what a table held when they were made: a session that planned its statements on an empty
# queue would scan 1,000,000 rows for each of them later. With these, every function here walks its index, always, and
# a generic plan saves planning each call (drain at batch 100: 0.97 of the raw cycle rather than 0.71). To an empty
# table's planner a join, or an `= ANY (array)`, may as well begin with all rows of the namespace: so the functions find
# rows by a LATERAL that `OFFSET 0` or FOR UPDATE keeps whole, and change them by their ctid. And where several indexes
# would do, an order that one of them has (`enable_sort = off`) picks that one. tests/test_query_plans.py counts.
_STEADY_PLANS = " ".join(
    f"SET {setting}"
    for setting in (
        "plan_cache_mode = force_generic_plan",
        "jit = off",
        "enable_seqscan = off",
        "enable_bitmapscan = off",
        "enable_hashjoin = off",
        "enable_mergejoin = off",
        "enable_material = off",
    )
)
# The tables turn over completely within minutes: vacuum after 1,000 dead rows plus a percent, and without naps.
_OFTEN_VACUUMED = ", ".join(
    (
        "autovacuum_vacuum_scale_factor = 0.01",
        "autovacuum_vacuum_threshold = 1000",
        "autovacuum_vacuum_cost_delay = 0",
    )
)


class StorageNames:
    """The names that one schema, queue table and namespace give, and the SQL files filled with them."""

    def __init__(self, settings: PostgresConfig) -> None:
        self.schema = settings.schema
        self.queue_table = settings.queue_table
        self.namespace = namespace_key(settings.namespace)
        self._namespace_name = settings.namespace
        self._channels: dict[str, str] = {}
        self._first_lines: dict[str, int] = {}
        self._statements: dict[str, str] = {}

    def statement(self, name: str) -> str:
        """The text of `statements/<name>.sql`. The same object each time, which its cache of prepared ones likes."""
        text = self._statements.get(name)
        if text is None:
            text = self._statements[name] = self.fill(read("statements", f"{name}.sql")).strip()
        return text

    def channel(self, queue: str) -> str:
        """The channel of a queue's wake-ups."""
        channel = self._channels.get(queue)
        if channel is None:
            channel = wake_up_channel(self.schema, self.queue_table, self._namespace_name, queue)
            self._channels[queue] = channel
        return channel

    def first_line(self, queue: str) -> int:
        """The number of a queue's line of priority 9."""
        line = self._first_lines.get(queue)
        if line is None:
            line = self._first_lines[queue] = first_line(self.namespace, queue)
        return line

    def line(self, queue: str, priority: int) -> int:
        """The number of the line that a task stands in."""
        return self.first_line(queue) + 9 - priority

    def fill(self, text: str) -> str:
        """SQL text with its `{names}` replaced."""
        return re.sub(r"\{(\w+)\}", self._replacement, text)

    def _replacement(self, match: re.Match[str]) -> str:
        name = match[1]
        if name == "steady_plans":
            return _STEADY_PLANS
        if name == "often_vacuumed":
            return _OFTEN_VACUUMED
        if name.startswith("index_"):
            return f'"{self.queue_table}_by_{name.removeprefix("index_")}"'
        if name == "task":
            return f'"{self.schema}"."{self.queue_table}"'
        return f'"{self.schema}"."{self.queue_table}_{name}"'


@cache
def read(folder: str, file: str) -> str:
    """The text of one of this package's SQL files."""
    return (files("asynctasq_postgres") / folder / file).read_text(encoding="utf-8")
