"""Taking tasks under a lease."""

from __future__ import annotations

import anyio

from asynctasq.driver_api import Complete, Delivery, Release, Retry, TaskState
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, QUEUE, Subject, new_task

ATTEMPTS = 258
"""More than a byte holds, with or without a sign."""


@example("RES-1")
async def test_reserve_never_waits_for_tasks(subject: Subject) -> None:
    """`reserve` never waits for tasks: an empty queue gives an empty list."""
    with anyio.move_on_after(subject.patience) as scope:
        assert await subject.driver.reserve(["empty"], limit=5, lease=subject.long, worker="worker") == []
    assert not scope.cancelled_caught, "reserve waited for a task"


@example("RES-2")
async def test_queues_are_served_in_the_given_order(subject: Subject) -> None:
    """Queues in the given order: all of the first before any of the second, whatever their names and age."""
    low = await subject.put_many(2, queue="a-low", priority=9)
    high = await subject.put_many(2, queue="z-high", priority=0)
    taken = await subject.take_ids(4, queues=("z-high", "a-low"))
    assert set(taken[:2]) == set(high), "the queue that was named first did not come first"
    assert set(taken[2:]) == set(low)


@example("RES-2")
async def test_only_the_named_queues_are_served(subject: Subject) -> None:
    """Only the named queues are served."""
    await subject.put(queue="other")
    mine = await subject.put()
    assert await subject.take_ids(2) == [mine]


@example("RES-12")
async def test_a_queue_that_is_named_twice_counts_once(subject: Subject) -> None:
    """The same queue named twice is once: each of its tasks is delivered and leased once, in the one order."""
    ids = await subject.put_many(2)
    queues = [QUEUE, "other", QUEUE]
    deliveries = await subject.driver.reserve(queues, limit=5, lease=subject.long, worker="worker")
    assert sorted(delivery.id for delivery in deliveries) == sorted(ids)
    await subject.apply(*[Complete(receipt=delivery.receipt) for delivery in deliveries])


@example("RES-3")
async def test_no_task_is_in_two_live_leases(subject: Subject) -> None:
    """No task is in two live leases: what one driver holds, no other is given."""
    other = await subject.open()
    ids = await subject.put_many(6)
    first = await subject.driver.reserve([QUEUE], limit=3, lease=subject.long, worker="one")
    second = await other.reserve([QUEUE], limit=6, lease=subject.long, worker="two")
    taken = [delivery.id for delivery in [*first, *second, *await subject.take(6)]]
    assert sorted(taken) == sorted(ids), "a task was delivered twice, or not at all"


@example("RES-3")
async def test_concurrent_reserves_share_the_tasks_out(subject: Subject) -> None:
    """No task is in two live leases, also when several drivers reserve at the same time."""
    drivers = [subject.driver, await subject.open(), await subject.open()]
    ids = await subject.put_many(20)
    taken: list[str] = []

    async def work(worker: int) -> None:
        for _ in range(4):
            for delivery in await drivers[worker].reserve([QUEUE], limit=2, lease=subject.long, worker=f"w{worker}"):
                taken.append(delivery.id)

    async with anyio.create_task_group() as group:
        for worker in range(len(drivers)):
            group.start_soon(work, worker)
    taken += await subject.take_ids(21)
    assert sorted(taken) == sorted(ids), "a task was delivered twice, or not at all"


@example("RES-4", round_trips=2 * ATTEMPTS)
async def test_attempts_count_from_one(subject: Subject) -> None:
    """`attempt` is 1 on the first delivery, one more on each, and has no upper bound here."""
    await subject.put()
    for attempt in range(1, ATTEMPTS + 1):
        delivery = await subject.take_one()
        assert delivery.attempt == attempt
        await subject.apply(Retry(receipt=delivery.receipt, failure=FAILURE))


@example("RES-5")
async def test_at_most_limit_tasks_are_delivered(subject: Subject) -> None:
    """At most `limit` tasks are delivered, over all queues, and no more than that are leased."""
    await subject.put_many(3)
    await subject.put_many(3, queue="other")
    deliveries = await subject.driver.reserve([QUEUE, "other"], limit=4, lease=subject.long, worker="worker")
    assert len(deliveries) == 4
    leased = await subject.listed(state=TaskState.LEASED)
    assert sorted(record.id for record in leased) == sorted(delivery.id for delivery in deliveries)


@example("RES-5")
async def test_a_full_queue_fills_the_limit(subject: Subject) -> None:
    """With nothing that time ended in the way, a call delivers as many as are eligible, up to `limit`."""
    ids = await subject.put_many(7)
    deliveries = await subject.driver.reserve([QUEUE], limit=5, lease=subject.long, worker="worker")
    rest = await subject.driver.reserve([QUEUE], limit=5, lease=subject.long, worker="worker")
    assert (len(deliveries), len(rest)) == (5, 2)
    assert {delivery.id for delivery in [*deliveries, *rest]} == set(ids)


@example("RES-6")
async def test_every_call_makes_progress_past_what_time_ended(subject: Subject) -> None:
    """`reserve` may return none while it clears what time ended, but every call makes progress."""
    id = await subject.put(priority=0)
    await subject.accept(*[new_task(priority=9, expires_after=subject.brief) for _ in range(30)])
    await subject.let_pass(subject.brief)
    deliveries: list[Delivery] = []
    calls = 0
    while not deliveries and calls < 32:
        deliveries = await subject.driver.reserve([QUEUE], limit=1, lease=subject.long, worker="worker")
        calls += 1
    assert [delivery.id for delivery in deliveries] == [id], "30 expired tasks kept `reserve` from a ready one"


@example("RES-7")
async def test_receipts_are_short_ascii(subject: Subject) -> None:
    """A receipt is ASCII, at most 160 characters, also for the longest of ids and queues."""
    await subject.put(id="i" * 64, queue="q" * 64)
    delivery = await subject.take_one(queue="q" * 64)
    assert delivery.receipt.isascii(), f"the receipt {delivery.receipt!r} is not ASCII"
    assert 1 <= len(delivery.receipt) <= 160, f"the receipt has {len(delivery.receipt)} characters"


@example("RES-8")
async def test_receipts_are_fresh_for_every_delivery(subject: Subject) -> None:
    """A receipt is fresh for every delivery, never reused, and not derivable from the attempt number."""
    await subject.put_many(2)
    seen: list[str] = []
    for _ in range(4):
        deliveries = await subject.take(2)
        seen += [delivery.receipt for delivery in deliveries]
        # A release gives the attempt back, so that every delivery here is the first attempt again.
        await subject.apply(*[Release(receipt=delivery.receipt) for delivery in deliveries])
    assert len(set(seen)) == len(seen) == 8, "a receipt came twice"


@example("RES-8")
async def test_an_id_that_returns_gets_fresh_receipts(subject: Subject) -> None:
    """A receipt is never reused, not even for a task whose id was deleted and enqueued again."""
    await subject.put(id="again")
    first = await subject.take_one()
    await subject.driver.purge([QUEUE])
    await subject.put(id="again")
    second = await subject.take_one()
    assert first.receipt != second.receipt
    await subject.stale(Complete(receipt=first.receipt))
    await subject.must_be(TaskState.LEASED, "again")


@example("RES-9")
async def test_a_delivery_carries_its_task(subject: Subject) -> None:
    """`Delivery`: id, queue, name, payload, correlation id, priority, attempt, receipt and enqueued_at of its task."""
    task = new_task(name="a.näme", payload=b"\x00\xff", correlation_id="correlation", priority=7, queue="Queue.1")
    async with subject.timed() as span:
        await subject.accept(task)
    delivery = await subject.take_one(queue=task.queue)
    for field in ("id", "queue", "name", "payload", "correlation_id", "priority"):
        assert getattr(delivery, field) == getattr(task, field), f"{field} differs"
    assert span.has(delivery.enqueued_at)


@example("RES-10")
async def test_a_delivery_tells_the_seconds_granted(subject: Subject) -> None:
    """`lease` is the seconds granted, and the record's `available_at` is the lease's end."""
    await subject.put()
    async with subject.timed() as span:
        delivery = await subject.take_one(lease=subject.long)
    assert abs(delivery.lease - subject.long) <= subject.slack, f"{delivery.lease} seconds granted"
    record = await subject.record(delivery.id)
    assert span.has(record.available_at, plus=subject.long), f"the lease ends at {record.available_at}, wanted {span}"


@example("RES-11")
async def test_a_leased_task_is_leased(subject: Subject) -> None:
    """A delivered task is leased to its worker."""
    id = await subject.put()
    await subject.take_one(worker="the-worker")
    record = await subject.record(id)
    assert (record.state, record.worker, record.attempts) == (TaskState.LEASED, "the-worker", 1)
