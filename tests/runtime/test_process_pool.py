"""Process tasks, in real child processes."""

import os
import signal
import sys
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import pytest

from asynctasq.contract.envelopes import TaskRecord, TaskState
from asynctasq.contract.settlements import Complete, Release
from asynctasq.errors import DriverUnavailable
from asynctasq.runtime.frame import Headers
from asynctasq.runtime.process_protocol import ChildSetup
from tests.runtime import process_tasks as tasks
from tests.runtime.harness import Bench

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "notes")


def result(bench: Bench, record: TaskRecord) -> Any:
    assert record.state is TaskState.COMPLETED, record.failures
    assert record.result is not None
    return bench.serializer.decoder(Any)(record.result)


async def test_process_tasks_run_in_children_that_stay(bench: Bench) -> None:
    """A process task runs in another process than the worker, and the next one in the same child; an asynchronous one
    finds the same event loop again."""
    pids = [await bench.enqueue(tasks.pid()) for _ in range(3)]
    loops = [await bench.enqueue(tasks.loop()) for _ in range(3)]
    others = await bench.enqueue(tasks.anyio_in_child(0.01))
    await bench.work(process_pool_size=1)
    seen = {result(bench, await bench.record(id)) for id in pids}
    assert len(seen) == 1
    assert os.getpid() not in seen
    in_loops = {tuple(result(bench, await bench.record(id))) for id in loops}
    assert len(in_loops) == 1
    assert in_loops.pop()[0] == seen.pop()
    assert result(bench, await bench.record(others)) == others


async def test_a_child_is_replaced_after_its_tasks(bench: Bench) -> None:
    """With max_tasks_per_child=2 a child runs two tasks, and a new process the next two."""
    ids = [await bench.enqueue(tasks.pid()) for _ in range(4)]
    await bench.work(process_pool_size=1, process_pool_max_tasks_per_child=2, concurrency=1)
    pids = [result(bench, await bench.record(id)) for id in ids]
    assert pids[0] == pids[1] != pids[2] == pids[3]


async def test_two_children_work_at_the_same_time(bench: Bench, tmp_path: Path) -> None:
    """Two CPU-bound tasks overlap in time: each ends only once the other one has begun."""
    ids = [
        await bench.enqueue(tasks.meet(str(tmp_path), name, others=1), headers=Headers(max_attempts=1))
        for name in ("one", "other")
    ]
    await bench.work(process_pool_size=2)
    pids = [result(bench, await bench.record(id)) for id in ids]
    assert len({os.getpid(), *pids}) == 3


@pytest.mark.parametrize(("how", "told"), [("exit", "exited with 7"), ("kill", "signal 9"), ("segfault", "signal 11")])
async def test_a_crash_is_charged_to_its_own_task_alone(bench: Bench, how: str, told: str) -> None:
    """A child that dies costs the task that it ran one attempt, and nobody else anything; the pool is rebuilt."""
    crash = await bench.enqueue(tasks.end(how), headers=Headers(max_attempts=2, retry_delay=0.0))
    others = [await bench.enqueue(tasks.busy(0.2)) for _ in range(4)]
    await bench.work(process_pool_size=2, concurrency=3)
    record = await bench.record(crash)
    assert (record.state, record.attempts) == (TaskState.DEAD, 2)
    assert told in record.failures[0].message
    assert [(await bench.record(id)).attempts for id in others] == [1] * 4
    assert {(await bench.record(id)).state for id in others} == {TaskState.COMPLETED}


async def test_exceptions_cross_as_text(bench: Bench) -> None:
    """The stored failure has type, message, notes and traceback of the exception in the child."""
    id = await bench.enqueue(tasks.end("value"), headers=Headers(max_attempts=1))
    await bench.work(process_pool_size=1)
    [failure] = (await bench.record(id)).failures
    assert (failure.type, failure.message) == ("ValueError", "no good ?")
    assert "order 4711" in failure.traceback
    assert 'case "value"' not in failure.traceback
    assert "raise error" in failure.traceback


@pytest.mark.parametrize(
    ("invocation", "state", "reason"),
    [
        (lambda: tasks.end("sys.exit"), TaskState.DEAD, "failed"),
        (lambda: tasks.end_async("cancelled"), TaskState.DEAD, "failed"),
        (lambda: tasks.end_async("interrupt"), TaskState.DEAD, "failed"),
        (lambda: tasks.end_async("exit"), TaskState.DEAD, "failed"),
        (lambda: tasks.end("later"), TaskState.SCHEDULED, None),
        (lambda: tasks.end("later, immeasurably"), TaskState.SCHEDULED, None),
        (lambda: tasks.end("discard"), TaskState.CANCELLED, "not needed"),
        (lambda: tasks.end("discard, hostile"), TaskState.CANCELLED, "discarded"),
        (lambda: tasks.end("large"), TaskState.DEAD, "result_too_large"),
        (lambda: tasks.end("unencodable"), TaskState.DEAD, "result_not_serializable"),
        (lambda: tasks.end("fine"), TaskState.COMPLETED, None),
    ],
)
async def test_every_way_to_end_in_a_child(bench: Bench, invocation: Any, state: TaskState, reason: str | None) -> None:
    """Signals, SystemExit, cancellation and results that can't be stored mean in a child what they mean elsewhere, and
    leave the child usable."""
    id = await bench.enqueue(invocation(), headers=Headers(max_attempts=1))
    after = await bench.enqueue(tasks.pid())
    worker = await bench.work(process_pool_size=1, concurrency=1)
    record = await bench.record(id)
    assert (record.state, record.reason) == (state, reason)
    assert (await bench.record(after)).state is TaskState.COMPLETED
    assert worker.get_health_status()["process_pool"]["replaced"] == 0


async def test_should_retry_in_the_child_and_failed_in_the_worker(bench: Bench, path: str) -> None:
    """should_retry() gets the real exception, in the child; failed() gets TaskFailed, in the worker, once."""
    id = await bench.enqueue(tasks.Choosy(path=path), headers=Headers(max_attempts=5))
    await bench.work(process_pool_size=1)
    record = await bench.record(id)
    assert (record.state, record.attempts, record.reason) == (TaskState.DEAD, 1, "not_retryable")
    [asked, failed] = tasks.notes(path)
    assert asked[1:] == ["should_retry", "PermissionError"]
    assert asked[0] != str(os.getpid())
    assert failed == [str(os.getpid()), "failed", "FailedInChild", "never", "again"]


@pytest.mark.parametrize("kind", ["block", "Sleeper"])
async def test_a_timeout_kills_the_child(bench: Bench, path: str, kind: str) -> None:
    """A process task over its timeout is stopped for good, whatever it does, and counts a failed attempt."""
    call = tasks.block(path, 60.0) if kind == "block" else tasks.Sleeper(path=path, seconds=60.0)
    id = await bench.enqueue(call, headers=Headers(timeout=0.3, max_attempts=2, retry_delay=0.0))
    await bench.work(process_pool_size=1)
    record = await bench.record(id)
    assert (record.state, [f.type for f in record.failures]) == (TaskState.DEAD, ["asynctasq.errors.TaskTimedOut"] * 2)
    starts = tasks.notes(path)
    assert [line[1] for line in starts] == ["start", "start"]
    assert starts[0][0] != starts[1][0]
    assert not any(_is_alive(int(line[0])) for line in starts)


async def test_the_end_of_the_worker_kills_and_releases(bench: Bench, path: str) -> None:
    """P12: a process task that does not end within the grace is killed and released, without burning an attempt."""
    id = await bench.enqueue(tasks.block(path, 60.0))
    async with bench.working(process_pool_size=1, grace=0.2):
        await bench.eventually(tasks.notes, path)
    record = await bench.record(id)
    assert (record.state, record.attempts) == (TaskState.READY, 0)
    [[pid, *_]] = tasks.notes(path)
    assert not _is_alive(int(pid))


async def test_a_lease_that_ends_before_a_child_is_there(bench: Bench, path: str) -> None:
    """A task that waited for a child until its lease had ended does not run on that delivery, which is given back; it
    runs on a later one."""
    bench.driver.extending.before.extend([DriverUnavailable("away")] * 10_000)
    id = await bench.enqueue(tasks.block(path, 0.0), headers=Headers(max_attempts=1000))
    await bench.work(
        process_pool_size=1, lease=0.5, apps=["tests.runtime.process_tasks", "tests.runtime.slow_application"]
    )
    assert (await bench.record(id)).state is TaskState.COMPLETED
    assert ["start", "1"] not in [line[1:] for line in tasks.notes(path)]
    settlements = [one for batch in bench.driver.settles for one in batch]
    assert isinstance(settlements[0], Release)


@pytest.mark.parametrize("heartbeats_arrive", [False, True])
async def test_a_lease_that_ends_while_a_child_loads(bench: Bench, path: str, heartbeats_arrive: bool) -> None:
    """A body does not begin in a child on a delivery whose lease has ended while its arguments were loaded there; a
    load that takes longer than a lease that was extended is none the worse for it."""
    if not heartbeats_arrive:
        bench.driver.extending.before.extend([DriverUnavailable("away")] * 10_000)
    bench.serializer.registry.register(tasks.PlateHook())
    id = await bench.enqueue(tasks.eat(tasks.Plate(path)))
    setup = ChildSetup(call="tests.runtime.process_tasks:serializers_with_plates")
    await bench.work(process_pool_size=1, lease=1.0, child_setup=setup)
    assert (await bench.record(id)).state is TaskState.COMPLETED
    settled = [type(one) for batch in bench.driver.settles for one in batch]
    starts = [line[2] for line in tasks.notes(path) if line[1] == "start"]
    assert (starts, settled) == ((["1"], [Complete]) if heartbeats_arrive else (["2"], [Release, Complete]))


async def test_cancellation_kills_the_child(bench: Bench, path: str) -> None:
    """A running process task whose cancellation is requested is killed with the next heartbeat, and cancelled."""
    id = await bench.enqueue(tasks.block(path, 60.0))
    async with bench.working(process_pool_size=1, lease=1.0):
        await bench.eventually(tasks.notes, path)
        await bench.driver.cancel_many([id])
        assert (await bench.until(id, TaskState.CANCELLED)).reason == "cancelled"


_ORPHAN = """
import sys, anyio
from asynctasq.memory import MemoryDriver
from asynctasq.runtime.worker import Worker
from tests.runtime.harness import Bench
from tests.runtime import process_tasks as tasks

async def main():
    async with MemoryDriver("orphan") as driver:
        await Bench(driver).enqueue(tasks.block(sys.argv[1], 60.0))
        await Worker(driver, process_pool_size=1).start()

anyio.run(main)
"""


async def test_no_child_outlives_its_worker(bench: Bench, path: str) -> None:
    """When the worker is killed with SIGKILL, its busy children end as well."""
    async with await anyio.open_process([sys.executable, "-c", _ORPHAN, path], stdout=PIPE, stderr=None) as worker:
        await bench.eventually(tasks.notes, path)
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
        [[pid, *_]] = tasks.notes(path)
        with anyio.move_on_after(2):
            await bench.eventually(lambda: not _is_alive(int(pid)))
        assert not _is_alive(int(pid))


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
