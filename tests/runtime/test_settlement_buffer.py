"""Group commit of settlements, and what becomes of them when the store does not answer."""

import logging
from typing import Any

import anyio
import pytest

from asynctasq.contract.envelopes import Failure, TaskState
from asynctasq.contract.settlements import Bury, Complete, Settlement, SettleOutcome
from asynctasq.errors import DriverUnavailable, QueueFull
from asynctasq.memory import MemoryDriver
from asynctasq.runtime.frame import Headers
from asynctasq.runtime.held_deliveries import Held, HeldDeliveries
from asynctasq.runtime.settlement_buffer import SettlementBuffer
from asynctasq.tasks.function_task import task
from asynctasq.tasks.task_kinds import AsyncTask
from tests.runtime.harness import Bench, FaultyDriver

pytestmark = pytest.mark.anyio

log: list[Any] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


@pytest.fixture
def anyio_backend(virtual_time: Any) -> Any:
    return virtual_time


@task(name="settling.quick")
async def quick(n: int) -> None:
    log.append(n)


async def _held(bench: Bench, count: int) -> tuple[HeldDeliveries, list[Held]]:
    for n in range(count):
        await bench.enqueue(quick(n))
    held = HeldDeliveries()
    held.take_in(await bench.driver.reserve(["default"], limit=count, lease=30.0, worker="w"), 0.0)
    taken = list(held.buffer)
    held.buffer.clear()
    return held, taken


async def test_while_one_batch_is_in_flight_the_next_one_gathers(bench: Bench) -> None:
    """Settlements that come while a batch is in flight go together in the next call; a single one waits for nobody."""
    held, taken = await _held(bench, 10)
    outcomes: list[SettleOutcome] = []
    buffer = SettlementBuffer(bench.driver, held, on_settled=lambda _h, _s, outcome, _again: outcomes.append(outcome))
    bench.driver.settling.before.append(1.0)
    async with anyio.create_task_group() as group:
        group.start_soon(buffer.run)
        for one in taken:
            buffer.add(one, Complete(receipt=one.delivery.receipt))
            await anyio.sleep(0.01)
        await held.wait_until_empty()
        buffer.close(anyio.current_time() + 1)
    assert [len(batch) for batch in bench.driver.settles] == [1, 9]
    assert outcomes == [SettleOutcome.APPLIED] * 10


async def test_a_driver_that_miscounts_does_not_end_the_worker(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Too few outcomes are no answer: the same batch is sent again."""
    settle = bench.driver._settle_many
    answers = iter([[], [SettleOutcome.APPLIED, SettleOutcome.APPLIED]])

    async def miscounting(settlements: Any) -> Any:
        outcomes = await settle(settlements)
        return next(answers, outcomes)

    monkeypatch.setattr(bench.driver, "_settle_many", miscounting)
    id = await bench.enqueue(quick(1))
    await bench.work()
    assert (await bench.record(id)).state is TaskState.COMPLETED
    assert "0 outcomes came for 1 settlements" in caplog.text


async def test_a_second_settlement_of_one_delivery_is_dropped(bench: Bench) -> None:
    """A delivery is settled once: what comes later no longer counts."""
    held, [one] = await _held(bench, 1)
    buffer = SettlementBuffer(bench.driver, held, on_settled=lambda *_: None)
    buffer.add(one, Complete(receipt=one.delivery.receipt))
    buffer.add(one, Bury(receipt=one.delivery.receipt, failure=Failure(type="x", message="y")))
    buffer.close(anyio.current_time() + 1)
    await buffer.run()
    assert [len(batch) for batch in bench.driver.settles] == [1]


async def test_batches_never_exceed_what_the_driver_takes(namespace: str) -> None:
    """More settlements than the driver's max_batch go in several calls."""
    async with FaultyDriver(namespace, clock=lambda: 1e9, max_batch=4) as driver:
        bench = Bench(driver)
        held, taken = HeldDeliveries(), []
        for n in range(10):
            await bench.enqueue(quick(n))
        for _ in range(3):
            held.take_in(await driver.reserve(["default"], limit=4, lease=30.0, worker="w"), 0.0)
        taken, buffer = list(held.buffer), SettlementBuffer(driver, held, on_settled=lambda *_: None)
        for one in taken:
            buffer.add(one, Complete(receipt=one.delivery.receipt))
        buffer.close(anyio.current_time() + 1)
        await buffer.run()
        assert [len(batch) for batch in driver.settles] == [4, 4, 2]


@pytest.mark.parametrize("applied", [True, False])
async def test_the_same_batch_is_sent_again_until_it_is_answered(bench: Bench, applied: bool) -> None:
    """After DriverUnavailable exactly the same batch is sent again, for as long as it takes; that it may be stale then
    is no error, and each task has run once."""
    ids = [await bench.enqueue(quick(n)) for n in range(5)]
    faults: list[BaseException | float | None] = [DriverUnavailable("answer lost")] * 200
    (bench.driver.settling.after if applied else bench.driver.settling.before).extend(faults)
    async with bench.working(lease=600.0):
        for id in ids:
            await bench.until(id, TaskState.COMPLETED)
        await anyio.sleep(600.0)
    assert len(bench.driver.settles) >= 201
    assert all(batch == bench.driver.settles[0] for batch in bench.driver.settles[:201])
    assert sorted(log) == [0, 1, 2, 3, 4]


async def test_sending_again_is_no_hot_loop(bench: Bench) -> None:
    """While the store is away for a minute, a batch is sent about once every two seconds."""
    await bench.enqueue(quick(1))
    bench.driver.settling.before.extend([QueueFull("no room")] * 10_000)
    async with bench.working(lease=600.0, grace=1.0):
        await anyio.sleep(60.0)
        assert 25 <= len(bench.driver.settles) <= 75


class Buried(AsyncTask[None]):
    config = {"name": "settling.Buried"}

    async def execute(self) -> None:
        raise ValueError

    async def failed(self, exception: Exception) -> None:
        log.append("failed")


@pytest.mark.parametrize("applied", [True, False])
async def test_failed_is_called_once_although_the_answer_was_lost(bench: Bench, applied: bool) -> None:
    """A Bury that was applied although its answer was lost is looked up, and failed() is called: once, not twice."""
    id = await bench.enqueue(Buried(), headers=Headers(max_attempts=1))
    (bench.driver.settling.after if applied else bench.driver.settling.before).append(DriverUnavailable("lost"))
    await bench.work()
    assert (await bench.record(id)).state is TaskState.DEAD
    assert log == ["failed"]


async def test_failed_is_not_called_for_a_burial_that_was_lost(bench: Bench) -> None:
    """A Bury that turns out stale buried nothing: failed() is not called here."""
    id = await bench.enqueue(Buried(), headers=Headers(max_attempts=1))

    async def lose_it() -> None:
        await bench.driver.purge(["default"])

    bench.driver.settling.before.append(1.0)
    async with bench.working():
        await anyio.sleep(0.5)
        await lose_it()
        await anyio.sleep(5.0)
    assert id not in await bench.driver.get_tasks([id])
    assert log == []


async def test_one_refused_settlement_does_not_spoil_the_others(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A settlement that the driver refuses is found and dropped with a log line; the rest of its batch is settled."""
    held, taken = await _held(bench, 7)
    applied: list[Settlement] = []
    buffer = SettlementBuffer(bench.driver, held, on_settled=lambda _h, settlement, _o, _a: applied.append(settlement))
    for n, one in enumerate(taken):
        receipt = one.delivery.receipt
        wrong = Bury(receipt=receipt, failure=Failure(type="x", message="\0"))
        buffer.add(one, wrong if n == 3 else Complete(receipt=receipt))
    buffer.close(anyio.current_time() + 1)
    with caplog.at_level(logging.ERROR):
        await buffer.run()
    assert len(applied) == 6
    assert taken[3].delivery.id in caplog.text
    assert not held.table


async def test_a_broken_driver_does_not_end_the_worker(bench: Bench) -> None:
    """P11: whatever a driver raises, the worker goes on and sends again."""
    id = await bench.enqueue(quick(1))
    bench.driver.settling.before.extend([ValueError("a bug"), KeyError("another"), OSError("a third")])
    bench.driver.reserving.before.extend([RuntimeError("a bug"), None, ZeroDivisionError()])
    async with bench.working():
        await bench.until(id, TaskState.COMPLETED)
    assert log == [1]


async def test_settling_has_a_time_limit_of_its_own(bench: Bench) -> None:
    """A call that hangs is given up and sent again."""
    id = await bench.enqueue(quick(1))
    bench.driver.settling.before.append(1e6)
    async with bench.working(lease=600.0):
        await bench.until(id, TaskState.COMPLETED)
    assert len(bench.driver.settles) == 2
    assert anyio.current_time() < 100


def test_memory_driver_is_the_base_of_the_faulty_one() -> None:
    """Errors are injected into a real driver: nothing here is a mock of one."""
    assert issubclass(FaultyDriver, MemoryDriver)
