"""How a worker ends, in virtual time; threads and cancellation from outside in real time."""

from typing import Any

import anyio
import pytest

from asynctasq.contract.envelopes import TaskState
from asynctasq.contract.settlements import Release
from asynctasq.errors import DriverUnavailable
from asynctasq.runtime.frame import Headers
from asynctasq.runtime.shutdown import StopStage
from asynctasq.tasks.function_task import task
from asynctasq.tasks.task_kinds import AsyncTask
from tests.runtime.harness import Bench

pytestmark = pytest.mark.anyio

log: list[Any] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


@pytest.fixture
def anyio_backend(virtual_time: Any) -> Any:
    return virtual_time


@task(name="shutdown.sleep")
async def sleep(seconds: float) -> None:
    log.append("start")
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        log.append("cancelled")
        raise
    log.append("end")


@task(name="shutdown.slow_to_cancel")
async def slow_to_cancel(seconds: float, unwinding: float) -> None:
    try:
        await anyio.sleep(seconds)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(unwinding)


async def test_an_idle_worker_ends_at_once(bench: Bench) -> None:
    """A worker without tasks ends as soon as it is asked to, whatever its poll interval and grace."""
    async with bench.working(poll_interval=1000.0, grace=500.0):
        await anyio.sleep(100.0)
        stopped_at = anyio.current_time()
    assert anyio.current_time() - stopped_at <= 0.5


async def test_a_request_before_the_start_ends_it_at_once(bench: Bench) -> None:
    """A worker that is asked to stop before it has begun takes nothing."""
    await bench.enqueue(sleep(1.0))
    worker = bench.worker()
    worker.request_stop()
    await worker.start()
    assert (await bench.driver.queue_stats(["default"]))["default"].ready == 1


async def test_a_pause_before_the_start_holds(bench: Bench) -> None:
    """A worker that is told to take nothing new before it has begun, as while it connects, takes nothing."""
    id = await bench.enqueue(sleep(1.0))
    worker = bench.worker()
    worker.pause()
    async with anyio.create_task_group() as group:
        group.start_soon(worker.start)
        await anyio.sleep(60.0)
        assert (await bench.record(id)).state is TaskState.READY
        worker.request_stop()


async def test_running_tasks_may_end_within_the_grace(bench: Bench) -> None:
    """P12: the first request lets running tasks end, takes nothing new, and heartbeats go on meanwhile."""
    ids = [await bench.enqueue(sleep(40.0)) for _ in range(4)]
    async with bench.working(concurrency=2, lease=10.0, grace=60.0):
        await anyio.sleep(5.0)
        stopped_at = anyio.current_time()
    assert anyio.current_time() - stopped_at == pytest.approx(35.0, abs=0.5)
    states = sorted([(await bench.record(id)).state for id in ids])
    assert states == [TaskState.COMPLETED, TaskState.COMPLETED, TaskState.READY, TaskState.READY]
    assert log == ["start", "start", "end", "end"]
    assert any(at > stopped_at for at, _ in bench.driver.extends)


async def test_after_the_grace_what_runs_is_released(bench: Bench) -> None:
    """P12: at the end of the grace unfinished tasks are cancelled and released at once, without burning an attempt, and
    the worker ends within 2 s."""
    ids = [await bench.enqueue(sleep(1e6), headers=Headers(max_attempts=1)) for _ in range(3)]
    async with bench.working(concurrency=3, lease=10.0, grace=20.0):
        await anyio.sleep(5.0)
        stopped_at = anyio.current_time()
    assert 20.0 <= anyio.current_time() - stopped_at <= 22.0
    for id in ids:
        record = await bench.record(id)
        assert (record.state, record.attempts, record.failures) == (TaskState.READY, 0, ())
    assert log == ["start"] * 3 + ["cancelled"] * 3


async def test_a_second_request_cancels_and_releases(bench: Bench) -> None:
    """P12: a second request ends the grace: everything is cancelled and released within 2 s."""
    id = await bench.enqueue(sleep(1e6))
    async with bench.working(grace=1e5) as worker:
        await anyio.sleep(5.0)
        assert worker.request_stop() is StopStage.DRAINING
        await anyio.sleep(100.0)
        assert worker.get_health_status()["status"] == "draining"
        assert worker.request_stop() is StopStage.CANCELLING
        stopped_at = anyio.current_time()
    assert anyio.current_time() - stopped_at <= 2.0
    record = await bench.record(id)
    assert (record.state, record.attempts) == (TaskState.READY, 0)


async def test_a_body_that_takes_its_time_to_unwind_is_released_meanwhile(bench: Bench) -> None:
    """A body that is slow to end is released in time, and its late outcome does not count."""
    id = await bench.enqueue(slow_to_cancel(1e6, 30.0))
    async with bench.working(grace=1.0) as worker:
        await anyio.sleep(5.0)
        worker.request_stop()
        await anyio.sleep(3.0)
        record = await bench.record(id)
        assert (record.state, record.attempts) == (TaskState.READY, 0)
    record = await bench.record(id)
    assert (record.state, record.attempts) == (TaskState.READY, 0)


async def test_prefetched_tasks_are_released_at_once(bench: Bench) -> None:
    """What waits here and has not begun goes back to the queue with the first request, not with the end of the grace,
    and its attempt does not count."""
    for _ in range(3000):
        await bench.enqueue(sleep(0.001))
    long = [await bench.enqueue(sleep(20.0)) for _ in range(400)]
    async with bench.working(concurrency=10, grace=60.0) as worker:
        await bench.eventually(lambda: worker.get_health_status()["buffered_tasks"] >= 50)
        worker.request_stop()
        await anyio.sleep(0.05)
        assert worker.get_health_status()["buffered_tasks"] == 0
        stats = (await bench.driver.queue_stats(["default"]))["default"]
        assert stats.leased <= 10
    assert any(isinstance(one, Release) for batch in bench.driver.settles for one in batch)
    records = [await bench.record(id) for id in long]
    assert {record.attempts for record in records if record.state is TaskState.READY} <= {0}


async def test_a_pause_gives_back_what_has_not_begun(bench: Bench) -> None:
    """A worker that is told to take nothing new releases its buffer at once; what runs goes on."""
    for _ in range(3000):
        await bench.enqueue(sleep(0.001))
    for _ in range(400):
        await bench.enqueue(sleep(20.0))
    async with bench.working(concurrency=10, grace=60.0) as worker:
        await bench.eventually(lambda: worker.get_health_status()["buffered_tasks"] >= 50)
        worker.pause()
        assert worker.get_health_status()["buffered_tasks"] == 0
        await anyio.sleep(0.1)
        assert (await bench.driver.queue_stats(["default"]))["default"].leased <= 10


async def test_deliveries_that_arrive_after_the_request_are_released(bench: Bench) -> None:
    """A reserve that is in flight when the worker is asked to stop is waited for, and what it brings is released."""
    id = await bench.enqueue(sleep(1.0))
    bench.driver.reserving.after.append(5.0)
    async with bench.working(grace=30.0):
        await anyio.sleep(1.0)
        assert (await bench.record(id)).state is TaskState.LEASED
    record = await bench.record(id)
    assert (record.state, record.attempts, log) == (TaskState.READY, 0, [])


async def test_settling_goes_on_until_the_end_and_is_bounded(bench: Bench) -> None:
    """A store that is away when the worker has to end does not keep it: grace + 2 s is the limit."""
    await bench.enqueue(sleep(1.0))
    bench.driver.settling.before.extend([DriverUnavailable("away")] * 10_000)
    async with bench.working(grace=10.0):
        await anyio.sleep(5.0)
        stopped_at = anyio.current_time()
    assert 10.0 <= anyio.current_time() - stopped_at <= 12.0


async def test_a_store_that_hangs_does_not_keep_the_worker(bench: Bench) -> None:
    """Calls that are never answered are given up at the end."""
    await bench.enqueue(sleep(1.0))
    bench.driver.settling.before.append(1e6)
    bench.driver.reserving.before.extend([None, None, 1e6])
    async with bench.working(grace=10.0):
        await anyio.sleep(25.0)
        stopped_at = anyio.current_time()
    assert anyio.current_time() - stopped_at <= 12.0


class SlowFailed(AsyncTask[None]):
    config = {"name": "shutdown.SlowFailed"}

    async def execute(self) -> None:
        raise ValueError

    async def failed(self, exception: Exception) -> None:
        log.append("failed begins")
        await anyio.sleep(10.0)
        log.append("failed ends")


async def test_failed_may_end_within_the_grace(bench: Bench) -> None:
    """A failed() that runs when the worker is asked to stop is waited for."""
    await bench.enqueue(SlowFailed(), headers=Headers(max_attempts=1))
    async with bench.working(grace=60.0):
        await anyio.sleep(5.0)
    assert log == ["failed begins", "failed ends"]


@pytest.mark.parametrize("options", [{"max_tasks": 1}, {"burst": True}])
@pytest.mark.parametrize("job", [SlowFailed(), sleep(10.0)])
async def test_a_worker_that_ends_by_itself_drains_at_the_first_request(
    bench: Bench, job: Any, options: dict[str, Any]
) -> None:
    """P12: a worker that takes no more by itself has not used up the first request: what runs, failed() included, may
    end within the grace; and the second request cancels it."""
    for requests in ([StopStage.DRAINING], [StopStage.DRAINING, StopStage.CANCELLING]):
        log.clear()
        await bench.enqueue(job, headers=Headers(max_attempts=1))
        worker = bench.worker(grace=60.0, **options)
        async with anyio.create_task_group() as group:
            group.start_soon(worker.start)
            await anyio.sleep(5.0)
            stopped_at = anyio.current_time()
            assert [worker.request_stop() for _ in requests] == requests
        took = anyio.current_time() - stopped_at
        if len(requests) == 1:
            assert took == pytest.approx(5.0, abs=0.5)
            assert log in (["failed begins", "failed ends"], ["start", "end"])
        else:
            assert took <= 2.0
            assert log in (["failed begins"], ["start", "cancelled"])


class EndlessFailed(AsyncTask[None]):
    config = {"name": "shutdown.EndlessFailed"}

    async def execute(self) -> None:
        raise ValueError

    async def failed(self, exception: Exception) -> None:
        await anyio.sleep_forever()


async def test_failed_has_thirty_seconds(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """failed() has a limit of 30 s of its own; what it exceeds is logged and counted."""
    await bench.enqueue(EndlessFailed(), headers=Headers(max_attempts=1))
    started_at = anyio.current_time()
    worker = await bench.work()
    assert 30.0 <= anyio.current_time() - started_at <= 32.0
    assert worker.get_health_status()["failed_handler_errors"] == 1
    assert "failed() took longer than 30 s" in caplog.text


async def test_cancelling_the_worker_from_outside_releases_what_it_holds(bench: Bench) -> None:
    """A worker whose own task is cancelled gives back everything before it ends, without burning an attempt."""
    ids = [await bench.enqueue(sleep(1e6)) for _ in range(3)]
    async with anyio.create_task_group() as group:
        group.start_soon(bench.worker(concurrency=2).start)
        await anyio.sleep(5.0)
        group.cancel_scope.cancel()
    for id in ids:
        record = await bench.record(id)
        assert (record.state, record.attempts) == (TaskState.READY, 0)
