"""The order of delivery, for one consumer of a driver that claims STRICT_ORDER."""

from __future__ import annotations

from datetime import timedelta

from asynctasq.driver_api import Bury, Release, Retry
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, Subject, new_task

STRICT = ("strict_order",)


@example("ORD-1", requires=STRICT)
async def test_higher_priorities_come_first(subject: Subject) -> None:
    """Within a queue priority descending: 9 first, 0 last."""
    ids = {priority: await subject.put(priority=priority) for priority in (4, 0, 9, 1, 8, 5)}
    assert await subject.take_ids(6) == [ids[priority] for priority in (9, 8, 5, 4, 1, 0)]


@example("ORD-2", requires=STRICT)
async def test_equal_priorities_come_in_enqueue_order(subject: Subject) -> None:
    """Within a priority: enqueue order, over batches and within one."""
    first = [new_task() for _ in range(5)]
    await subject.accept(*first)
    later = await subject.put_many(3)
    assert await subject.take_ids(8) == [*[task.id for task in first], *later]


@example("ORD-2", requires=STRICT)
async def test_enqueue_order_breaks_ties_whatever_the_ids(subject: Subject) -> None:
    """Tasks that are due at the same moment come in enqueue order, not in that of their ids."""
    due = await subject.driver.now() + timedelta(seconds=subject.brief)
    ids = ["m", "z", "a", "M", "9", "0"]
    for id in ids:
        await subject.put(id=id, available_at=due)
    await subject.let_pass(subject.brief)
    assert await subject.take_ids(6) == ids


@example("ORD-3", requires=STRICT)
async def test_earlier_due_times_come_first(subject: Subject) -> None:
    """Within a priority `available_at` decides before enqueue order."""
    late = await subject.put(delay=subject.brief)
    early = await subject.put(delay=subject.brief / 2)
    at_once = await subject.put()
    await subject.let_pass(subject.brief)
    assert await subject.take_ids(3) == [at_once, early, late]


@example("ORD-3", requires=STRICT)
async def test_priority_comes_before_due_time(subject: Subject) -> None:
    """Priority decides before `available_at`."""
    old_and_low = await subject.put(priority=3)
    new_and_high = await subject.put(priority=4, delay=subject.brief)
    await subject.let_pass(subject.brief)
    assert await subject.take_ids(2) == [new_and_high, old_and_low]


@example("ORD-4", requires=STRICT)
async def test_a_retried_task_goes_behind_those_that_waited(subject: Subject) -> None:
    """`available_at` is settle time + delay after Retry: the task comes behind those that were due before."""
    first, second = await subject.put_many(2)
    delivery = await subject.take_one(id=first)
    await subject.let_pass(subject.slack)
    await subject.apply(Retry(receipt=delivery.receipt, failure=FAILURE))
    assert await subject.take_ids(2) == [second, first]


@example("ORD-4", requires=STRICT)
async def test_a_released_task_goes_behind_those_that_waited(subject: Subject) -> None:
    """`available_at` is settle time + delay after Release: the task comes behind those that were due before."""
    first, second = await subject.put_many(2)
    delivery = await subject.take_one(id=first)
    await subject.let_pass(subject.slack)
    await subject.apply(Release(receipt=delivery.receipt))
    assert await subject.take_ids(2) == [second, first]


@example("ORD-5", requires=STRICT)
async def test_a_lapsed_task_is_ordered_by_the_end_of_its_lease(subject: Subject) -> None:
    """`available_at` is the lease's end when it lapsed: behind what was due before it, before what is due after."""
    lapsed = await subject.put()
    await subject.take_one(id=lapsed, lease=subject.brief)
    before = await subject.put(delay=subject.brief / 3)
    after = await subject.put(delay=subject.brief * 1.5)
    await subject.let_pass(subject.brief * 1.5)
    assert await subject.take_ids(3) == [before, lapsed, after]


@example("ORD-6", requires=STRICT)
async def test_a_replayed_task_goes_behind_those_that_waited(subject: Subject) -> None:
    """`available_at` is now after replay: the task comes behind those that were due before."""
    dead, waiting = await subject.put_many(2)
    delivery = await subject.take_one(id=dead)
    await subject.apply(Bury(receipt=delivery.receipt, failure=FAILURE))
    await subject.let_pass(subject.slack)
    await subject.driver.replay_many([dead])
    assert await subject.take_ids(2) == [waiting, dead]


@example("ORD-7", requires=STRICT)
async def test_enqueue_order_never_changes(subject: Subject) -> None:
    """Enqueue order is that of the first acceptance and never changes: of two that wait until the same moment again,
    the one that was accepted first comes first."""
    ids = await subject.put_many(3)
    receipts = {delivery.id: delivery.receipt for delivery in await subject.take(3)}
    await subject.apply(*[Release(receipt=receipts[id], delay=subject.brief) for id in reversed(ids)])
    records = await subject.driver.get_tasks(ids)
    # One settle call need not read the clock only once, so the moments are read back.
    expected = sorted(ids, key=lambda id: (records[id].available_at, ids.index(id)))
    await subject.let_pass(subject.brief)
    assert await subject.take_ids(3) == expected


@example("ORD-8", requires=STRICT)
async def test_each_queue_keeps_its_own_order(subject: Subject) -> None:
    """Strict order inside each queue, whatever the order of the queues."""
    b = [await subject.put(queue="b", priority=priority) for priority in (1, 9)]
    a = [await subject.put(queue="a", priority=priority) for priority in (1, 9)]
    assert await subject.take_ids(4, queues=("b", "a")) == [b[1], b[0], a[1], a[0]]
