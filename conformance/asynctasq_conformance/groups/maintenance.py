"""What `maintain()` does, and what it leaves alone."""

from __future__ import annotations

import anyio

from asynctasq.driver_api import Complete, MaintenanceReport, TaskState
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import QUEUE, Subject, new_id, new_task


@example("MNT-1")
async def test_maintenance_stores_what_time_ended(subject: Subject) -> None:
    """`maintain()` stores what time ended: expired tasks, and lapsed leases whose cancellation was requested."""
    expired = await subject.put(expires_after=subject.brief, delay=subject.long)
    cancelled = await subject.put()
    await subject.take_one(id=cancelled, lease=subject.brief)
    await subject.driver.cancel_many([cancelled])
    await subject.let_pass(subject.brief)
    await subject.maintain()
    stats = await subject.stats()
    assert (stats.total_dead, stats.total_cancelled) == (1, 1)
    listed = {record.id: record.state for record in await subject.listed()}
    assert listed == {expired: TaskState.DEAD, cancelled: TaskState.CANCELLED}


@example("MNT-2")
async def test_maintenance_is_bounded_and_says_when_there_is_more(subject: Subject) -> None:
    """`maintain(limit)` is bounded; `more=True` says to call again, until everything due is done."""
    tasks = [new_task(expires_after=subject.brief, delay=subject.long) for _ in range(12)]
    await subject.accept(*tasks)
    await subject.let_pass(subject.brief)
    await subject.maintain(limit=5)
    report = await subject.driver.maintain(limit=5)
    assert isinstance(report, MaintenanceReport)
    assert (report.removed, report.more) == (0, False)
    assert len(await subject.listed(state=TaskState.DEAD)) == 12
    assert (await subject.stats()).total_dead == 12


@example("MNT-2")
async def test_one_call_of_maintenance_does_a_bounded_part_of_it(subject: Subject) -> None:
    """`maintain(limit)` forgets about `limit` tasks at most, however many are due; without `more` all are forgotten.

    `removed` is the driver's own number, and a forgotten id can't be counted from outside: to ask for it is to enqueue
    it. What is seen is that the number is bounded, and that nothing stays known once the driver reports no more.
    """
    ids = [new_id() for _ in range(40)]
    await subject.accept(*[new_task(id=id, remember_for=subject.brief) for id in ids])
    await subject.driver.cancel_many(ids)
    await subject.let_pass(subject.brief)
    report = await subject.driver.maintain(limit=5)
    assert report.removed <= 20, f"{report.removed} of 40 tasks were forgotten at once; the limit was 5"
    if report.more:
        await subject.maintain(limit=5)
    await subject.accept(*[new_task(id=id) for id in ids])


@example("MNT-3")
async def test_maintenance_leaves_live_tasks_alone(subject: Subject) -> None:
    """`maintain()` touches no task that waits or is leased."""
    leased = await subject.put(remember_for=0.0)
    receipt = (await subject.take_one()).receipt
    ready = await subject.put(remember_for=0.0)
    scheduled = await subject.put(delay=subject.long, remember_for=0.0)
    before = await subject.driver.get_tasks([ready, scheduled])
    await subject.maintain()
    assert await subject.driver.get_tasks([ready, scheduled]) == before
    await subject.must_be(TaskState.LEASED, leased)
    await subject.apply(Complete(receipt=receipt))


@example("MNT-4")
async def test_maintenance_may_run_anywhere_at_any_time(subject: Subject) -> None:
    """Any worker, any time, concurrently: what time ended is counted once."""
    drivers = [subject.driver, await subject.open(), await subject.open()]
    await subject.accept(*[new_task(expires_after=subject.brief, delay=subject.long) for _ in range(20)])
    await subject.let_pass(subject.brief)

    async def maintain(worker: int) -> None:
        for _ in range(5):
            await drivers[worker].maintain(limit=7)

    async with anyio.create_task_group() as group:
        for worker in range(len(drivers)):
            group.start_soon(maintain, worker)
    await subject.maintain()
    stats = await subject.stats()
    assert (stats.dead, stats.total_dead, stats.scheduled) == (20, 20, 0)


@example("MNT-5")
async def test_maintenance_of_nothing_reports_nothing(subject: Subject) -> None:
    """With nothing to do `maintain()` reports no more and nothing removed."""
    report = await subject.driver.maintain(limit=10)
    assert (report.removed, report.more) == (0, False)


@example("MNT-6")
async def test_what_time_ended_is_counted_once(subject: Subject) -> None:
    """A task that time ended is counted once, whoever comes upon it first: `reserve`, a read, or `maintain()`."""
    id = await subject.put(expires_after=subject.brief)
    await subject.let_pass(subject.brief)
    await subject.driver.reserve([QUEUE], limit=1, lease=subject.long, worker="worker")
    await subject.driver.get_tasks([id])
    await subject.maintain()
    await subject.maintain()
    assert (await subject.stats()).total_dead == 1
