"""Connections that break: what is unknown is said to be unknown, and sending again is safe."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from asynctasq.driver_api import (
    Complete,
    Driver,
    DriverError,
    DriverUnavailable,
    NewTask,
    SettleOutcome,
    TaskState,
    WakeUpStream,
)
from asynctasq_conformance.examples import example
from asynctasq_conformance.faults.proxy import Fault, TcpProxy, open_proxy
from asynctasq_conformance.groups.lifecycle import calls_of
from asynctasq_conformance.subject import QUEUE, Subject, new_task

CUTS = (0, 1, 4, 9, 30, 100)
"""Bytes of a reply after which the connection is cut."""
COMMAND_TIME_OUT = 60.0
"""Seconds within which a call that is never answered must have given up."""

HINTS_AFTER_CUT = 4
"""Tasks that a stream must tell of after a cut, unless it says that it broke."""


@dataclass
class Wired:
    """A driver whose connections go through a proxy."""

    driver: Driver
    proxy: TcpProxy


@asynccontextmanager
async def wired(subject: Subject) -> AsyncGenerator[Wired]:
    """A connected driver behind a proxy, for one example."""
    harness, address = subject.harness, subject.harness.address
    assert address is not None
    async with open_proxy(address) as proxy:
        harness.address = proxy.address
        try:
            driver = await harness.open_driver(subject.namespace)
            await driver.connect()
            yield Wired(driver, proxy)
            proxy.set(Fault())
            with anyio.move_on_after(subject.patience, shield=True):
                await driver.disconnect()
        finally:
            harness.address = address


async def breaks(call: Callable[[], Awaitable[object]]) -> bool:
    """The call raises `DriverUnavailable` (True) or ends well (False), and does nothing else."""
    with anyio.move_on_after(COMMAND_TIME_OUT) as scope:
        try:
            await call()
        except DriverUnavailable as error:
            if error.__cause__ is None:
                raise AssertionError(f"{error!r} does not carry the native error as its cause") from error
            return True
        except DriverError as error:
            raise AssertionError(f"raised {error!r}; wanted DriverUnavailable") from error
        except Exception as error:
            raise AssertionError(f"raised {error!r}, which is no DriverError") from error
    assert not scope.cancelled_caught, f"a call that nobody answers had not given up after {COMMAND_TIME_OUT:g} seconds"
    return False


async def heals(subject: Subject, driver: Driver) -> None:
    """The driver works again by itself, soon after its server can be reached."""
    with anyio.move_on_after(subject.patience):
        while True:
            if not await breaks(driver.now):
                return
            await anyio.sleep(0.05)
    raise AssertionError(f"the driver did not heal within {subject.patience:g} seconds")


@example("FLT-1", "FLT-2")
async def test_a_cut_connection_is_driver_unavailable(subject: Subject) -> None:
    """`DriverUnavailable` for a connection that was cut, whatever the method; afterwards the driver heals."""
    async with wired(subject) as one:
        for call in calls_of(one.driver).values():
            await heals(subject, one.driver)
            one.proxy.set(Fault(cut_after=1))
            await one.proxy.cut()
            await breaks(call)
            one.proxy.set(Fault())
        await heals(subject, one.driver)


@example("FLT-2", "ERR-9")
async def test_an_enqueue_whose_reply_was_cut_is_safe_to_send_again(subject: Subject) -> None:
    """Cut after n bytes of the reply, in mid frame too: the same batch again, and every task is stored once."""
    async with wired(subject) as one:
        for cut in CUTS:
            tasks = [new_task() for _ in range(3)]
            await heals(subject, one.driver)
            one.proxy.set(Fault(cut_after=cut))
            broke = await breaks(lambda tasks=tasks: one.driver.enqueue_many(tasks))
            assert broke or cut, "a call whose reply was cut off whole ended well"
            await _stored_once(subject, one, tasks)


async def _stored_once(subject: Subject, one: Wired, tasks: list[NewTask]) -> None:
    one.proxy.set(Fault())
    await heals(subject, one.driver)
    outcomes = await one.driver.enqueue_many(tasks)
    assert len({outcome.accepted for outcome in outcomes}) == 1, f"half of a batch was stored: {outcomes}"
    assert sorted(await subject.take_ids(len(tasks) + 1)) == sorted(task.id for task in tasks)


@example("FLT-2", "ERR-9")
async def test_a_settlement_whose_reply_was_cut_is_safe_to_send_again(subject: Subject) -> None:
    """Cut after n bytes of the reply: the same settlements again, and each has taken effect once."""
    async with wired(subject) as one:
        for cut in CUTS:
            id = await subject.put(keep_for=subject.long)
            receipt = (await subject.take_one(id=id)).receipt
            follow_up = new_task(queue="next")
            item = Complete(receipt=receipt, result=b"result", follow_ups=(follow_up,))
            await heals(subject, one.driver)
            one.proxy.set(Fault(cut_after=cut))
            broke = await breaks(lambda item=item: one.driver.settle_many([item]))
            assert broke or cut, "a call whose reply was cut off whole ended well"
            one.proxy.set(Fault())
            await heals(subject, one.driver)
            [outcome] = await one.driver.settle_many([item])
            assert outcome in (SettleOutcome.APPLIED, SettleOutcome.STALE)
            await subject.must_be(TaskState.COMPLETED, id)
            await subject.take_one(queue="next", id=follow_up.id)


@example("FLT-2")
async def test_a_reply_that_never_comes_is_driver_unavailable(subject: Subject) -> None:
    """`DriverUnavailable` also for a call unanswered for the driver's `command_timeout`; the batch is sent again."""
    async with wired(subject) as one:
        tasks = [new_task()]
        await heals(subject, one.driver)
        one.proxy.set(Fault(drop_replies=True))
        assert await breaks(lambda: one.driver.enqueue_many(tasks)), "a call without an answer ended well"
        await _stored_once(subject, one, tasks)


@example("FLT-2")
async def test_a_server_that_refuses_is_driver_unavailable(subject: Subject) -> None:
    """A server that refuses: `DriverUnavailable` from calls and from `connect()`, and the driver heals."""
    async with wired(subject) as one:
        one.proxy.set(Fault(refuse=True))
        await one.proxy.cut()
        assert await breaks(lambda: one.driver.enqueue_many([new_task()])), "a call to a server that refuses ended well"
        late = await subject.harness.open_driver(subject.namespace)
        assert await breaks(late.connect), "connecting to a server that refuses ended well"
        one.proxy.set(Fault())
        await heals(subject, one.driver)


@example("FLT-2")
async def test_a_half_closed_connection_is_driver_unavailable(subject: Subject) -> None:
    """A server that stops talking in the middle of a connection: `DriverUnavailable`, and the driver heals."""
    async with wired(subject) as one:
        tasks = [new_task()]
        await heals(subject, one.driver)
        one.proxy.set(Fault(half_close=True))
        await breaks(lambda: one.driver.enqueue_many(tasks))
        await one.proxy.cut()
        await _stored_once(subject, one, tasks)


@example("WAK-7", requires=("wake_ups",))
async def test_a_stream_of_hints_that_broke_says_so(subject: Subject) -> None:
    """When the connection that carries the hints has broken, `wait` raises `DriverUnavailable`, unless the hints go on:
    a listener never waits in vain, and can listen again."""
    async with wired(subject) as one:
        wake_ups = one.driver.wake_ups
        assert wake_ups is not None
        leaving = False
        try:
            async with wake_ups.listen([QUEUE]) as stream:
                await one.proxy.cut()
                await _says_so_or_goes_on(subject, stream)
                leaving = True
        except DriverUnavailable:
            if not leaving:  # a broken stream may say so when it is left, too; nothing else here may
                raise
        await subject.take_ids(HINTS_AFTER_CUT + 1)
        await heals(subject, one.driver)
        async with wake_ups.listen([QUEUE]) as stream:
            await subject.put()
            assert await stream.wait(subject.patience), "no hint on a stream that was opened after the cut"


async def _says_so_or_goes_on(subject: Subject, stream: WakeUpStream) -> None:
    """Hints may be spurious, so one alone shows nothing: every task is told of, until the stream says that it broke."""
    for number in range(1, HINTS_AFTER_CUT + 1):
        await subject.put()
        try:
            told = await stream.wait(subject.patience)
        except DriverUnavailable:
            return
        assert told, (
            f"the connection was cut, and {subject.patience:g} seconds after task {number} from then on `wait` had "
            "told nothing"
        )


@example("FLT-6")
async def test_a_slow_network_changes_nothing(subject: Subject) -> None:
    """Latency is no failure: every reply late, and every answer right."""
    async with wired(subject) as one:
        one.proxy.set(Fault(delay=0.05))
        task = new_task()
        [outcome] = await one.driver.enqueue_many([task])
        assert outcome.accepted
        [delivery] = await one.driver.reserve([QUEUE], limit=1, lease=subject.long, worker="worker")
        assert await one.driver.settle_many([Complete(receipt=delivery.receipt)]) == [SettleOutcome.APPLIED]


@example("SET-18")
async def test_settling_takes_as_many_round_trips_for_one_as_for_many(subject: Subject) -> None:
    """Settling takes a number of round trips that does not depend on the batch."""
    counts: dict[int, int] = {}
    async with wired(subject) as one:
        for size in (2, 2, 20):
            await subject.accept(*[new_task() for _ in range(size)])
            deliveries = await subject.take(size)
            before = one.proxy.turns
            await one.driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
            counts[size] = one.proxy.turns - before
    assert counts[20] <= counts[2] + 1, f"round trips by size of the batch: {counts}"
