"""The life of a driver: connecting, disconnecting once the calls in flight have ended, and never across a fork."""

import os
from types import TracebackType
from typing import Self, final

import anyio
import anyio.lowlevel

from asynctasq.contract.driver_hooks import DriverHooks
from asynctasq.errors import DriverClosed


class DriverLife(DriverHooks):
    """The part of `Driver` that knows whether it is open. Do not subclass it: subclass `Driver`."""

    _open_in_process: int | None = None
    _calls_in_flight: int = 0
    _all_calls_done: anyio.Event | None = None
    _changing: anyio.Event | None = None
    """Set while it is being connected or disconnected: one at a time, however many ask."""

    # -- life

    @final
    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    @final
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.disconnect()

    @final
    async def connect(self) -> None:
        """Open the driver. On an open driver it does nothing; after `disconnect()` it may be called again.

        A store without a schema, or one that is embedded in the process, prepares itself here.

        Raises:
            ConfigurationError: what can never work (a server too old, an isolation level refused).
            DriverUnavailable: the backend does not answer.
            StorageMissing: no schema, or an older one; the message names the command that creates it.
            StorageTooNew: the schema is newer than this driver.
        """
        if self._open_in_process is not None and self._open_in_process != os.getpid():
            raise DriverClosed(_AFTER_FORK)
        await anyio.lowlevel.checkpoint()
        await self._take_turn()
        try:
            if self._open_in_process is None:
                await self._connect()
                self._calls_in_flight = 0
                self._open_in_process = os.getpid()
        finally:
            self._end_turn()

    @final
    async def disconnect(self) -> None:
        """Wait for the calls in flight, then close. Idempotent. It touches no lease.

        In a forked child it lets go of the parent's driver without a word to the backend.
        """
        await anyio.lowlevel.checkpoint()
        if self._open_in_process is not None and self._open_in_process != os.getpid():
            self._open_in_process = self._changing = None
            return
        await self._take_turn()
        try:
            opened_in, self._open_in_process = self._open_in_process, None
            if opened_in is None:
                return
            with anyio.CancelScope(shield=True):
                if self._calls_in_flight:
                    self._all_calls_done = anyio.Event()
                    await self._all_calls_done.wait()
                    self._all_calls_done = None
                await self._disconnect()
        finally:
            self._end_turn()

    @final
    async def prepare_storage(self, *, dry_run: bool = False) -> list[str]:
        """Create or upgrade tables, scripts and the version mark, as one whole.

        Idempotent, and safe for concurrent callers. Needs no `connect()`. Returns the statements that it ran, or that
        it would run if `dry_run`; empty when the storage is up to date.

        Raises:
            StorageTooNew: the schema is newer than this driver.
        """
        await anyio.lowlevel.checkpoint()
        return await self._prepare_storage(dry_run=dry_run)

    @final
    def check_open(self) -> None:
        """Raise `DriverClosed` unless the driver is open in this process. Feature objects begin with it."""
        if self._open_in_process != os.getpid():
            raise DriverClosed(_NOT_CONNECTED if self._open_in_process is None else _AFTER_FORK)

    async def _take_turn(self) -> None:
        """Wait for whoever is connecting or disconnecting. No generator: a driver may be closed by the very end of an
        event loop, which finalizes those."""
        while self._changing is not None:
            await self._changing.wait()
        self._changing = anyio.Event()

    def _end_turn(self) -> None:
        changed, self._changing = self._changing, None
        if changed is not None:
            changed.set()

    def _enter(self) -> None:
        self.check_open()
        self._calls_in_flight += 1

    def _leave(self) -> None:
        self._calls_in_flight -= 1
        if self._all_calls_done is not None and self._calls_in_flight == 0:
            self._all_calls_done.set()


_NOT_CONNECTED = "the driver is not connected: `await driver.connect()`, or `async with driver:`"
_AFTER_FORK = (
    "this driver was connected in the parent of this process. A connection can't be shared across a fork: "
    "create and connect a driver of its own in the child"
)
