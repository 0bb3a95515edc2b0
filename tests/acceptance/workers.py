"""Workers of the configured application, in the test's own process."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from asynctasq import TaskHandle, TaskState, Worker
from asynctasq.app import application
from asynctasq.runtime.event_dispatcher import EventDispatcher
from asynctasq.worker_application import all_serializers

PATIENCE = 30.0
ENDED = (TaskState.COMPLETED, TaskState.DEAD, TaskState.CANCELLED)


def new_worker(queues: str = "default", **options: Any) -> Worker:
    """A worker on the configured driver, which it connects itself."""
    here = application()
    options.setdefault("events", EventDispatcher(here.open_event_sinks()))
    options.setdefault("blocked_loop_after", None)
    options.setdefault("keep_completed_tasks", here.config.repository.keep_completed_tasks)
    return Worker(
        here.config.open_driver(registry=here.registry),
        queues,
        serializers=all_serializers(here),
        handle_signals=False,
        **options,
    )


async def work(queues: str = "default", **options: Any) -> Worker:
    """Run a worker until nothing is ready any more in its queues."""
    worker = new_worker(queues, burst=True, poll_interval=0.02, **options)
    with anyio.fail_after(PATIENCE):
        await worker.start()
    return worker


@asynccontextmanager
async def working(queues: str = "default", **options: Any) -> AsyncGenerator[Worker]:
    """A worker that runs inside the block, and is drained at its end."""
    worker = new_worker(queues, poll_interval=0.02, **options)
    async with anyio.create_task_group() as group:
        group.start_soon(worker.start)
        yield worker
        worker.request_stop()


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until a condition holds."""
    with anyio.fail_after(PATIENCE):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await anyio.sleep(0.01)


async def ended(handle: TaskHandle[Any], *states: TaskState) -> TaskState:
    """Wait until a task is in one of these states (none: until it has ended), and give its state."""

    async def is_there() -> bool:
        return await handle.status() in (states or ENDED)

    await until(is_there)
    return await handle.status()
