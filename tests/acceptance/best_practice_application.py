"""The application that the tests of the best practices share, and what they hear of it."""

import logging
from typing import Any

from asynctasq import AsyncTask, EventType, TaskConfig, TaskEvent, task
from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event
from asynctasq.testing import drain
from tests.acceptance.notes import note


@task
async def charge(order: int) -> int:
    note(order)
    return order


@task
async def store(document: str) -> int:
    return len(document)


@task(queue="emails")
async def send_email(to: str) -> None: ...


logger = logging.getLogger("payments")


async def notify_admin(exception: Exception) -> None:
    note(("admin", str(exception)))


class ProcessPayment(AsyncTask[bool]):
    """As in the document, but for the body that it leaves out."""

    config: TaskConfig = {"max_attempts": 2, "retry_delay": 0, "retry_strategy": "fixed"}
    user_id: int
    amount: float

    async def execute(self) -> bool:
        raise ConnectionError("the bank does not answer")

    async def failed(self, exception: Exception) -> None:
        # Log with context (ensure `logger` is defined/imported in your module)
        logger.error(
            f"Payment failed for user {self.user_id}",
            extra={
                "task_id": self._task_id,
                "current_attempt": self._current_attempt,
                "user_id": self.user_id,
                "amount": self.amount,
            },
            exc_info=exception,
        )
        # Alert on critical failures
        await notify_admin(exception)


async def dead_letter(user: int) -> str:
    handle = await ProcessPayment(user_id=user, amount=1.0).dispatch()
    await drain()
    return handle


class Collector(EventSink):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def emit_many(self, events: Any) -> None:
        self.events.extend(events)

    def of_tasks(self, *types: EventType) -> list[TaskEvent]:
        return [event for event in self.events if isinstance(event, TaskEvent) and event.event_type in types]
