"""When and how many deliveries are reserved, in virtual time."""

import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from asynctasq.contract.envelopes import TaskState
from asynctasq.contract.settlements import Release
from asynctasq.errors import DriverUnavailable
from asynctasq.tasks.current_task import current_task
from asynctasq.tasks.function_task import task
from tests.runtime.harness import Bench

pytestmark = pytest.mark.anyio

log: list[Any] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


@pytest.fixture
def anyio_backend(virtual_time: Any) -> Any:
    return virtual_time


@task(name="reserving.note")
async def note(n: int, seconds: float = 0.0) -> None:
    log.append((n, anyio.current_time()))
    if seconds:
        await anyio.sleep(seconds)


class _Stream:
    def __init__(self, hints: "BrokenHints", stream: Any) -> None:
        self._hints = hints
        self._stream = stream

    async def wait(self, timeout: float) -> bool:
        if self._hints.errors:
            raise self._hints.errors.pop(0)
        if self._hints.deaf:
            await anyio.sleep(timeout)
            return False
        return await self._stream.wait(timeout)


class BrokenHints:
    """Wake-ups whose connection breaks, or that lose every hint."""

    def __init__(self, wake_ups: Any) -> None:
        self._wake_ups = wake_ups
        self.errors: list[BaseException] = []
        self.listen_errors: list[BaseException] = []
        self.deaf = False
        self.listened = 0

    @asynccontextmanager
    async def listen(self, queues: Sequence[str]) -> AsyncGenerator[Any, None]:
        self.listened += 1
        if self.listen_errors:
            raise self.listen_errors.pop(0)
        async with self._wake_ups.listen(queues) as stream:
            yield _Stream(self, stream)


async def test_an_idle_worker_starts_a_task_at_once(bench: Bench) -> None:
    """P8: with wake-ups an enqueue starts at once, not at the next poll."""
    async with bench.working(poll_interval=1000.0):
        await anyio.sleep(500.0)
        await bench.enqueue(note(1))
        await anyio.sleep(0.5)
        assert [n for n, _ in log] == [1]


@pytest.mark.parametrize("with_wake_ups", [True, False])
async def test_a_lost_hint_costs_at_most_the_poll_interval(bench: Bench, with_wake_ups: bool) -> None:
    """P8: if every wake-up is lost, or there are none, a due task starts within the poll interval."""
    hints = BrokenHints(bench.driver.wake_ups)
    hints.deaf = True
    bench.driver.wake_ups = hints if with_wake_ups else None  # type: ignore[assignment]
    async with bench.working(poll_interval=2.0):
        for n in range(20):
            await anyio.sleep(7.3)
            enqueued = anyio.current_time()
            await bench.enqueue(note(n))
            await anyio.sleep(2.1)
            assert log[-1][0] == n
            assert log[-1][1] - enqueued <= 2.0


async def test_polling_is_jittered_and_never_hot(bench: Bench) -> None:
    """An idle worker asks once per poll interval, not in step with others."""
    async with bench.working(poll_interval=1.0):
        await anyio.sleep(100.0)
    times = [at for at, _, _ in bench.driver.reserves]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(0.7 <= pause <= 1.01 for pause in pauses)
    assert len({round(pause, 3) for pause in pauses}) > 50


async def test_after_a_broken_stream_the_store_is_asked_at_once(bench: Bench) -> None:
    """When the hints' connection breaks, the worker listens again and then asks once before it waits."""
    hints = BrokenHints(bench.driver.wake_ups)
    bench.driver.wake_ups = hints
    async with bench.working(poll_interval=1000.0):
        await anyio.sleep(1.0)
        hints.deaf = True
        await bench.enqueue(note(1))  # its hint is lost with the connection
        hints.errors.append(DriverUnavailable("reset"))
        hints.deaf = False
        await bench.enqueue(note(2))  # whoever waits notices the break
        await anyio.sleep(5.0)
        assert sorted(n for n, _ in log) == [1, 2]
        await bench.enqueue(note(3))
        await anyio.sleep(1.0)
        assert [n for n, _ in log][-1] == 3


async def test_a_stream_that_cannot_be_opened_is_tried_again(bench: Bench) -> None:
    """While the store is away the worker tries to listen again, with a growing pause, and finds the work after that."""
    hints = BrokenHints(bench.driver.wake_ups)
    hints.listen_errors = [DriverUnavailable("away")] * 20
    bench.driver.wake_ups = hints
    await bench.enqueue(note(1))
    async with bench.working(poll_interval=1000.0):
        await anyio.sleep(60.0)
    assert [n for n, _ in log] == [1]
    assert hints.listened == 21


async def test_an_outage_is_outlived_and_noticed_soon(bench: Bench) -> None:
    """P11: the worker outlives an outage of any length, asks about every two seconds, and its health tells."""
    bench.driver.reserving.before.extend([DriverUnavailable("away")] * 1000)
    async with bench.working() as worker:
        await anyio.sleep(600.0)
        assert worker.get_health_status()["last_reserve_seconds_ago"] is None
        assert 300 <= len(bench.driver.reserves) <= 700
        bench.driver.reserving.before.clear()
        await bench.enqueue(note(1))
        await anyio.sleep(2.5)
        assert [n for n, _ in log] == [1]
        assert worker.get_health_status()["last_reserve_seconds_ago"] < 2.5


async def test_no_more_is_held_than_can_run(bench: Bench) -> None:
    """Long tasks are not taken in advance: another worker may be idle."""
    for n in range(20):
        await bench.enqueue(note(n, 100.0))
    async with bench.working(concurrency=3, grace=0.0):
        await anyio.sleep(50.0)
        stats = (await bench.driver.queue_stats(["default"]))["default"]
        assert (stats.leased, stats.ready) == (3, 17)
        await anyio.sleep(100.0)
        assert len(log) == 6
        asked = len(bench.driver.reserves)
        await anyio.sleep(40.0)
        assert len(bench.driver.reserves) == asked, "while full it asks nothing"


async def test_a_full_worker_takes_a_task_as_soon_as_a_slot_is_free(bench: Bench) -> None:
    """A freed slot is filled at once, not when several are free or at the next poll."""
    for n in range(6):
        await bench.enqueue(note(n, 10.0 + n))
    async with bench.working(concurrency=3, poll_interval=1000.0):
        await anyio.sleep(100.0)
    starts = dict(log)
    assert [round(starts[n] - starts[0], 1) for n in (3, 4, 5)] == [10.0, 11.0, 12.0]


async def test_the_buffer_is_given_back_when_tasks_turn_long(bench: Bench) -> None:
    """What was taken in advance goes back at once, without burning an attempt, when the tasks before it turn long."""
    for n in range(2000):
        await bench.enqueue(note(n, 0.01))
    long = [await bench.enqueue(note(10_000 + n, 1000.0)) for n in range(300)]
    async with bench.working(concurrency=10, grace=0.0):
        await anyio.sleep(60.0)
        stats = (await bench.driver.queue_stats(["default"]))["default"]
        assert (stats.leased, stats.ready) == (10, 290)
        assert {(await bench.record(id)).attempts for id in long} == {0, 1}
    assert sum(isinstance(one, Release) for batch in bench.driver.settles for one in batch) > 0
    assert max(limit for _, _, limit in bench.driver.reserves) > 10


@pytest.mark.parametrize("max_tasks", [1, 7, 25])
async def test_max_tasks_is_exact(bench: Bench, max_tasks: int) -> None:
    """A worker with max_tasks ends after exactly so many, and holds nothing then."""
    for n in range(40):
        await bench.enqueue(note(n, 0.01 * (n % 3)))
    worker = bench.worker(max_tasks=max_tasks, concurrency=4)
    await worker.start()
    stats = (await bench.driver.queue_stats(["default"]))["default"]
    assert (len(log), stats.total_completed, stats.leased, stats.ready) == (max_tasks, max_tasks, 0, 40 - max_tasks)
    assert worker.get_health_status()["tasks_processed"] == max_tasks


async def test_burst_ends_when_the_queues_are_empty(bench: Bench) -> None:
    """A burst runs what is there, also what comes meanwhile, leaves what is not due or paused, and returns."""
    for n in range(10):
        await bench.enqueue(note(n, 1.0))
    await bench.enqueue(note(100), delay=3600.0)
    await bench.enqueue(note(101), queue="resting")
    await bench.driver.pausing.pause(["resting"])
    await bench.work(concurrency=2, queues=["default", "resting"])
    assert sorted(n for n, _ in log) == list(range(10))


async def test_never_before_due(bench: Bench) -> None:
    """P7: a delayed task starts when it is due, not before, and soon after."""
    start = anyio.current_time()
    await bench.enqueue(note(1), delay=500.0)
    async with bench.working(poll_interval=5.0):
        await anyio.sleep(600.0)
    [(_, at)] = log
    assert 499.999 <= at - start <= 506.0


async def test_queues_are_served_in_order(bench: Bench) -> None:
    """P6: for one worker a queue that is listed first is emptied first, and each queue is served in order."""
    for n in range(5):
        for queue in ("low", "high"):
            await bench.enqueue(note(n if queue == "high" else n + 100), queue=queue)
    await bench.work(queues=["high", "low"], concurrency=1)
    assert [n for n, _ in log] == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]


async def test_weights_keep_low_queues_from_starving(bench: Bench) -> None:
    """With weights 3:1 a low queue gets its share although the high one never runs dry."""
    for n in range(100):
        await bench.enqueue(note(n, 1.0), queue="high")
        await bench.enqueue(note(n + 1000, 1.0), queue="low")
    async with bench.working(queues="high:3,low:1", concurrency=1, grace=0.0):
        await anyio.sleep(100.0)
    first = [n for n, _ in log][:80]
    assert 15 <= sum(n >= 1000 for n in first) <= 25


async def test_pause_stops_taking_and_nothing_else(bench: Bench) -> None:
    """A paused worker takes nothing new, and finishes what it has."""
    for n in range(3):
        await bench.enqueue(note(n, 10.0))
    async with bench.working(concurrency=1) as worker:
        await anyio.sleep(5.0)
        worker.pause()
        await anyio.sleep(100.0)
    assert [n for n, _ in log] == [0]
    stats = (await bench.driver.queue_stats(["default"]))["default"]
    assert (stats.total_completed, stats.ready) == (1, 2)


async def test_current_task_tells_who_runs(bench: Bench) -> None:
    """current_task() tells id, queue, attempt, worker and correlation id."""
    seen: list[Any] = []

    @task(name="reserving.who")
    async def who() -> None:
        seen.append(current_task())

    id = await bench.enqueue(who(), queue="other", correlation_id="order-1")
    await bench.work(queues=["other"], worker_id="w-9")
    [current] = seen
    assert (current.id, current.name, current.queue) == (id, "reserving.who", "other")
    assert (current.attempt, current.max_attempts, current.worker_id) == (1, 3, "w-9")
    assert current.correlation_id == "order-1"
    assert (await bench.record(id)).state is TaskState.COMPLETED
