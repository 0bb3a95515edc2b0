"""What became of settlements: counts them, tells the event sinks, and calls `failed()` for what was buried."""

import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from anyio.abc import TaskGroup

from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import TaskState
from asynctasq.contract.events import EventType, TaskEvent
from asynctasq.contract.settlements import Bury, Cancel, Complete, Release, Retry, Settlement, SettleOutcome
from asynctasq.runtime.event_dispatcher import EventDispatcher
from asynctasq.runtime.failure_text import Redact, failure_of
from asynctasq.runtime.held_deliveries import Held

_logger = logging.getLogger("asynctasq.worker")

_EVENT_TYPES: dict[type[Settlement], EventType] = {
    Complete: EventType.TASK_COMPLETED,
    Retry: EventType.TASK_REENQUEUED,
    Release: EventType.TASK_REENQUEUED,
    Bury: EventType.TASK_FAILED,
    Cancel: EventType.TASK_CANCELLED,
}


class Outcomes:
    """Hears of every settlement that the backend has answered."""

    def __init__(
        self,
        driver: Driver,
        events: EventDispatcher,
        task_group: TaskGroup,
        worker_id: str,
        redact: Redact | None = None,
    ) -> None:
        self._driver = driver
        self._events = events
        self._task_group = task_group
        self._worker_id = worker_id
        self._redact = redact
        self.processed = 0
        """Deliveries that ran here, or were found unfit to run, and were settled."""
        self.stale = 0
        """Settlements without effect: the lease had ended."""
        self.by_kind: Counter[str] = Counter()
        """Applied settlements by name: Complete, Retry, Release, Bury, Cancel."""

    def settled(self, held: Held, settlement: Settlement, outcome: SettleOutcome, sent_before: bool) -> None:
        """One settlement was answered. `sent_before`: it was sent more than once, so that stale may mean applied."""
        kind = type(settlement)
        if held.started_at is not None:
            self.processed += 1
        if outcome is SettleOutcome.STALE:
            self._stale(held, settlement, sent_before)
            return
        self.by_kind[kind.__name__] += 1
        if held.after_burial is not None and kind is Bury:
            held.after_burial()
        if self._events.active and held.started_at is not None:
            self._events.emit(self._event(held, settlement))

    def started(self, held: Held) -> None:
        """A body is about to run. To be called only if there are sinks."""
        self._events.emit(self._task_event(held, EventType.TASK_STARTED))

    def _stale(self, held: Held, settlement: Settlement, sent_before: bool) -> None:
        if sent_before:
            # Applied at the first sending, or lost: nobody can tell, except by looking.
            if held.after_burial is not None and isinstance(settlement, Bury):
                self._task_group.start_soon(self._look_up_burial, held, held.after_burial)
            return
        self.stale += 1
        _logger.info(
            "task %s (%s): the lease had ended, so this %s had no effect",
            held.delivery.id,
            held.delivery.name,
            type(settlement).__name__,
        )

    async def _look_up_burial(self, held: Held, after_burial: Callable[[], None]) -> None:
        """Was it this worker's Bury that made the task a dead letter?"""
        delivery = held.delivery
        try:
            record = (await self._driver.get_tasks([delivery.id])).get(delivery.id)
        except Exception as error:  # it is better to leave `failed()` out than to call it twice
            _logger.warning("task %s: whether it was buried can't be looked up: %r", delivery.id, error)
            return
        if (
            record is not None
            and record.state is TaskState.DEAD
            and record.worker == self._worker_id
            and record.attempts == delivery.attempt
        ):
            after_burial()

    def _event(self, held: Held, settlement: Settlement) -> TaskEvent:
        return self._task_event(held, _EVENT_TYPES[type(settlement)], ended=True)

    def _task_event(self, held: Held, event_type: EventType, *, ended: bool = False) -> TaskEvent:
        delivery = held.delivery
        failure = failure_of(held.error, self._redact) if ended and held.error is not None else None
        return TaskEvent(
            event_type=event_type,
            task_id=delivery.id,
            task_name=delivery.name,
            queue=delivery.queue,
            worker_id=self._worker_id,
            timestamp=datetime.now(UTC),
            attempt=delivery.attempt,
            duration_ms=(held.ended_at - held.started_at) * 1000.0 if ended and held.started_at is not None else None,
            error=None if failure is None else f"{failure.type}: {failure.message}",
            traceback=None if failure is None else failure.traceback,
            correlation_id=delivery.correlation_id,
        )
