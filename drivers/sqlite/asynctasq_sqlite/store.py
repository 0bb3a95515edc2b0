"""The open store: a connection that writes and one that reads, each with a thread of its own."""

import threading
from collections.abc import Callable
from typing import Any

import aiosqlite
import anyio

from asynctasq_sqlite.connection import open_connection
from asynctasq_sqlite.group_commit import CallConnection, CallQueue
from asynctasq_sqlite.settings import SQLiteConfig


class Store:
    """Two connections to one file."""

    def __init__(self, settings: SQLiteConfig, path: str) -> None:
        self._settings = settings
        self._opened: list[aiosqlite.Connection] = []
        self.path = path
        self.writer: CallQueue
        """Its calls run under the write lock."""
        self.reader: CallQueue
        """Its calls see the last committed state, and wait for nobody."""

    async def open(self, on_ready: Callable[[frozenset[str]], None]) -> None:
        """Open both connections; the first prepares the store. Opens nothing if it fails.

        Raises:
            ConfigurationError, DriverUnavailable, StorageMissing, StorageTooNew: as `Driver.connect`.
        """
        with anyio.CancelScope(shield=True):  # bounded by busy_timeout; half an opening would leave a thread behind
            try:
                self.writer = await self._open_queue(writes=True, on_ready=on_ready)
                self.reader = await self._open_queue(writes=False, on_ready=None)
            except BaseException:
                await self.close()
                raise

    async def _open_queue(self, *, writes: bool, on_ready: Callable[[frozenset[str]], None] | None) -> CallQueue:
        raw: list[CallConnection] = []
        failures: list[BaseException] = []

        def connect(*_: Any, **__: Any) -> CallConnection:
            # An error in here would leave aiosqlite's thread behind: it gets something to close instead.
            try:
                raw.append(open_connection(self._settings, self.path, factory=CallConnection))
            except BaseException as error:
                failures.append(error)
                raw.append(CallConnection(":memory:"))
            return raw[0]

        connection = aiosqlite.connect(self.path, factory=connect)
        # A process that ends without `disconnect()` must end: what is not committed then was not reported either.
        thread = getattr(connection, "_thread", connection)
        if isinstance(thread, threading.Thread):
            thread.daemon = True
        await connection
        self._opened.append(connection)
        if failures:
            raise failures[0]
        return CallQueue(
            raw[0],
            connection,
            self._settings.namespace,
            writes=writes,
            busy_timeout=self._settings.busy_timeout,
            command_timeout=self._settings.command_timeout,
            on_ready=on_ready,
        )

    async def close(self) -> None:
        """Close the connections, once what runs on them has ended."""
        with anyio.CancelScope(shield=True):
            while self._opened:
                await self._opened.pop().close()
