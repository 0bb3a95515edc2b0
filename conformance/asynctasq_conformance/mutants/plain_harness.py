"""The harness of the plain driver and of every mutant of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from asynctasq.driver_api import FEATURE_NAMES, Driver, DriverSettings, DriverSpec
from asynctasq_conformance.harness import DriverHarness, GuestTransaction
from asynctasq_conformance.mutants.plain_driver import GUARANTEES, PlainDriver
from asynctasq_conformance.mutants.plain_features import GuestConnection
from asynctasq_conformance.mutants.plain_storage import HandClock, Storage


class PlainGuest(GuestTransaction):
    """A transaction on a connection of its own."""

    has_savepoints = True

    def __init__(self, connection: GuestConnection) -> None:
        self.connection: GuestConnection = connection

    async def commit(self) -> None:
        await self.connection.commit()

    async def rollback(self) -> None:
        await self.connection.rollback()

    async def savepoint(self) -> None:
        await self.connection.savepoint()

    async def rollback_to_savepoint(self) -> None:
        await self.connection.rollback_to_savepoint()


def _open(settings: DriverSettings) -> Driver:
    return PlainDriver(Storage(), HandClock())


PLAIN_SPEC = DriverSpec(
    name="plain",
    url_schemes=("plain",),
    api_version="1.0",
    settings_type=DriverSettings,
    open=_open,
    guarantees=GUARANTEES,
    features=FEATURE_NAMES,
    event_loops=frozenset({"asyncio", "trio"}),
)
"""What a plugin of the plain driver would advertise."""


class PlainHarness(DriverHarness):
    """Opens drivers of one class on stores that outlive them."""

    patience = 0.3
    spec = PLAIN_SPEC

    def __init__(self, driver_class: type[PlainDriver] = PlainDriver) -> None:
        self.driver_class = driver_class
        self._hand_clock = HandClock()
        self.clock = self._hand_clock
        self._storages: dict[str, Storage] = {}

    async def open_driver(self, namespace: str) -> PlainDriver:
        return self.driver_class(self._storages.setdefault(namespace, Storage()), self._hand_clock)

    async def drop(self, namespace: str) -> None:
        self._storages.pop(namespace, None)

    async def restart_backend(self) -> None:
        """The storage itself outlives the restart; it counts it, so that a mutant can lose something by it."""
        self._storages[self.namespace].restarts += 1

    @asynccontextmanager
    async def begin_transaction(self) -> AsyncGenerator[GuestTransaction]:
        connection = GuestConnection(self._storages[self.namespace], self._hand_clock)
        await connection.begin()
        try:
            yield PlainGuest(connection)
        finally:
            await connection.rollback()
