"""Tasks that run in threads, in real time."""

import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.from_thread
import pytest

from asynctasq.contract.envelopes import TaskState
from asynctasq.runtime.frame import Headers
from asynctasq.tasks.current_task import current_task
from asynctasq.tasks.function_task import task
from tests.runtime.harness import Bench

pytestmark = pytest.mark.anyio

log: list[Any] = []
release = threading.Event()


@pytest.fixture(autouse=True)
def _fresh_log() -> Any:
    log.clear()
    release.clear()
    yield
    release.set()  # no thread of a test outlives it


@task(name="threads.wait")
def wait() -> None:
    log.append(("start", current_task().attempt, threading.current_thread() is threading.main_thread()))
    release.wait(30)
    log.append(("end", current_task().attempt))


@task(name="threads.meet")
def meet() -> None:
    barrier.wait(20)


barrier = threading.Barrier(50)


@task(name="threads.loops")
def run_a_loop() -> str:
    async def inside() -> str:
        return current_task().id

    return anyio.run(inside)


@task(name="threads.calls_back")
def call_back() -> bool:
    anyio.from_thread.run(anyio.sleep, 0)
    return True


@task(name="threads.quick")
async def quick() -> None:
    log.append("quick")


def seen(what: str) -> Callable[[], bool]:
    return lambda: any(entry[0] == what for entry in log)


async def test_as_many_threads_as_the_concurrency(bench: Bench) -> None:
    """Fifty thread tasks run at once with concurrency 50: the limit is the worker's, not that of a shared pool."""
    ids = [await bench.enqueue(meet()) for _ in range(50)]
    await bench.work(concurrency=50)
    assert {(await bench.record(id)).state for id in ids} == {TaskState.COMPLETED}


@pytest.mark.parametrize("function", [run_a_loop, call_back])
async def test_threads_may_use_event_loops(bench: Bench, function: Any) -> None:
    """A thread task may run an event loop of its own, or call into the worker's."""
    id = await bench.enqueue(function())
    await bench.work()
    assert (await bench.record(id)).state is TaskState.COMPLETED


async def test_a_thread_over_its_timeout_keeps_slot_and_lease_until_it_ends(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A thread can't be stopped: over its timeout it keeps its slot and its lease, and counts as timed out when it
    ends."""
    id = await bench.enqueue(wait(), headers=Headers(timeout=0.2, max_attempts=1))
    after = await bench.enqueue(quick())
    async with bench.working(concurrency=1, lease=0.6):
        await bench.eventually(seen("start"))
        await anyio.sleep(1.5)
        assert (await bench.record(id)).state is TaskState.LEASED
        assert (await bench.record(after)).state is TaskState.READY
        release.set()
        record = await bench.until(id, TaskState.DEAD)
        await bench.until(after, TaskState.COMPLETED)
    assert record.failures[0].type == "asynctasq.errors.TaskTimedOut"
    assert log[0] == ("start", 1, False)
    assert "slot and lease are kept until it ends" in caplog.text


async def test_a_thread_over_its_visibility_timeout_is_given_back(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """At its visibility timeout a thread's task is given back, the log says so, the slot stays taken, and the thread's
    outcome does not count."""
    id = await bench.enqueue(wait(), headers=Headers(visibility_timeout=0.5, max_attempts=2, retry_delay=0.0))
    async with bench.working(concurrency=2, lease=0.6):
        await bench.eventually(lambda: sum(entry[0] == "start" for entry in log) == 2)
        record = await bench.until(id, TaskState.DEAD, TaskState.READY)
        after = await bench.enqueue(quick())
        await anyio.sleep(0.3)
        assert (await bench.record(after)).state is TaskState.READY, "both slots are taken by threads"
        release.set()
        await bench.until(after, TaskState.COMPLETED)
    record = await bench.record(id)
    assert (record.state, record.reason) == (TaskState.DEAD, "attempts_exhausted")
    assert "its outcome no longer counts" in caplog.text


async def test_a_thread_that_lost_its_lease_settles_nothing(bench: Bench) -> None:
    """A thread whose lease was lost goes on, and its outcome is dropped."""
    await bench.enqueue(wait())
    async with bench.working(concurrency=1, lease=0.6):
        await bench.eventually(seen("start"))
        await bench.driver.purge(["default"])
        await anyio.sleep(0.8)
        release.set()
        await bench.eventually(seen("end"))
    assert bench.driver.settles == []


async def test_a_thread_does_not_keep_the_worker(bench: Bench) -> None:
    """P12: a thread that does not end within the grace is left behind, and its task released without burning an
    attempt; the worker tells how many threads it left."""
    id = await bench.enqueue(wait())
    worker = bench.worker(grace=0.3)
    async with anyio.create_task_group() as group:
        group.start_soon(worker.start)
        await bench.eventually(seen("start"))
        stopped_at = time.monotonic()
        worker.request_stop()
    assert time.monotonic() - stopped_at <= 2.3
    assert worker.abandoned_threads == 1
    record = await bench.record(id)
    assert (record.state, record.attempts) == (TaskState.READY, 0)


async def test_cancelling_the_worker_leaves_threads_behind(bench: Bench) -> None:
    """A worker that is cancelled from outside while a thread runs ends, and releases the thread's task."""
    id = await bench.enqueue(wait())
    started = time.monotonic()
    async with anyio.create_task_group() as group:
        group.start_soon(bench.worker().start)
        await bench.eventually(seen("start"))
        group.cancel_scope.cancel()
    assert time.monotonic() - started < 10
    assert (await bench.record(id)).state is TaskState.READY
