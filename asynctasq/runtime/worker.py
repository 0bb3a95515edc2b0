"""The worker: takes tasks from a store, runs them, and settles them."""

import importlib.metadata
import logging
import os
import socket
import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, Unpack

import anyio
from anyio.abc import TaskGroup

from asynctasq.contract.driver import Driver
from asynctasq.contract.events import EventType, WorkerEvent
from asynctasq.contract.serializer import Serializer
from asynctasq.errors import DriverClosed, DriverUnavailable
from asynctasq.runtime.retry_policy import Backoff
from asynctasq.runtime.shutdown import Shutdown, SignalListener, StopStage
from asynctasq.runtime.stacks import stacks_of_threads
from asynctasq.runtime.worker_options import WorkerOptions, settings_of, surroundings_of
from asynctasq.runtime.worker_run import WorkerRun

_logger = logging.getLogger("asynctasq.worker")


class Worker:
    """Runs the tasks of some queues until it is told to stop.

    `await start()` runs everything in one task group and returns once the worker has ended: after `request_stop()`, a
    signal, `max_tasks` tasks, or, with `burst`, once the queues are empty. All durations are seconds.

    Args:
        queue_driver: Connected or not; a driver that is connected here is also disconnected here.
        queues: Names in order of precedence (default: `default`), each perhaps with a weight, `critical:6`.
        concurrency: How many tasks run at once.
        max_tasks: End after exactly so many.
        serializer: Decodes payloads of its content type, beside `serializers`.
        event_emitter: Gets every event, beside `events`.
        worker_id: What the store and the logs call this worker.
        heartbeat_interval: Between two worker_heartbeat events.
        process_pool_size: Children for process tasks; default: one per CPU.
        process_pool_max_tasks_per_child: A child is replaced after so many tasks.
        options: See `WorkerOptions`.
    """

    def __init__(
        self,
        queue_driver: Driver,
        queues: Sequence[str] | str | None = None,
        concurrency: int = 10,
        max_tasks: int | None = None,
        serializer: Serializer | None = None,
        event_emitter: object = None,
        worker_id: str | None = None,
        heartbeat_interval: float = 60.0,
        process_pool_size: int | None = None,
        process_pool_max_tasks_per_child: int | None = None,
        **options: Unpack[WorkerOptions],
    ) -> None:
        """See the class.

        Raises:
            ConfigurationError: a setting can't work.
        """
        self._settings = settings_of(
            options,
            queues=queues,
            concurrency=concurrency,
            max_tasks=max_tasks,
            worker_id=worker_id,
            heartbeat_interval=heartbeat_interval,
            process_pool_size=process_pool_size,
            max_tasks_per_child=process_pool_max_tasks_per_child,
        )
        self._given = surroundings_of(options, queue_driver, serializer, event_emitter)
        self._shutdown = Shutdown()
        self._run: WorkerRun | None = None
        self._signals = SignalListener(request_stop=self.request_stop, pause=self.pause, dump=self._dump)
        self._connecting: anyio.CancelScope | None = None
        self._paused = False
        self._started_at: float | None = None
        self._hostname = socket.gethostname()

    # -- life

    @property
    def worker_id(self) -> str:
        """What the store and the logs call this worker."""
        return self._settings.worker_id

    @property
    def abandoned_threads(self) -> int:
        """Threads that still run, although the worker has ended. A process that waits for them may wait for long."""
        return 0 if self._run is None else self._run.runner.abandoned_threads

    @property
    def exit_code(self) -> int:
        """What the process should exit with: 0, or 128 + the signal that cut the draining short."""
        signals = self._signals
        return 128 + signals.last if signals.forced and signals.last is not None else 0

    def heed_signal(self, number: int) -> int:
        """Count a signal that asks to stop, and act on it; how many there were. For a program's own handlers, around
        `start()`, which has some of its own."""
        self.request_stop()
        return self._signals.count(number)

    def request_stop(self) -> StopStage:
        """Ask for the end: the first call drains, the second one cancels and releases. From the event loop's thread."""
        stage = self._shutdown.request()
        if self._connecting is not None:
            self._connecting.cancel()
        return stage

    async def start(self) -> None:
        """Run until the worker has ended. It never ends because of the backend, once that was reached.

        Asked to stop before the backend was reached, it returns without having served.

        Raises:
            DriverUnavailable: the backend could not be reached within `connect_patience` seconds.
            ConfigurationError, StorageMissing, StorageTooNew: from connecting.
        """
        signals = self._signals
        failure: Exception | None = None
        with signals.installed() if self._settings.handle_signals else nullcontext():
            async with anyio.create_task_group() as listening:
                listening.start_soon(signals.run, name="asynctasq signals")
                try:
                    await self._live()
                except Exception as error:
                    failure = error  # raised below, as it is: the task group would wrap it
                listening.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _live(self) -> None:
        driver = self._given.driver
        connected_here = False
        try:
            with anyio.CancelScope() as self._connecting:
                if self._shutdown.stage is not StopStage.RUNNING:
                    return
                connected_here = await self._connect(driver)
            if self._connecting.cancelled_caught:
                return  # it was asked to stop before it had taken anything
        finally:
            self._connecting = None
        self._started_at = time.monotonic()
        try:
            await self._serve()
        finally:
            if connected_here:
                with anyio.move_on_after(2.0, shield=True):
                    await driver.disconnect()

    async def _connect(self, driver: Driver) -> bool:
        """Connect, if nobody has; True if it was done here."""
        try:
            await driver.now()
        except DriverClosed:
            connected_here = True
        except DriverUnavailable:
            return False  # connected, and the backend is away just now: it will be waited for
        else:
            return False
        give_up_at = anyio.current_time() + self._settings.connect_patience
        backoff = Backoff(first=0.2)
        while True:
            try:
                await driver.connect()
            except DriverUnavailable as error:
                delay = backoff.next_delay()
                if anyio.current_time() + delay >= give_up_at:
                    raise
                _logger.warning("the backend does not answer, trying again (%d): %s", backoff.failures, error)
                await anyio.sleep(delay)
            else:
                return connected_here

    async def _serve(self) -> None:
        events = self._given.events
        async with anyio.create_task_group() as observers:
            await observers.start(events.run)
            try:
                async with anyio.create_task_group() as services:
                    try:
                        await self._work(services)
                    finally:
                        services.cancel_scope.cancel()
            finally:
                if events.active:
                    events.emit(self._worker_event(EventType.WORKER_OFFLINE))
                events.close()

    async def _work(self, services: TaskGroup) -> None:
        run: WorkerRun | None = None
        try:
            async with anyio.create_task_group() as work:
                run = self._run = WorkerRun(
                    self._settings, self._given, self._shutdown, work, services, self._worker_event, self._report
                )
                if self._paused:
                    run.reserving.pause()
                run.start_services()
                self._announce()
                await run.work()
        except* RuntimeError as errors:
            # A ruined lane raises one when it ends, which is not before the worker's end.
            if run is None or len(errors.exceptions) > run.lanes.ruined:
                raise
        finally:
            if run is not None:
                with anyio.CancelScope(shield=True):
                    await run.release_rest()

    def pause(self) -> None:
        """Take nothing new, give back what has not begun, and go on with everything else. Before the start, too."""
        self._paused = True
        if self._run is not None:
            self._run.reserving.pause()
            self._run.overseer.release_buffer()

    # -- for people to look at

    def get_health_status(self) -> dict[str, Any]:
        """How the worker is: `last_reserve_seconds_ago` tells whether it reaches its backend."""
        run, settings = self._run, self._settings
        last = None if run is None else run.reserving.last_success
        return {
            "worker_id": settings.worker_id,
            "hostname": self._hostname,
            "pid": os.getpid(),
            "status": "starting" if run is None else self._shutdown.stage.name.lower(),
            "uptime_seconds": 0.0 if self._started_at is None else time.monotonic() - self._started_at,
            "tasks_processed": 0 if run is None else run.outcomes.processed,
            "active_tasks": 0 if run is None else run.held.running,
            "buffered_tasks": 0 if run is None else len(run.held.buffer),
            "queues": list(settings.queues),
            "concurrency": settings.concurrency,
            "stale_settlements": 0 if run is None else run.outcomes.stale,
            "failed_handler_errors": 0 if run is None else run.handlers.errors,
            "dropped_events": self._given.events.dropped,
            "last_reserve_seconds_ago": None if run is None or last is None else run.clock() - last,
            "process_pool": None if run is None else run.pool.stats(),
        }

    def _report(self) -> dict[str, Any]:
        """What is stored as this worker's report."""
        status = self.get_health_status()
        uptime = status["uptime_seconds"]
        running = [] if self._run is None else [held.delivery for held in self._run.lanes.running()]
        return status | {
            "active": status["active_tasks"],
            "processed": status["tasks_processed"],
            "started_at": datetime.fromtimestamp(time.time() - uptime, UTC),
            "version": _version(),
            "running": [{"id": task.id, "name": task.name, "queue": task.queue} for task in running[:100]],
        }

    def _worker_event(self, event_type: EventType) -> WorkerEvent:
        status = self.get_health_status()
        return WorkerEvent(
            event_type=event_type,
            worker_id=self._settings.worker_id,
            hostname=self._hostname,
            timestamp=datetime.now(UTC),
            freq=self._settings.heartbeat_interval,
            active=status["active_tasks"],
            processed=status["tasks_processed"],
            queues=self._settings.queues,
            sw_ver=_version(),
            uptime_seconds=status["uptime_seconds"],
        )

    def _announce(self) -> None:
        settings = self._settings
        _logger.info(
            "worker %s serves %s with concurrency %d",
            settings.worker_id,
            ", ".join(settings.queues),
            settings.concurrency,
        )
        if self._given.events.active:
            self._given.events.emit(self._worker_event(EventType.WORKER_ONLINE))

    def _dump(self) -> None:
        held = [] if self._run is None else list(self._run.held.table.values())
        lines = [
            f"  {one.delivery.id} {one.delivery.name} on {one.delivery.queue}, attempt {one.delivery.attempt}: "
            + ("runs" if one.lane is not None else "is being settled" if one.closed else "waits")
            for one in held
        ]
        _logger.warning("%d tasks are held here:\n%s\n%s", len(held), "\n".join(lines), stacks_of_threads())


def _version() -> str:
    return importlib.metadata.version("asynctasq")
