"""What the author of a driver writes, so that the suite can reach the driver: one method, and a few that may help."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import anyio
import anyio.lowlevel

from asynctasq.driver_api import Driver, DriverSpec


class MovableClock(Protocol):
    """The clock of an embedded, single-process store, in the hands of the suite."""

    def advance(self, seconds: float) -> object:
        """Move forward by `seconds`."""
        ...


class GuestTransaction(abc.ABC):
    """A transaction that is open on a user's own connection, in the hands of the suite."""

    connection: Any
    """What the driver's `transactions.on` takes."""
    has_savepoints: bool = False
    """True: `savepoint` and `rollback_to_savepoint` work."""

    @abc.abstractmethod
    async def commit(self) -> None:
        """Commit. The connection stays open, with no transaction."""

    @abc.abstractmethod
    async def rollback(self) -> None:
        """Roll back. The connection stays open, with no transaction."""

    async def savepoint(self) -> None:
        """Set a savepoint."""
        await anyio.lowlevel.checkpoint()

    async def rollback_to_savepoint(self) -> None:
        """Roll back to the savepoint that was set last."""
        await anyio.lowlevel.checkpoint()


class DriverHarness(abc.ABC):
    """How the suite opens a driver. Only `open_driver` is required; whatever else is given lets it test more, faster.

    One example runs at a time, in a namespace of its own.
    """

    namespace: str = ""
    """Set by the suite: the namespace of the running example."""

    known_gaps: Mapping[str, str] = {}
    """Example test -> the reason why the driver fails it. Strict: a gap that passes or does not apply is an error, and
    it excuses the driver alone, neither this harness nor a server that can't be reached."""

    event_loops: Sequence[str] | None = None
    """Of `asyncio`, `asyncio+uvloop` and `trio`. None: those that the driver's traits claim."""

    clock: MovableClock | None = None
    """The clock that the drivers read, if the store is embedded in this process and lets one be given."""

    address: tuple[str, int] | None = None
    """Host and port of the server that `open_driver` connects to, always read from here: for the fault tests the suite
    puts the address of a proxy in its place while it opens drivers."""

    backend: str | None = None
    """Name and version of the backend, and what is special about this one, for the report: `Acme 7.1, synchronous`."""

    patience: float = 10.0
    """Seconds that a hint or a reply may take before it counts as lost."""

    expected_traits: frozenset[str] | None = None
    """Features and guarantees by name that the driver must have, so that claiming less shows. None: not checked."""

    spec: DriverSpec | None = None
    """What the driver's plugin advertises. None: as the installed plugin does whose module is nearest to it."""

    @abc.abstractmethod
    async def open_driver(self, namespace: str) -> Driver:
        """A driver that is not connected. Called many times for one namespace, also from other threads."""

    async def describe_backend(self) -> str | None:
        """What to tell of the backend; ask it here. The default tells `backend`."""
        await anyio.lowlevel.checkpoint()
        return self.backend

    async def drop(self, namespace: str) -> None:
        """Remove all that is stored in the namespace. The default leaves it to the suite, which purges the queues."""
        await anyio.lowlevel.checkpoint()

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass for everything that is stored in `self.namespace`.

        A server-backed store shifts the stored timestamps into the past. The default moves `clock`, or really waits.
        """
        if self.clock is not None:
            self.clock.advance(seconds)
        else:
            await anyio.sleep(seconds)

    async def restart_backend(self) -> None:
        """Restart the server as a crash would, and return once it accepts connections. The default does nothing, and
        what needs it is reported as not tested."""
        await anyio.lowlevel.checkpoint()

    def begin_transaction(self) -> AbstractAsyncContextManager[GuestTransaction]:
        """A user's own connection to the store of `self.namespace`, with a transaction open; closed at the end.

        Needed by drivers that have `transactions`.
        """
        raise TypeError(f"{type(self).__name__} has no begin_transaction(); write one to test `transactions`")

    def has(self, ability: str) -> bool:
        """Whether an optional part of the harness is there: the name of one of the methods or attributes above."""
        given = getattr(self, ability)
        if callable(given):
            return getattr(type(self), ability) is not getattr(DriverHarness, ability)
        return given is not None

    @property
    def can_move_time(self) -> bool:
        """Whether `advance` takes no time."""
        return self.clock is not None or self.has("advance")
