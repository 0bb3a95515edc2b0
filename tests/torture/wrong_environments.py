"""What a process of a trial suffers from its first moment: a wrong wall clock, lost wake-ups, a disk that is full."""

import datetime as datetime_module
import sqlite3
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from asynctasq.runtime.reserve_loop import ReserveLoop

PAGES_FILE = "pages"
"""In the folder of a trial: how many pages the store's file may have."""

NO_LIMIT = 1_000_000_000


def shift_wall_clock(seconds: float) -> None:
    """The wall clock that Python code sees is wrong by so much; the monotonic one is not."""
    true_time, true_datetime = time.time, datetime_module.datetime

    class AnyDatetime(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, true_datetime)

    class ShiftedDatetime(true_datetime, metaclass=AnyDatetime):
        def __new__(cls, *arguments: Any, **options: Any) -> Any:
            return true_datetime(*arguments, **options)  # no subclass, which not every encoder takes

        @classmethod
        def now(cls, tz: datetime_module.tzinfo | None = None) -> Any:
            return true_datetime.now(tz) + datetime_module.timedelta(seconds=seconds)

    print(f"the wall clock is wrong by {seconds:g} s", file=sys.stderr, flush=True)
    time.time = lambda: true_time() + seconds
    datetime_module.datetime = ShiftedDatetime  # type: ignore[misc]


def lose_wake_ups() -> None:
    """Whatever tells this worker of new work is lost: its connection stands, and no hint ever comes."""

    class Silence:
        async def wait(self, timeout: float) -> bool:
            await anyio.sleep(timeout)
            return False

    @asynccontextmanager
    async def silence(_loop: ReserveLoop) -> AsyncGenerator[Silence]:
        yield Silence()

    print("wake-ups are lost", file=sys.stderr, flush=True)
    ReserveLoop._hints = silence


def limit_pages(control: Path) -> None:
    """Every transaction of the SQLite driver first looks how many pages the file may have, by this control file."""
    from asynctasq_sqlite.group_commit import CallConnection

    def execute(self: sqlite3.Connection, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql.startswith("BEGIN IMMEDIATE"):
            sqlite3.Connection.execute(
                self, f"PRAGMA max_page_count = {int(control.read_text() or NO_LIMIT)}"
            ).fetchone()
        return sqlite3.Connection.execute(self, sql, *parameters)

    CallConnection.execute = execute  # type: ignore[method-assign]
