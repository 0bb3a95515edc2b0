"""What type checkers make of the helpers for tests. Checked, never run."""

from typing import assert_type

from asynctasq import (
    AsyncTask,
    EventEmitter,
    EventRegistry,
    MonitoringService,
    ProcessPoolManager,
    QueueStats,
    TaskInfo,
    task,
)
from asynctasq.contract.driver import Driver
from asynctasq.testing import Dispatched, Outcome, Sandbox, assert_dispatched, drain, run_task, sandbox


@task
async def send_email(to: str) -> int:
    return len(to)


@task
def resize(path: str) -> bytes:
    return path.encode()


class Pay(AsyncTask[bool]):
    user: int

    async def execute(self) -> bool:
        return True


async def single_attempts() -> None:
    """The result has the task's own type."""
    assert_type(await run_task(send_email(to="a"), attempt=3), int)
    assert_type(await run_task(resize("x")), bytes)
    assert_type(await run_task(Pay(user=1)), bool)


async def sandboxes() -> None:
    """The context manager gives a Sandbox."""
    with sandbox(inline=True, task_defaults={"queue": "q"}) as box:
        assert_type(box, Sandbox)
        assert_type(await box.drain(with_later=True), list[Outcome])
        assert_type(box.assert_dispatched(send_email, args={"to": "a"}, queue="q", scheduled_in=0), list[Dispatched])
        assert_type(assert_dispatched(Pay, count=0), list[Dispatched])
        assert_type(await drain("q"), list[Outcome])
        box.clock.advance(60)


async def older_names(driver: Driver, emitter: EventEmitter) -> None:
    """Names of existing applications are typed as well."""
    EventRegistry.init([emitter])
    assert_type(await MonitoringService(driver).get_all_queue_stats(), list[QueueStats])
    assert_type(await MonitoringService(driver).get_task_info_by_id("x"), TaskInfo | None)
    async with ProcessPoolManager(sync_max_workers=1) as manager:
        assert_type(manager, ProcessPoolManager)
