"""From a configuration to a worker: its driver, a second one for the heartbeats, its serializers and event sinks."""

import logging
from collections.abc import Sequence

from msgspec import Struct

from asynctasq.config import Config
from asynctasq.contract.driver import Driver
from asynctasq.contract.serializer import Serializer
from asynctasq.errors import ConfigurationError
from asynctasq.plugins.driver_factory import LoadedDriver, verify_traits
from asynctasq.plugins.plugin_registry import PluginRegistry
from asynctasq.plugins.serializer_factory import SerializerFactory
from asynctasq.runtime.event_dispatcher import EventDispatcher
from asynctasq.runtime.worker import Worker

_logger = logging.getLogger("asynctasq.worker")


class WorkerApplication(Struct, frozen=True, kw_only=True):
    """A worker, and what it was made of."""

    config: Config
    worker: Worker
    driver: Driver
    loaded_driver: LoadedDriver
    plugins: PluginRegistry
    """Every plugin that this worker uses."""

    def verify(self) -> None:
        """Check the connected driver against what its plugin advertises.

        Raises:
            PluginInvalid: it claims more.
        """
        verify_traits(self.driver, self.loaded_driver.spec)


def make_worker(config: Config, apps: Sequence[str] = ()) -> WorkerApplication:
    """A worker as it is configured, for the tasks that are registered. Nothing is connected yet.

    Args:
        config: After the application was imported, so that what its `init()` says counts.
        apps: What the children of the process pool import.

    Raises:
        ConfigurationError: a driver, serializer or sink is missing, unusable or wrongly set.
    """
    plugins = PluginRegistry()
    loaded_driver = config.load_driver(registry=plugins)
    driver_settings = config.driver_settings()
    driver = loaded_driver.open(driver_settings)
    settings = config.worker
    worker = Worker(
        driver,
        settings.queues,
        settings.concurrency,
        settings.max_tasks,
        worker_id=settings.worker_id,
        process_pool_size=config.process_pool.size,
        process_pool_max_tasks_per_child=config.process_pool.max_tasks_per_child,
        serializers=_all_serializers(config, plugins),
        lease=settings.lease,
        grace=settings.grace,
        poll_interval=settings.poll_interval,
        burst=settings.burst,
        open_heartbeat_driver=lambda: loaded_driver.open(driver_settings),
        events=EventDispatcher(config.open_event_sinks(registry=plugins)),
        apps=apps,
        keep_completed_tasks=config.repository.keep_completed_tasks,
        exit_when_stuck=True,
        connect_patience=settings.connect_timeout,
    )
    return WorkerApplication(config=config, worker=worker, driver=driver, loaded_driver=loaded_driver, plugins=plugins)


def _all_serializers(config: Config, plugins: PluginRegistry) -> dict[str, Serializer]:
    """Content type -> serializer: the configured one, and every other that works, so that a change of serializer can
    be rolled out worker by worker."""
    configured = config.open_serializer(registry=plugins)
    serializers = {configured.content_type: configured}
    for plugin in SerializerFactory.installed():
        if plugin.blocked is not None:
            continue
        try:
            serializer = SerializerFactory.create(plugin.names[0], registry=plugins)
        except ConfigurationError as error:
            _logger.warning("the serializer %s is left out: %s", plugin.names[0], error)
        else:
            serializers.setdefault(serializer.content_type, serializer)
    return serializers
