"""A worker process once everything is loaded: the worker, and beside it its health server and the word to systemd."""

import atexit
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
from asynctasq.runtime.worker import Worker
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
    _take_signals_around(worker)
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
        await cleanup()
    if worker.abandoned_threads:
        leave_process(worker.exit_code)


def _take_signals_around(worker: Worker) -> None:
    """The worker has handlers of its own, from before it connects until it has disconnected. Around that, one signal
    makes it end before it begins, or finds a process that ends anyway; whoever sends more gets the end at once, without
    the traceback of an interpreter that was interrupted while it shut down."""
    if threading.current_thread() is not threading.main_thread():
        return

    def leave_if_impatient(number: int, _frame: FrameType | None) -> None:
        if worker.heed_signal(number) > 1:
            leave_process(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave_if_impatient)
    # The interpreter takes Python's handlers away before it is gone: what arrives then must not change the exit code.
    atexit.register(_ignore_signals)


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


async def _verify_once_running(made: WorkerApplication, health: WorkerHealth) -> None:
    await health.wait_until_started()
    made.verify()
    if Guarantee.SHARED_BETWEEN_PROCESSES not in made.driver.traits.guarantees:
        _logger.warning(
            "the driver %s keeps its tasks in this process: nobody else can put any in. Set ASYNCTASQ_URL to a store "
            "that processes share",
            made.loaded_driver.spec.name,
        )
