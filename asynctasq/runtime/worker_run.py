"""One run of a worker: everything that it consists of, in one task group, from its first reserve to its last settle."""

import logging
import os
import time
from collections.abc import Callable
from typing import Any

import anyio
from anyio.abc import TaskGroup

from asynctasq.contract.events import EventType, WorkerEvent
from asynctasq.contract.settlements import Release
from asynctasq.contract.traits import Guarantee
from asynctasq.errors import AttemptsExhausted
from asynctasq.event_loop import ASYNCIO, current_library
from asynctasq.runtime import heartbeat, housekeeping
from asynctasq.runtime.attempt import PROCESS_KINDS, Attempt, AttemptPreparer
from asynctasq.runtime.failed_handlers import FailedHandlers
from asynctasq.runtime.held_deliveries import HeldDeliveries, Interruption
from asynctasq.runtime.lane import Lanes
from asynctasq.runtime.lease_keeper import LeaseKeeper
from asynctasq.runtime.outcomes import Outcomes
from asynctasq.runtime.overseer import Overseer
from asynctasq.runtime.prefetch import Prefetch
from asynctasq.runtime.process_attempts import first_message
from asynctasq.runtime.process_pool import ProcessPool, default_size
from asynctasq.runtime.process_pool_manager import default_manager
from asynctasq.runtime.queue_order import QueueOrder
from asynctasq.runtime.reserve_loop import ReserveLoop
from asynctasq.runtime.settlement_buffer import SettlementBuffer
from asynctasq.runtime.shutdown import Shutdown, StopStage, leave_process
from asynctasq.runtime.task_runner import TaskRunner
from asynctasq.runtime.verdicts import Verdicts
from asynctasq.runtime.watchdog import watch
from asynctasq.runtime.worker_options import Surroundings
from asynctasq.runtime.worker_settings import WorkerSettings

_logger = logging.getLogger("asynctasq.worker")

_TO_UNWIND = 0.8
"""Seconds that cancelled bodies have to end."""
_TO_SETTLE = 0.8
"""Seconds that the last settlements have, once the grace is over."""


class WorkerRun:
    """Made and used inside the event loop, once."""

    def __init__(
        self,
        settings: WorkerSettings,
        given: Surroundings,
        shutdown: Shutdown,
        work: TaskGroup,
        services: TaskGroup,
        make_event: Callable[[EventType], WorkerEvent],
        describe: Callable[[], dict[str, Any]],
    ) -> None:
        self._settings = settings
        self._given = given
        self._shutdown = shutdown
        self._work = work
        self._services = services
        self._make_event = make_event
        self._describe = describe
        driver, events = given.driver, given.events
        self._in_thread = (
            given.open_heartbeat_driver is not None and Guarantee.SHARED_BETWEEN_PROCESSES in driver.traits.guarantees
        )
        self.clock = _clock(in_thread=self._in_thread)
        self._reserve_ended = anyio.Event()
        self.held = HeldDeliveries()
        self.outcomes = Outcomes(driver, events, work, settings.worker_id, given.redact)
        self.handlers = FailedHandlers(work, settings.concurrency)
        self.settlements = SettlementBuffer(driver, self.held, on_settled=self.outcomes.settled)
        self.pool = self._new_pool(services)
        self.runner = self._new_runner()
        self.reserving = self._new_reserve_loop()
        self.lanes = Lanes(
            held=self.held,
            settlements=self.settlements,
            runner=self.runner,
            clock=self.clock,
            task_group=work,
            on_slot_free=self.reserving.slot_freed,
        )
        self._keeper = LeaseKeeper(
            self.held,
            lambda: self.settlements.in_flight,
            lease=settings.lease,
            clock=self.clock,
            loop_is_blocked=lambda: self.overseer.loop_is_blocked,
        )
        self.overseer = Overseer(
            held=self.held,
            lanes=self.lanes,
            settlements=self.settlements,
            keeper=self._keeper,
            clock=self.clock,
            on_shrink=self.reserving.shrink,
            on_released=self.reserving.give_back,
        )

    def _new_pool(self, services: TaskGroup) -> ProcessPool:
        settings, given = self._settings, self._given
        start = first_message(
            os.getpid(),
            given.apps,
            given.registry,
            setup=given.child_setup,
            max_result_bytes=given.driver.traits.limits.max_payload_bytes,
        )
        size = min(settings.process_pool_size or default_size(), settings.concurrency)
        pool = ProcessPool(services, start, size=size, max_tasks_per_child=settings.max_tasks_per_child)
        if (manager := default_manager()) is not None:
            manager.attach(pool)
        return pool

    def _new_runner(self) -> TaskRunner:
        settings, given = self._settings, self._given
        preparer = AttemptPreparer(
            given.registry,
            given.serializers,
            settings.worker_id,
            check_frame=given.check_frame,
            redact=given.redact,
            on_exhausted=self._exhausted,
        )
        verdicts = Verdicts(
            failed_handlers=self.handlers,
            limits=given.driver.traits.limits,
            keep_all_results=settings.keep_completed_tasks,
            redact=given.redact,
        )
        return TaskRunner(
            preparer=preparer,
            pool=self.pool,
            held=self.held,
            verdicts=verdicts,
            clock=self.clock,
            concurrency=settings.concurrency,
            on_start=self.outcomes.started if given.events.active else None,
        )

    def _new_reserve_loop(self) -> ReserveLoop:
        settings = self._settings
        return ReserveLoop(
            self._given.driver,
            self.held,
            QueueOrder(settings.queues, settings.weights),
            queues=list(settings.queues),
            worker_id=settings.worker_id,
            concurrency=settings.concurrency,
            lease=settings.lease,
            poll_interval=settings.poll_interval,
            clock=self.clock,
            most=settings.max_tasks,
            burst=settings.burst,
            prefetch=Prefetch() if settings.prefetch else Prefetch(most=0),
            on_done=self._done,
            pending_handlers=lambda: self.handlers.pending,
        )

    def start_services(self) -> None:
        """Start what goes on until the very end, the grace included."""
        settings, given, services = self._settings, self._given, self._services
        driver = given.driver
        if any(definition.kind in PROCESS_KINDS for definition in given.registry):
            self.pool.warm_up()
        services.start_soon(self.overseer.run, name="asynctasq overseer")
        if self._in_thread and given.open_heartbeat_driver is not None:
            services.start_soon(heartbeat.beat_in_thread, self._keeper, given.open_heartbeat_driver)
        else:
            services.start_soon(heartbeat.beat_in_loop, self._keeper, driver)
        if settings.blocked_loop_after is not None:
            services.start_soon(self._watch, settings.blocked_loop_after)
        services.start_soon(housekeeping.maintain, driver)
        if driver.worker_reports is not None:
            services.start_soon(self._report)
        if given.events.active:
            services.start_soon(self._emit_heartbeats)

    async def work(self) -> None:
        """Run tasks until the worker is to end, and end them. Called inside the task group `work`."""
        self._work.start_soon(self.settlements.run, name="asynctasq settlements")
        self._work.start_soon(self._reserve, name="asynctasq reserve loop")
        self.lanes.start(self._settings.concurrency)
        try:
            await self._shutdown.wait_for(StopStage.DRAINING)
            await self._drain()
        except BaseException:  # cancelled from outside: what holds on behind a shield has to let go
            self._let_go()
            raise
        finally:
            self.lanes.let_ruined_go()
        self._work.cancel_scope.cancel()

    async def release_rest(self) -> None:
        """After the task group has ended: end the child processes, and give back what is still held, which is nothing
        after a regular end."""
        self.handlers.close()
        await self.pool.close()
        for held in list(self.held.table.values()):
            self.settlements.add(held, Release(receipt=held.delivery.receipt))
        self.settlements.close(anyio.current_time() + _TO_SETTLE)
        await self.settlements.run()

    # -- the end

    async def _drain(self) -> None:
        self.reserving.stop()
        self.held.close()
        self.overseer.release_buffer()
        with anyio.move_on_after(self._settings.grace) as grace:
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(self._cut_short, waiting.cancel_scope)
                await self._all_ended()
                waiting.cancel_scope.cancel()
                return
        if grace.cancelled_caught:
            _logger.warning(
                "the grace of %g s is over; what still runs is cancelled and released", self._settings.grace
            )
        await self._release_what_runs()

    async def _cut_short(self, waiting: anyio.CancelScope) -> None:
        await self._shutdown.wait_for(StopStage.CANCELLING)
        waiting.cancel()

    async def _all_ended(self) -> None:
        await self._reserve_ended.wait()
        self.overseer.release_buffer()
        await self.lanes.wait_until_ended()
        await self.held.wait_until_empty()
        await self.handlers.wait_until_idle()

    async def _release_what_runs(self) -> None:
        self._let_go()
        with anyio.move_on_after(_TO_UNWIND):
            await self.lanes.wait_until_ended()
        stuck = self.lanes.running()
        for held in stuck:
            self.settlements.add(held, Release(receipt=held.delivery.receipt))
        self.settlements.bound(anyio.current_time() + _TO_SETTLE)
        with anyio.move_on_after(_TO_SETTLE):
            await self.held.wait_until_empty()
        if stuck and self._settings.exit_when_stuck:
            names = ", ".join(held.delivery.name for held in stuck)
            _logger.error("%s can't be cancelled; the process ends without waiting for it", names)
            leave_process(1)

    def _let_go(self) -> None:
        self.reserving.give_up()
        self.held.close()
        self.overseer.release_buffer()
        self.lanes.interrupt_all(Interruption.SHUTDOWN)
        self.settlements.bound(anyio.current_time() + _TO_UNWIND + _TO_SETTLE)

    # -- the parts' wrappings

    async def _reserve(self) -> None:
        try:
            await self.reserving.run()
        finally:
            self._reserve_ended.set()

    def _done(self) -> None:
        """The bound of the run is reached, or its queues are empty."""
        self._shutdown.drain()

    def _exhausted(self, attempt: Attempt, error: AttemptsExhausted) -> None:
        attempt.held.after_burial = lambda: self.handlers.start(attempt, error)

    async def _watch(self, patience: float) -> None:
        await watch(lambda: self.overseer.last_look, patience=patience)

    async def _report(self) -> None:
        reports = self._given.driver.worker_reports
        assert reports is not None
        interval = min(housekeeping.REPORT_INTERVAL, self._settings.heartbeat_interval)
        await housekeeping.report(reports, self._settings.worker_id, self._describe, interval=interval)

    async def _emit_heartbeats(self) -> None:
        interval = self._settings.heartbeat_interval
        await housekeeping.emit_heartbeats(self._given.events, self._make_event, interval=interval)


def _clock(*, in_thread: bool) -> Callable[[], float]:
    """Monotonic seconds: the cheapest clock that both the event loop and the heartbeats can read.

    On trio, heartbeats in the loop go by trio's own clock, which tests may move.
    """
    if in_thread or current_library() == ASYNCIO:
        return time.monotonic
    return anyio.current_time
