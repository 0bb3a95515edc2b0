"""Lanes outlive whatever bodies do to them."""

import asyncio
import sys
from typing import Any

import anyio
import pytest

from asynctasq.contract.envelopes import TaskState
from asynctasq.runtime.frame import Headers
from asynctasq.tasks.function_task import task
from tests.runtime.harness import Bench

pytestmark = pytest.mark.anyio

log: list[Any] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


@task(name="lanes.ok")
async def ok(n: int) -> None:
    await anyio.sleep(0.001)
    log.append(n)


@task(name="lanes.cancels_itself")
async def cancels_itself() -> None:
    current = asyncio.current_task()
    assert current is not None
    current.cancel()
    await anyio.sleep(10)


@task(name="lanes.cancels_and_returns")
async def cancels_and_returns() -> None:
    current = asyncio.current_task()
    assert current is not None
    current.cancel()


@task(name="lanes.uses_a_task_group")
async def uses_a_task_group(n: int) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0.001))
    async with asyncio.timeout(5):
        await asyncio.sleep(0.001)
    log.append(n)


@task(name="lanes.leaves_a_scope")
async def leaves_a_scope() -> None:
    anyio.CancelScope().__enter__()


@task(name="lanes.leaves_a_cancelled_scope")
async def leaves_a_cancelled_scope() -> None:
    scope = anyio.CancelScope()
    scope.__enter__()
    scope.cancel()
    await anyio.sleep(10)


@task(name="lanes.cancels_a_child")
async def cancels_a_child() -> None:
    child = asyncio.ensure_future(asyncio.sleep(10))
    await asyncio.sleep(0)
    child.cancel()
    await child


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("hostile", [cancels_itself, leaves_a_scope, leaves_a_cancelled_scope, cancels_a_child])
async def test_a_body_that_ruins_its_lane_fails_alone(bench: Bench, hostile: Any) -> None:
    """A body that cancels the event loop's task under it, or leaves foreign cancel scopes behind, costs itself an
    attempt; the tasks after it run as if nothing had been, structured ones too."""
    bad = [await bench.enqueue(hostile(), headers=Headers(max_attempts=2, retry_delay=0.0)) for _ in range(3)]
    good = [await bench.enqueue(uses_a_task_group(n)) for n in range(10)]
    await bench.work(concurrency=2)
    assert {(await bench.record(id)).state for id in good} == {TaskState.COMPLETED}
    assert sorted(log) == list(range(10))
    for id in bad:
        assert (await bench.record(id)).state in (TaskState.DEAD, TaskState.COMPLETED)


async def test_a_cancellation_that_a_body_leaves_behind_hits_nobody_else(bench: Bench) -> None:
    """A body that cancels its event loop's task and returns has completed, and the next one on its lane is whole."""
    first = await bench.enqueue(cancels_and_returns())
    good = [await bench.enqueue(ok(n)) for n in range(5)]
    await bench.work(concurrency=1)
    assert (await bench.record(first)).state is TaskState.COMPLETED
    records = [await bench.record(id) for id in good]
    assert [(record.state, record.attempts) for record in records] == [(TaskState.COMPLETED, 1)] * 5


async def test_lanes_run_as_many_tasks_as_the_concurrency(bench: Bench) -> None:
    """With concurrency 7, seven tasks run at once, and never more."""
    running: list[int] = []
    most = 0

    @task(name="lanes.count")
    async def count() -> None:
        nonlocal most
        running.append(1)
        most = max(most, len(running))
        await anyio.sleep(0.01)
        running.pop()

    for _ in range(50):
        await bench.enqueue(count())
    await bench.work(concurrency=7)
    assert most == 7


async def test_the_loop_turns_between_short_tasks(bench: Bench) -> None:
    """Thousands of tasks that never wait let the event loop turn about every millisecond."""

    @task(name="lanes.never_waits")
    async def never_waits() -> None:
        total = sum(range(300))
        assert total

    for _ in range(3000):
        await bench.enqueue(never_waits())
    turns = 0
    async with anyio.create_task_group() as group:

        async def turn() -> None:
            nonlocal turns
            while True:
                await anyio.sleep(0.001)
                turns += 1

        group.start_soon(turn)
        await bench.work(concurrency=10)
        group.cancel_scope.cancel()
    assert turns >= 10


def test_these_tests_speak_asyncio_on_purpose() -> None:
    """What a body can do to its lane is a matter of the event loop: on asyncio a task can be cancelled natively."""
    assert sys.version_info >= (3, 11)
