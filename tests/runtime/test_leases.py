"""Leases, cancellation and time limits, in virtual time."""

import logging
from typing import Any

import anyio
import pytest

from asynctasq.contract.envelopes import Receipt, TaskState
from asynctasq.contract.settlements import Cancel, Complete, Retry
from asynctasq.errors import DriverUnavailable
from asynctasq.runtime.frame import Headers
from asynctasq.runtime.held_deliveries import HeldDeliveries
from asynctasq.runtime.lease_keeper import LeaseKeeper
from asynctasq.tasks.current_task import current_task
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


@task(name="leases.sleep")
async def sleep(seconds: float) -> None:
    log.append(("start", current_task().attempt))
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        log.append(("cancelled", current_task().attempt))
        raise
    log.append(("end", current_task().attempt))


@task(name="leases.stubborn")
async def stubborn(seconds: float) -> None:
    log.append(("start", current_task().attempt))
    with anyio.CancelScope(shield=True):
        await anyio.sleep(seconds)
    log.append(("end", current_task().attempt))


async def test_a_short_task_costs_no_heartbeat(bench: Bench) -> None:
    """A task that is shorter than a third of the lease is never extended."""
    for _ in range(20):
        await bench.enqueue(sleep(9.0))
    await bench.work(lease=30.0, concurrency=5)
    assert bench.driver.extends == []


async def test_long_tasks_are_extended_in_batches_and_never_lose_their_lease(bench: Bench) -> None:
    """P3: a lease is extended as long as its task runs, in one call for all that are due, about every third of it."""
    ids = [await bench.enqueue(sleep(3000.0)) for _ in range(5)]
    await bench.work(lease=30.0, concurrency=5)
    assert [await _attempts(bench, id) for id in ids] == [1] * 5
    assert {len(receipts) for _, receipts in bench.driver.extends} == {5}
    assert 3000 / 15 <= len(bench.driver.extends) <= 3000 / 10 + 1


async def _attempts(bench: Bench, id: str) -> int:
    return (await bench.record(id)).attempts


async def test_a_lost_lease_cancels_the_task_and_settles_nothing(bench: Bench) -> None:
    """P4: a task whose lease was lost is cancelled here, nothing is settled, and it runs elsewhere."""
    id = await bench.enqueue(sleep(60.0), headers=Headers(visibility_timeout=3600.0))
    async with bench.working(lease=30.0, concurrency=1):
        await bench.until(id, TaskState.LEASED)
        await anyio.sleep(5.0)
        await bench.driver.purge(["default"])
        await anyio.sleep(25.0)
        assert log == [("start", 1), ("cancelled", 1)]
        assert bench.driver.settles == []


async def test_an_outage_longer_than_the_lease_costs_the_lease_and_not_the_worker(bench: Bench) -> None:
    """Heartbeats that are not answered are sent again; when the lease is gone, the task is cancelled and runs again."""
    id = await bench.enqueue(sleep(90.0))
    bench.driver.extending.before.extend([DriverUnavailable("away")] * 50)
    async with bench.working(lease=30.0, concurrency=1):
        record = await bench.until(id, TaskState.COMPLETED)
    assert record.attempts == 2
    assert log == [("start", 1), ("cancelled", 1), ("start", 2), ("end", 2)]
    assert len(bench.driver.extends) >= 50


async def test_an_outage_shorter_than_the_lease_costs_nothing(bench: Bench) -> None:
    """A heartbeat that failed is sent again at once, long before the lease ends."""
    id = await bench.enqueue(sleep(100.0))
    bench.driver.extending.before.extend([DriverUnavailable("away")] * 4)
    bench.driver.extending.after.extend([DriverUnavailable("answer lost")] * 2)
    await bench.work(lease=30.0)
    assert await _attempts(bench, id) == 1


async def test_cancellation_of_a_running_task_rides_on_the_heartbeat(bench: Bench) -> None:
    """A running task whose cancellation is requested is cancelled with the next heartbeat, and ends as cancelled."""
    id = await bench.enqueue(sleep(3600.0))
    async with bench.working(lease=30.0):
        await bench.until(id, TaskState.LEASED)
        await bench.driver.cancel_many([id])
        await anyio.sleep(16.0)
        record = await bench.record(id)
    assert (record.state, record.reason) == (TaskState.CANCELLED, "cancelled")
    assert log == [("start", 1), ("cancelled", 1)]
    assert [type(one) for batch in bench.driver.settles for one in batch] == [Cancel]


async def test_a_completion_stands_although_cancellation_was_requested(bench: Bench) -> None:
    """A task that ends before it hears of its cancellation is completed."""
    id = await bench.enqueue(sleep(5.0))
    async with bench.working(lease=30.0):
        await bench.until(id, TaskState.LEASED)
        await bench.driver.cancel_many([id])
        record = await bench.until(id, TaskState.COMPLETED)
    assert record.state is TaskState.COMPLETED


async def test_a_body_that_ignores_its_cancellation_is_completed(bench: Bench) -> None:
    """A body that goes on behind a shield keeps its slot and its lease, and its completion stands."""
    id = await bench.enqueue(stubborn(100.0))
    async with bench.working(lease=30.0, concurrency=1, grace=200.0):
        await bench.until(id, TaskState.LEASED)
        await bench.driver.cancel_many([id])
        record = await bench.until(id, TaskState.COMPLETED, TaskState.CANCELLED)
    assert record.state is TaskState.COMPLETED
    assert log == [("start", 1), ("end", 1)]


async def test_a_receipt_is_left_out_while_its_settlement_is_in_flight(bench: Bench) -> None:
    """While a settlement is being sent its lease is not extended; while it waits to be sent again it is."""
    slow = await bench.enqueue(sleep(12.0))
    bench.driver.settling.before.append(25.0)
    async with bench.working(lease=30.0):
        await bench.until(slow, TaskState.COMPLETED)
    [settled] = [one for batch in bench.driver.settles for one in batch]
    assert isinstance(settled, Complete)
    assert all(at < 12.0 + 1.0 for at, _ in bench.driver.extends)


async def _keeper_of_two(bench: Bench, *, loop_is_blocked: bool) -> tuple[LeaseKeeper, Receipt, Receipt]:
    """Two tasks whose leases are half over, the second of which is being settled; and their receipts."""
    for _ in range(2):
        await bench.enqueue(sleep(1.0))
    held = HeldDeliveries()
    held.take_in(await bench.driver.reserve(["default"], limit=2, lease=30.0, worker="w"), anyio.current_time())
    running, settling = held.table.values()
    await anyio.sleep(15.0)
    keeper = LeaseKeeper(
        held, lambda: [settling], lease=30.0, clock=anyio.current_time, loop_is_blocked=lambda: loop_is_blocked
    )
    return keeper, running.delivery.receipt, settling.delivery.receipt


async def test_a_settlement_that_hangs_is_not_extended(bench: Bench) -> None:
    """A settlement whose call is under way is left out, however near the end of its lease is."""
    keeper, running, _ = await _keeper_of_two(bench, loop_is_blocked=False)
    for _ in range(2):
        await keeper.extend(bench.driver)
        await anyio.sleep(10.5)
    assert [receipts for _, receipts in bench.driver.extends] == [[running], [running]]


async def test_what_a_blocked_event_loop_has_perhaps_not_sent_is_extended_last(bench: Bench) -> None:
    """While the event loop is blocked, what it was about to settle keeps its lease, after all others."""
    keeper, running, settling = await _keeper_of_two(bench, loop_is_blocked=True)
    await keeper.extend(bench.driver)
    assert [receipts for _, receipts in bench.driver.extends] == [[running], [settling]]
    assert keeper.perhaps_unsent() == []


async def test_what_was_sent_after_all_keeps_nobody_waiting(bench: Bench) -> None:
    """If the backend lets the extension of what is being settled wait, the heartbeats of the others go on."""
    keeper, running, settling = await _keeper_of_two(bench, loop_is_blocked=True)
    bench.driver.extending.before.extend([None, 1e6])
    began_at = anyio.current_time()
    await keeper.extend(bench.driver)
    assert anyio.current_time() - began_at == pytest.approx(keeper.tick)
    await anyio.sleep(6.0)
    await keeper.extend(bench.driver)
    assert [receipts for _, receipts in bench.driver.extends] == [[running], [settling], [running], [settling]]


async def test_a_settlement_that_waits_keeps_its_lease(bench: Bench) -> None:
    """A task that has ended while the store has no room is extended until its settlement gets through: it runs once."""
    from asynctasq.errors import QueueFull

    id = await bench.enqueue(sleep(1.0))
    bench.driver.settling.before.extend([QueueFull("disk full")] * 100)
    async with bench.working(lease=30.0):
        record = await bench.until(id, TaskState.COMPLETED)
    assert record.attempts == 1
    assert len(bench.driver.settles) == 101
    assert log == [("start", 1), ("end", 1)]


class Timed(AsyncTask[None]):
    config = {"name": "leases.Timed"}
    seconds: float

    async def execute(self) -> None:
        try:
            await anyio.sleep(self.seconds)
        finally:
            log.append(("ended", self._current_attempt))

    def should_retry(self, exception: Exception) -> bool:
        log.append((type(exception).__name__, self._current_attempt, current_task().attempt))
        return True


async def test_timeout_cancels_the_attempt_and_counts_it(bench: Bench) -> None:
    """An attempt that takes longer than its timeout is cancelled there and then, and retried like any failure;
    should_retry() gets TaskTimedOut."""
    started = anyio.current_time()
    id = await bench.enqueue(Timed(seconds=100.0), headers=Headers(timeout=7.0, max_attempts=2, retry_delay=0.0))
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.attempts) == (TaskState.DEAD, 2)
    assert [failure.type for failure in record.failures] == ["asynctasq.errors.TaskTimedOut"] * 2
    assert log == [("ended", 1), ("TaskTimedOut", 1, 1), ("ended", 2)]
    assert anyio.current_time() - started == pytest.approx(14.0, abs=0.5)


async def test_a_timeout_does_not_reach_the_next_task_of_the_lane(bench: Bench) -> None:
    """The lane's scope is used again: a task without a timeout is not cancelled by the last one's."""
    first = await bench.enqueue(sleep(1.0), headers=Headers(timeout=5.0))
    second = await bench.enqueue(sleep(500.0))
    third = await bench.enqueue(Timed(seconds=100.0), headers=Headers(timeout=1.0, max_attempts=1))
    fourth = await bench.enqueue(sleep(500.0), headers=Headers(timeout=501.0))
    await bench.work(concurrency=1)
    states = [(await bench.record(id)).state for id in (first, second, third, fourth)]
    assert states == [TaskState.COMPLETED, TaskState.COMPLETED, TaskState.DEAD, TaskState.COMPLETED]


async def test_a_result_that_beats_its_cancellation_stands(bench: Bench) -> None:
    """A body that returns although its time is over has completed."""
    id = await bench.enqueue(stubborn(10.0), headers=Headers(timeout=5.0))
    await bench.work()
    assert (await bench.record(id)).state is TaskState.COMPLETED


async def test_visibility_timeout_gives_the_task_back_at_once(bench: Bench) -> None:
    """Past its visibility timeout a task is cancelled and given back by one Retry, which counts the attempt."""
    id = await bench.enqueue(sleep(10_000.0), headers=Headers(visibility_timeout=100.0, max_attempts=2))
    await bench.work(lease=30.0)
    record = await bench.record(id)
    assert log == [("start", 1), ("cancelled", 1), ("start", 2), ("cancelled", 2)]
    assert (record.state, record.reason) == (TaskState.DEAD, "attempts_exhausted")
    retries = [one for batch in bench.driver.settles for one in batch if isinstance(one, Retry)]
    assert [retry.delay for retry in retries] == [0.0, 0.0]
    assert "visibility timeout of 100 s" in retries[0].failure.message


async def test_what_cannot_be_stopped_is_given_back_all_the_same(bench: Bench) -> None:
    """A body that ignores its cancellation is given back at its visibility timeout, and its outcome is dropped."""
    id = await bench.enqueue(stubborn(300.0), headers=Headers(visibility_timeout=100.0, max_attempts=1))
    async with bench.working(lease=30.0, concurrency=2, grace=1000.0):
        await anyio.sleep(150.0)
        record = await bench.record(id)
        assert (record.state, record.reason) == (TaskState.DEAD, "attempts_exhausted")
    assert log == [("start", 1), ("end", 1)]
    assert (await bench.record(id)).state is TaskState.DEAD


async def test_half_of_the_visibility_timeout_is_warned_of_once_per_task(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker warns once per task name when a run passes half of its visibility timeout, with the formula."""
    for _ in range(3):
        await bench.enqueue(sleep(60.0), headers=Headers(visibility_timeout=100.0))
    with caplog.at_level(logging.WARNING):
        await bench.work(lease=30.0)
    assert caplog.text.count("expected duration x 2, plus a buffer") == 1


async def test_what_waits_here_too_long_is_not_run(bench: Bench) -> None:
    """A buffered delivery whose lease has ended is never started: it would run without a lease."""
    worker = bench.worker(lease=30.0)
    assert worker.get_health_status()["status"] == "starting"
    id = await bench.enqueue(sleep(1.0))
    bench.driver.reserving.after.append(40.0)  # the answer to reserve takes longer than the lease
    async with bench.working(lease=30.0):
        record = await bench.until(id, TaskState.COMPLETED)
    assert record.attempts == 2
    assert log == [("start", 2), ("end", 2)]
