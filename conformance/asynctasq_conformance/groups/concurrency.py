"""Races between several connections, and calls that are cancelled at every await."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from asynctasq.driver_api import (
    Bury,
    Complete,
    DriverError,
    Receipt,
    Release,
    Retry,
    SettleOutcome,
    TaskState,
)
from asynctasq_conformance.concurrency.cancelling import cancelled_at
from asynctasq_conformance.concurrency.contention import TASKS, Contention
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, NEVER_ISSUED, QUEUE, Subject, new_task

CONTENTION_SEEDS = (1, 2, 3)
MOST_AWAITS = 60
"""A call that suspends more often is not cancelled beyond."""

Result = TypeVar("Result")


async def for_every_await(
    prepare: Callable[[], Awaitable[Result]],
    call: Callable[[Result], Awaitable[object]],
    check: Callable[[Result], Awaitable[None]],
) -> None:
    """Prepare, cancel a call at its k-th await, and check what it left, for all k."""
    for k in range(1, MOST_AWAITS + 1):
        prepared = await prepare()
        attempted = await cancelled_at(k, lambda prepared=prepared: call(prepared))
        try:
            await check(prepared)
        except DriverError as error:
            raise AssertionError(f"after a call was cancelled at await {k}: {error!r}") from error
        if attempted.awaits < k:
            return


@example("CON-5")
async def test_contention_breaks_no_promise(subject: Subject) -> None:
    """No task is in two live leases and no accepted one is lost, whoever reserves and is cancelled at the same time."""
    for seed in CONTENTION_SEEDS:
        await subject.driver.purge([QUEUE])
        before = await subject.stats()
        history = await Contention(subject, seed).run()
        violations = [*history.violations()]
        assert not violations, f"seed {seed}: {violations[:5]}"
        assert len(history.accepted) == TASKS
        await _all_ended(subject, history.accepted)
        stats = await subject.stats()
        ended = [getattr(stats, name) - getattr(before, name) for name in ("total_completed", "total_dead")]
        ended.append(stats.total_cancelled - before.total_cancelled)
        assert sum(ended) == TASKS, f"seed {seed}: {ended} tasks ended, {TASKS} were accepted"


async def _all_ended(subject: Subject, ids: list[str]) -> None:
    await subject.maintain()
    records = await subject.driver.get_tasks(ids)
    endings = (TaskState.COMPLETED, TaskState.DEAD, TaskState.CANCELLED)
    stranded = {id: record.state for id, record in records.items() if record.state not in endings}
    assert not stranded, f"stranded: {stranded}"


@example("CON-1", "CON-2")
async def test_a_cancelled_enqueue_stores_all_or_nothing(subject: Subject) -> None:
    """A cancelled enqueue stores the whole batch or nothing of it; sent again, it takes effect once."""

    async def check(ids: list[str]) -> None:
        stored = await subject.driver.get_tasks(ids)
        assert len(stored) in (0, len(ids)), f"{len(stored)} of {len(ids)} tasks of a cancelled batch are stored"
        outcomes = await subject.driver.enqueue_many([new_task(id=id) for id in ids])
        assert [outcome.accepted for outcome in outcomes] == [not stored] * len(ids)
        assert sorted(await subject.take_ids(len(ids) + 1)) == sorted(ids)
        await subject.driver.purge([QUEUE])

    async def prepare() -> list[str]:
        return [new_task().id for _ in range(3)]

    await for_every_await(prepare, lambda ids: subject.driver.enqueue_many([new_task(id=id) for id in ids]), check)


@example("CON-1")
async def test_a_cancelled_completion_applies_fully_or_not_at_all(subject: Subject) -> None:
    """A cancelled completion has stored result and follow-ups, or the task is held as before."""

    async def prepare() -> tuple[str, Complete]:
        id = await subject.put(keep_for=subject.long)
        receipt = (await subject.take_one(id=id)).receipt
        follow_ups = (new_task(queue="next"), new_task(queue="next"))
        return id, Complete(receipt=receipt, result=b"result", follow_ups=follow_ups)

    async def check(prepared: tuple[str, Complete]) -> None:
        id, item = prepared
        record = await subject.record(id)
        followed = await subject.driver.get_tasks([task.id for task in item.follow_ups])
        seen = (record.state, record.result, len(followed))
        assert seen in ((TaskState.COMPLETED, b"result", 2), (TaskState.LEASED, None, 0)), f"half applied: {seen}"
        wanted = SettleOutcome.APPLIED if record.state is TaskState.LEASED else SettleOutcome.STALE
        assert await subject.driver.settle_many([item]) == [wanted], "sent again"
        assert len(await subject.driver.get_tasks([task.id for task in item.follow_ups])) == 2
        await subject.driver.purge([QUEUE, "next"])

    await for_every_await(prepare, lambda prepared: subject.driver.settle_many([prepared[1]]), check)


@example("CON-1")
async def test_a_cancelled_settlement_loses_no_task(subject: Subject) -> None:
    """Each item of a cancelled batch of settlements is applied fully or not at all; none is lost."""

    async def prepare() -> dict[str, Retry | Release | Bury]:
        ids = await subject.put_many(3)
        receipts = {delivery.id: delivery.receipt for delivery in await subject.take(3)}
        return {
            ids[0]: Retry(receipt=receipts[ids[0]], failure=FAILURE),
            ids[1]: Release(receipt=receipts[ids[1]]),
            ids[2]: Bury(receipt=receipts[ids[2]], failure=FAILURE),
        }

    async def check(items: dict[str, Retry | Release | Bury]) -> None:
        records = await subject.driver.get_tasks([*items])
        assert set(records) == set(items), f"lost: {set(items) - set(records)}"
        done = {Retry: (TaskState.READY, 1, 1), Release: (TaskState.READY, 0, 0), Bury: (TaskState.DEAD, 1, 1)}
        for id, item in items.items():
            record = records[id]
            seen = (record.state, record.attempts, len(record.failures))
            assert seen in (done[type(item)], (TaskState.LEASED, 1, 0)), f"half applied: {type(item).__name__} {seen}"
        outcomes = await subject.driver.settle_many([*items.values()])
        wanted = [records[id].state is TaskState.LEASED for id in items]
        assert [outcome is SettleOutcome.APPLIED for outcome in outcomes] == wanted, "sent again"
        await subject.driver.purge([QUEUE])

    await for_every_await(prepare, lambda items: subject.driver.settle_many([*items.values()]), check)


@example("CON-2", "CON-3")
async def test_a_cancelled_reserve_strands_at_most_leases(subject: Subject) -> None:
    """A cancelled `reserve` may leave leases that nobody knows; they lapse, and no task is lost."""

    async def prepare() -> list[str]:
        return await subject.put_many(3)

    async def reserve(ids: list[str]) -> object:
        return await subject.driver.reserve([QUEUE], limit=3, lease=subject.brief, worker="worker")

    async def check(ids: list[str]) -> None:
        records = await subject.driver.get_tasks(ids)
        states = {record.state for record in records.values()}
        assert len(records) == 3, "a cancelled reserve lost a task"
        assert states <= {TaskState.READY, TaskState.LEASED}, f"states: {states}"
        if TaskState.LEASED in states:
            await subject.let_pass(subject.brief)
        assert sorted(await subject.take_ids(4)) == sorted(ids)
        await subject.driver.purge([QUEUE])

    await for_every_await(prepare, reserve, check)


@example("CON-1", "CON-2")
async def test_cancelled_heartbeats_and_management_apply_fully_or_not_at_all(subject: Subject) -> None:
    """Cancelled `extend_many`, `cancel_many`, `replay_many` and `delete_many` have done their work, or nothing."""
    driver = subject.driver

    async def leased() -> tuple[str, Receipt]:
        id = await subject.put()
        return id, (await subject.take_one(id=id, lease=subject.long / 2)).receipt

    async def dead() -> tuple[str, Receipt]:
        id, receipt = await leased()
        await subject.apply(Bury(receipt=receipt, failure=FAILURE))
        return id, receipt

    async def waiting() -> tuple[str, Receipt]:
        return await subject.put(), NEVER_ISSUED

    async def state_in(one: tuple[str, Receipt], *allowed: TaskState | None) -> None:
        state = await subject.state(one[0])
        assert state in allowed, f"after a cancelled call the task is {state}; wanted one of {allowed}"
        await driver.purge([QUEUE])

    await for_every_await(
        leased,
        lambda one: driver.extend_many([one[1]], lease=subject.long),
        lambda one: state_in(one, TaskState.LEASED),
    )
    await for_every_await(
        waiting,
        lambda one: driver.cancel_many([one[0]]),
        lambda one: state_in(one, TaskState.READY, TaskState.CANCELLED),
    )
    await for_every_await(
        dead, lambda one: driver.replay_many([one[0]]), lambda one: state_in(one, TaskState.DEAD, TaskState.READY)
    )
    await for_every_await(
        dead, lambda one: driver.delete_many([one[0]]), lambda one: state_in(one, TaskState.DEAD, None)
    )
    await for_every_await(waiting, lambda one: driver.purge([QUEUE]), lambda one: state_in(one, TaskState.READY, None))


@example("CON-2")
async def test_cancelled_reads_leave_the_driver_usable(subject: Subject) -> None:
    """After a cancelled read the connection is usable or discarded: the next answers are right."""
    driver = subject.driver
    ids = await subject.put_many(2)
    reads: list[Callable[[], Awaitable[object]]] = [
        lambda: driver.get_tasks(ids),
        lambda: driver.list_tasks(limit=10),
        lambda: driver.queue_stats(),
        lambda: driver.now(),
        lambda: driver.maintain(limit=10),
        lambda: driver.diagnose(),
    ]

    async def nothing() -> None:
        return None

    async def check(_: None) -> None:
        # Crossed answers would show here: each call is asked for something else.
        assert set(await driver.get_tasks([ids[1]])) == {ids[1]}
        assert set(await driver.queue_stats(["other"])) == {"other"}
        assert set(await driver.get_tasks([ids[0]])) == {ids[0]}

    for read in reads:
        await for_every_await(nothing, lambda _, read=read: read(), check)
