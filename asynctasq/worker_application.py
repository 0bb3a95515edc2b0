"""From an application to a worker: its driver, a second one for the heartbeats, its serializers and event sinks."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from asynctasq.app import Application, application
from asynctasq.config import set_flags
from asynctasq.contract.driver import Driver
from asynctasq.contract.serializer import Serializer
from asynctasq.errors import ConfigurationError
from asynctasq.plugins.driver_factory import LoadedDriver, verify_traits
from asynctasq.plugins.serializer_factory import SerializerFactory
from asynctasq.runtime.event_dispatcher import EventDispatcher
from asynctasq.runtime.process_protocol import ChildSetup
from asynctasq.runtime.worker import Worker

_logger = logging.getLogger("asynctasq.worker")


class WorkerApplication(Struct, frozen=True, kw_only=True):
    """A worker, and what it was made of."""

    application: Application
    worker: Worker
    driver: Driver
    loaded_driver: LoadedDriver

    def verify(self) -> None:
        """Check the connected driver against what its plugin advertises.

        Raises:
            PluginInvalid: it claims more.
        """
        verify_traits(self.driver, self.loaded_driver.spec)


def make_worker(
    application: Application, apps: Sequence[str] = (), *, flags: Mapping[str, Any] | None = None
) -> WorkerApplication:
    """A worker as the application is configured, for the tasks that are registered. Nothing is connected yet.

    Args:
        application: After its modules were imported, so that what its `init()` says counts.
        apps: What the children of the process pool import.
        flags: The command line's, which count in those children as well.

    Raises:
        ConfigurationError: a driver, serializer or sink is missing, unusable or wrongly set.
    """
    config, settings = application.config, application.config.worker
    loaded_driver = config.load_driver(registry=application.registry)
    driver_settings = config.driver_settings()
    driver = loaded_driver.open(driver_settings)
    worker = Worker(
        driver,
        settings.queues,
        settings.concurrency,
        settings.max_tasks,
        worker_id=settings.worker_id,
        heartbeat_interval=settings.heartbeat_interval,
        process_pool_size=config.process_pool.size,
        process_pool_max_tasks_per_child=config.process_pool.max_tasks_per_child,
        serializers=all_serializers(application),
        lease=settings.lease,
        grace=settings.grace,
        poll_interval=settings.poll_interval,
        burst=settings.burst,
        prefetch=settings.prefetch,
        open_heartbeat_driver=lambda: loaded_driver.open(driver_settings),
        events=EventDispatcher(application.open_event_sinks()),
        apps=[app.partition(":")[0] for app in apps],
        child_setup=ChildSetup(
            call=f"{__name__}:{child_serializers.__name__}",
            before_import=f"{__name__}:{prepare_child.__name__}",
            arguments={"flags": dict(flags or {})},
        ),
        redact=application.redact,
        keep_completed_tasks=config.repository.keep_completed_tasks,
        exit_when_stuck=True,
        connect_patience=settings.connect_timeout,
    )
    return WorkerApplication(application=application, worker=worker, driver=driver, loaded_driver=loaded_driver)


def prepare_child(flags: Mapping[str, Any]) -> None:
    """In a child of the process pool, before the application is imported: the same flags count as in the worker."""
    set_flags(flags)


def child_serializers(flags: Mapping[str, Any]) -> Mapping[str, Serializer]:
    """In a child of the process pool, after the application was imported: its serializers, with the extensions of the
    plugins that the worker uses as well."""
    here = application()
    here.config.load_driver(registry=here.registry)
    return all_serializers(here)


def all_serializers(application: Application) -> dict[str, Serializer]:
    """Content type -> serializer: the configured one, and every other that works, so that a change of serializer can
    be rolled out worker by worker."""
    configured = application.open_serializer()
    serializers = {configured.content_type: configured}
    for plugin in SerializerFactory.installed():
        if plugin.blocked is not None:
            continue
        try:
            serializer = application.open_other_serializer(plugin.names[0])
        except ConfigurationError as error:
            _logger.warning("the serializer %s is left out: %s", plugin.names[0], error)
            continue
        serializers.setdefault(serializer.content_type, serializer)
    return serializers
