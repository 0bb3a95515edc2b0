"""One open transaction of one connection, on which the modules of this driver do their work."""

import os
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from asynctasq.driver_api import StorageMissing, StorageTooNew
from asynctasq_sqlite.migrations import latest_version
from asynctasq_sqlite.statements import statements

NEVER = (1 << 63) - 1
"""The largest time there is."""

_NUMBERS = tuple(map(str, range(1, 100)))
_encode = msgspec.json.Encoder().encode
_names = msgspec.json.Decoder(frozenset[str]).decode


def to_json(value: object) -> str:
    """A parameter for `json_each`."""
    return _encode(value).decode()


def numbers(values: Iterable[int]) -> str:
    """A JSON array of whole numbers."""
    return "[" + ",".join(map(str, values)) + "]"


def bound(sql: str, parameters: Any) -> Any:
    """Parameters as `sqlite3` wants them: to it `?1` is a name, which from Python 3.14 on takes a mapping alone."""
    return dict(zip(_NUMBERS, parameters, strict=False)) if "?1" in sql else parameters


def fresh_token() -> int:
    """63 random bits, from the system: a generator of our own would be copied by a fork."""
    return int.from_bytes(os.urandom(8), "big") >> 1


class Session:
    """A connection with a transaction open, what the transaction's first statement read, and what is to be written by
    its last.

    Everything that runs on a session runs to its end without a pause: on the thread of the connection, under the write
    lock if it writes.
    """

    __slots__ = ("_execute", "_sql", "now", "paused", "ready_queues", "stored_next_lapse", "totals")

    def __init__(self, connection: sqlite3.Connection, sql: Mapping[str, str]) -> None:
        self._execute = connection.execute
        self._sql = sql
        row = self._execute(sql["begin"]).fetchone()
        if row is None:
            raise StorageMissing("the store has no version mark. Run `asynctasq migrate` to create the tables")
        self.now: int
        """The time of this transaction, in milliseconds; read after its lock was taken, if it has one."""
        self.stored_next_lapse: int
        """No lease ends before this."""
        self.now, version, self.stored_next_lapse, paused = row
        if version != latest_version():
            raise _wrong_version(version)
        self.paused: frozenset[str] = _names(paused)
        self.totals: dict[str, list[int]] = {}
        """Queue -> what is to be added to its totals: completed, dead, retried, cancelled."""
        self.ready_queues: set[str] = set()
        """Queues into which this transaction brought work that is ready: for those who listen."""

    def run(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        """Run the statement of one `.sql` file."""
        sql = self._sql[statement]
        return self._execute(sql, bound(sql, parameters))

    def run_sql(self, sql: str, parameters: Any) -> sqlite3.Cursor:
        """Run a statement that was derived from one of the files."""
        return self._execute(sql, bound(sql, parameters))

    def sql(self, statement: str) -> str:
        """The text of the statement of one `.sql` file."""
        return self._sql[statement]

    def value(self, statement: str, *parameters: Any) -> Any:
        """The one value that a statement gives."""
        sql = self._sql[statement]
        return self._execute(sql, bound(sql, parameters)).fetchone()[0]

    def add_totals(
        self, queue: str, *, completed: int = 0, dead: int = 0, retried: int = 0, cancelled: int = 0
    ) -> None:
        """Count for `queue`, to be stored once at the end of the transaction."""
        totals = self.totals.get(queue)
        if totals is None:
            self.totals[queue] = [completed, dead, retried, cancelled]
            return
        totals[0] += completed
        totals[1] += dead
        totals[2] += retried
        totals[3] += cancelled

    def finish(self) -> None:
        """Write what was collected. The caller commits."""
        for queue, totals in self.totals.items():
            if any(totals):
                self.run("totals_add", queue, *totals)
        self.totals = {}


def _wrong_version(version: int) -> Exception:
    latest = latest_version()
    if version > latest:
        return StorageTooNew(
            f"the tables have version {version}, and this driver knows versions up to {latest}: "
            "a newer driver upgraded them. Upgrade asynctasq-sqlite"
        )
    return StorageMissing(
        f"the tables have version {version}; wanted {latest}. Run `asynctasq migrate` to upgrade them"
    )


def session_on(connection: sqlite3.Connection, namespace: str) -> Session:
    """A session on a transaction that is open already."""
    return Session(connection, statements(namespace))
