"""Connected dispatchers: one per driver and event loop, made on first use, closed with the loop."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
from anyio.lowlevel import RunVar

from asynctasq.config import Config
from asynctasq.contract.serializer import Serializer
from asynctasq.contract.settlements import CancelOutcome
from asynctasq.errors import ConfigurationError, DriverUnavailable
from asynctasq.event_loop import current_library
from asynctasq.plugins.driver_factory import LoadedDriver, verify_traits
from asynctasq.plugins.plugin_registry import PluginRegistry
from asynctasq.plugins.serializer_factory import SerializerFactory
from asynctasq.runtime.dispatcher import Dispatcher, EventEmitter
from asynctasq.runtime.stored_results import StoredResults
from asynctasq.tasks.task_definition import TaskDefinition
from asynctasq.tasks.task_details import TaskDetails

CONNECT_WITHIN = 2.0
"""Seconds after which a client gives up on a backend that does not answer."""
_DISCONNECT_WITHIN = 5.0


class _Here:
    """What is connected on one event loop."""

    def __init__(self) -> None:
        self.lock = anyio.Lock()
        self.dispatchers: dict[str | None, Dispatcher] = {}
        self.holders: list[AsyncGenerator[Dispatcher]] = []


class _Lookup:
    """Finds tasks of one driver from whatever event loop it is asked on, as handles outlive their loop."""

    def __init__(self, connections: "Connections", driver: str | None) -> None:
        self._connections = connections
        self._driver = driver

    async def find(self, task_id: str) -> TaskDetails | None:
        return await (await self._connections.dispatcher(self._driver)).find(task_id)

    async def cancel(self, task_id: str) -> CancelOutcome:
        return await (await self._connections.dispatcher(self._driver)).cancel(task_id)

    def decode_result(self, details: TaskDetails, definition: TaskDefinition | None) -> Any:
        return self._connections.results.decode(details, definition)


class Connections:
    """The dispatchers of one configuration."""

    def __init__(
        self,
        config: Config,
        serializer: Serializer,
        *,
        registry: PluginRegistry,
        event_emitter: EventEmitter | None = None,
        open_serializer: Callable[[str], Serializer] = SerializerFactory.create,
    ) -> None:
        """`registry` holds the plugins of the drivers; `event_emitter` is told of every enqueued task;
        `open_serializer` makes one for results of another content type."""
        self._config = config
        self._serializer = serializer
        self._registry = registry
        self._event_emitter = event_emitter
        self.results = StoredResults(serializer, open_other=open_serializer)
        self._here: RunVar[_Here] = RunVar("asynctasq_connections")

    def connected(self, driver: str | None = None) -> Dispatcher | None:
        """The dispatcher of this event loop and driver (a name or URL; None: the configured one), if it is there."""
        here = self._here.get(None)
        return None if here is None else here.dispatchers.get(driver)

    async def dispatcher(self, driver: str | None = None) -> Dispatcher:
        """The dispatcher of this event loop and driver, connected.

        Raises:
            ConfigurationError: the driver is not installed, wrongly set, or runs on another kind of event loop.
            DriverUnavailable: the backend does not answer.
            StorageMissing, StorageTooNew: the storage has to be migrated, or the driver upgraded.
        """
        here = self._here.get(None)
        if here is None:
            here = _Here()
            self._here.set(here)
        if driver in here.dispatchers:
            return here.dispatchers[driver]
        async with here.lock:
            if driver not in here.dispatchers:
                # An asynchronous generator, because every event loop finalizes those before it ends: a program that
                # never calls `cleanup()` leaves no connection behind.
                holder = self._hold(driver)
                here.dispatchers[driver] = await anext(holder)
                here.holders.append(holder)
            return here.dispatchers[driver]

    async def close(self) -> None:
        """Disconnect everything on this event loop."""
        here = self._here.get(None)
        if here is None:
            return
        here.dispatchers.clear()
        while here.holders:
            await here.holders.pop().aclose()

    async def _hold(self, name: str | None) -> AsyncGenerator[Dispatcher]:
        loaded = self._load(name)
        driver = loaded.open(self._config.driver_settings(name))
        _check_event_loop(loaded)
        with anyio.move_on_after(CONNECT_WITHIN) as limit:
            await driver.connect()
        if limit.cancelled_caught:
            raise DriverUnavailable(
                f"the {loaded.spec.name} backend did not answer within {CONNECT_WITHIN:g} seconds; is it running, and "
                "does the configured URL lead there? `asynctasq config show` prints it"
            )
        try:
            verify_traits(driver, loaded.spec)
            yield Dispatcher(
                driver,
                self._serializer,
                self._event_emitter,
                task_defaults=self._config.task_defaults,
                max_payload_bytes=self._config.max_payload_bytes,
                keep_completed_tasks=self._config.repository.keep_completed_tasks,
                lookup=_Lookup(self, name),
            )
        finally:
            with anyio.move_on_after(_DISCONNECT_WITHIN, shield=True):
                await driver.disconnect()

    def _load(self, name: str | None) -> LoadedDriver:
        return self._config.load_driver(name, registry=self._registry)


def _check_event_loop(loaded: LoadedDriver) -> None:
    here = current_library()
    if here not in loaded.spec.event_loops:
        raise ConfigurationError(
            f"the driver {loaded.spec.name!r} runs on {' and '.join(sorted(loaded.spec.event_loops))}; "
            f"this event loop is {here}'s. Use that event loop, or another driver"
        )
