"""A worker process once everything is loaded: the worker, and beside it its health server and the word to systemd."""

import logging
import os
import signal
import threading
from contextlib import AsyncExitStack
from importlib.metadata import version
from types import FrameType

import anyio

from asynctasq.app import cleanup
from asynctasq.cli.health_server import health_server
from asynctasq.cli.systemd_notify import keep_notified
from asynctasq.cli.worker_health import WorkerHealth
from asynctasq.contract.traits import Guarantee
from asynctasq.runtime.shutdown import leave_process
from asynctasq.worker_application import WorkerApplication

_logger = logging.getLogger("asynctasq.worker")

_LEAST_PATIENCE = 30.0


async def run_worker(made: WorkerApplication) -> None:
    """Run the worker to its end.

    Raises:
        DriverUnavailable: the backend could not be reached at the start.
        ConfigurationError, StorageMissing, StorageTooNew: from connecting; or the health server's port is taken.
    """
    worker, settings = made.worker, made.application.config.worker
    health = WorkerHealth(
        worker.get_health_status,
        made.driver,
        patience=max(_LEAST_PATIENCE, 3 * settings.poll_interval),
        version=version("asynctasq"),
        driver_name=made.loaded_driver.spec.name,
    )
    try:
        async with AsyncExitStack() as stack:
            if settings.health_port is not None:
                server = health_server(
                    settings.health_host, settings.health_port, health.paths(), token=settings.health_token
                )
                await stack.enter_async_context(server)
            observers = await stack.enter_async_context(anyio.create_task_group())
            observers.start_soon(_verify_once_running, made, health)
            if os.environ.get("NOTIFY_SOCKET"):
                observers.start_soon(keep_notified, health)
            await worker.start()
            observers.cancel_scope.cancel()
    finally:
        _end_at_once_on_signals()
        await cleanup()
    if worker.abandoned_threads:
        leave_process(worker.exit_code)


def _end_at_once_on_signals() -> None:
    """The worker has ended, and its handlers with it. Whoever is still impatient gets the end, and no traceback of an
    interpreter that was interrupted while it shut down."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _leave)


def _leave(number: int, _frame: FrameType | None) -> None:
    leave_process(128 + number)


async def _verify_once_running(made: WorkerApplication, health: WorkerHealth) -> None:
    await health.wait_until_started()
    made.verify()
    if Guarantee.SHARED_BETWEEN_PROCESSES not in made.driver.traits.guarantees:
        _logger.warning(
            "the driver %s keeps its tasks in this process: nobody else can put any in. Set ASYNCTASQ_URL to a store "
            "that processes share",
            made.loaded_driver.spec.name,
        )
