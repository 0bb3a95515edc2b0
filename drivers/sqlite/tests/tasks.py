"""Tasks for tests."""

from typing import Any
from uuid import uuid4

from asynctasq_sqlite import SQLiteDriver

from asynctasq.driver_api import Complete, Delivery, NewTask


def new_task(**fields: Any) -> NewTask:
    """A task with an id of its own."""
    return NewTask(**{"id": uuid4().hex, "queue": "q", "name": "work", "payload": b"payload", **fields})


def new_tasks(count: int, **fields: Any) -> list[NewTask]:
    """Several."""
    return [new_task(**fields) for _ in range(count)]


async def take(driver: SQLiteDriver, limit: int = 100, *, lease: float = 30.0) -> list[Delivery]:
    """Reserve from the queue of the tasks above."""
    return await driver.reserve(["q"], limit=limit, lease=lease, worker="test")


def completions(deliveries: list[Delivery]) -> list[Complete]:
    """All of them are done."""
    return [Complete(receipt=delivery.receipt) for delivery in deliveries]


async def drain(driver: SQLiteDriver, batch: int = 100) -> list[str]:
    """Reserve and complete until nothing comes; gives the ids in order."""
    ids: list[str] = []
    while deliveries := await take(driver, batch):
        await driver.settle_many(completions(deliveries))
        ids += [delivery.id for delivery in deliveries]
    return ids
