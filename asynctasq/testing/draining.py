"""Running what waits in the store, inside a test."""

from collections.abc import Sequence

from msgspec import Struct

from asynctasq.app import application
from asynctasq.contract.driver import Driver
from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event, EventType, TaskEvent
from asynctasq.runtime.event_dispatcher import EventDispatcher
from asynctasq.runtime.worker import Worker
from asynctasq.worker_application import all_serializers

_POLL_INTERVAL = 0.01
_ENDINGS = frozenset(
    {EventType.TASK_COMPLETED, EventType.TASK_FAILED, EventType.TASK_REENQUEUED, EventType.TASK_CANCELLED}
)


class Outcome(Struct, frozen=True, kw_only=True):
    """How one attempt ended."""

    task_id: str
    name: str
    queue: str
    attempt: int
    event: EventType
    """task_completed, task_failed (a dead letter), task_reenqueued (a retry) or task_cancelled."""
    error: str | None
    """Type and message of the exception, if there was one."""

    @property
    def completed(self) -> bool:
        """Whether the task is done."""
        return self.event is EventType.TASK_COMPLETED


async def drain(*queues: str, concurrency: int = 10) -> list[Outcome]:
    """Run what is due now on the application's driver, and whatever that dispatches, until nothing is due any more.

    Args:
        queues: Served in this order; none: all that hold tasks.
        concurrency: As the worker's.

    Returns:
        How each attempt ended, in that order. What is scheduled for later, retries included, still waits.
    """
    here = application()
    driver = here.config.open_driver(registry=here.registry)
    collector = _Collector()
    async with driver:
        while names := list(queues) or await _due_queues(driver):
            events = EventDispatcher([collector, *here.open_event_sinks()])
            worker = Worker(
                driver,
                names,
                concurrency,
                serializers=all_serializers(here),
                events=events,
                burst=True,
                poll_interval=_POLL_INTERVAL,
                keep_completed_tasks=here.config.repository.keep_completed_tasks,
                process_pool_size=here.config.process_pool.size,
                process_pool_max_tasks_per_child=here.config.process_pool.max_tasks_per_child,
                handle_signals=False,
                blocked_loop_after=None,
            )
            await worker.start()
            if queues:
                break
    return collector.outcomes


async def _due_queues(driver: Driver) -> list[str]:
    paused = frozenset[str]() if driver.pausing is None else await driver.pausing.paused_queues()
    return sorted(queue for queue, stats in (await driver.queue_stats()).items() if stats.ready and queue not in paused)


class _Collector(EventSink):
    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    async def emit_many(self, events: Sequence[Event]) -> None:
        self.outcomes += [
            Outcome(
                task_id=event.task_id,
                name=event.task_name,
                queue=event.queue,
                attempt=event.attempt or 0,
                event=event.event_type,
                error=event.error,
            )
            for event in events
            if isinstance(event, TaskEvent) and event.event_type in _ENDINGS
        ]
