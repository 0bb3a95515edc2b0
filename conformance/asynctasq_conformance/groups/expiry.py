"""Tasks whose time is up while they wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from asynctasq.driver_api import Complete, Release, Retry, TaskState
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, QUEUE, Subject, new_task


async def _expired(subject: Subject, **fields: Any) -> str:
    id = await subject.put(expires_after=subject.brief, **fields)
    await subject.let_pass(subject.brief)
    return id


@example("EXP-1")
async def test_a_waiting_task_expires(subject: Subject) -> None:
    """Any waiting task with `now >= enqueued_at + expires_after` is dead (reason `expired`)."""
    record = await subject.record(await _expired(subject))
    assert (record.state, record.reason) == (TaskState.DEAD, "expired")


@example("EXP-1")
async def test_a_scheduled_task_expires(subject: Subject) -> None:
    """A task that expires before it is due never becomes ready."""
    record = await subject.record(await _expired(subject, delay=subject.long))
    assert (record.state, record.reason) == (TaskState.DEAD, "expired")


@example("EXP-1")
async def test_a_task_does_not_expire_early(subject: Subject) -> None:
    """A task whose time is not up waits on, and is delivered."""
    id = await subject.put(expires_after=subject.brief * 2)
    await subject.let_pass(subject.brief / 2)
    await subject.must_be(TaskState.READY, id)
    await subject.take_one(id=id)


@example("EXP-2", requires=("clock",))
async def test_a_task_expires_at_that_very_moment(subject: Subject) -> None:
    """A task expires when `now >= enqueued_at + expires_after`: at that moment, and not before."""
    id = await subject.put(expires_after=10.0)
    await subject.harness.advance(10.0 - subject.resolution)
    await subject.must_be(TaskState.READY, id)
    await subject.harness.advance(subject.resolution)
    await subject.must_be(TaskState.DEAD, id)


@example("EXP-3")
async def test_an_expired_task_is_never_delivered(subject: Subject) -> None:
    """From that moment `reserve` never delivers it."""
    await _expired(subject)
    deliveries = await subject.driver.reserve([QUEUE], limit=1, lease=subject.long, worker="worker")
    assert deliveries == []
    await subject.nothing_to_take()


@example("EXP-4")
async def test_an_expired_task_frees_its_dedupe_key(subject: Subject) -> None:
    """From that moment its dedupe key is free."""
    await _expired(subject, dedupe_key="key")
    await subject.put(dedupe_key="key")


@example("EXP-5")
async def test_maintenance_stores_what_expired(subject: Subject) -> None:
    """Lists, and the totals of `queue_stats`, show it after a `maintain()` that reports `more=False`."""
    id = await _expired(subject)
    await subject.maintain()
    assert [record.id for record in await subject.listed(state=TaskState.DEAD)] == [id]
    assert await subject.listed(state=TaskState.READY) == []
    stats = await subject.stats()
    assert (stats.ready, stats.dead, stats.total_dead) == (0, 1, 1)


@example("EXP-6")
async def test_a_live_lease_never_expires(subject: Subject) -> None:
    """A live lease is never expired, and may still complete."""
    id = await subject.put(expires_after=subject.brief, keep_for=subject.long)
    receipt = (await subject.take_one()).receipt
    await subject.let_pass(subject.brief)
    await subject.maintain()
    await subject.must_be(TaskState.LEASED, id)
    [outcome] = await subject.driver.extend_many([receipt], lease=subject.long)
    assert outcome.applied
    await subject.apply(Complete(receipt=receipt))
    await subject.must_be(TaskState.COMPLETED, id)


@example("EXP-7")
async def test_an_expired_task_dies_when_its_lease_lapses(subject: Subject) -> None:
    """A task that expired under its lease is dead when the lease lapses, from the lease's end on."""
    id = await subject.put(expires_after=subject.brief / 2)
    await subject.take_one(lease=subject.brief)
    leased = await subject.record(id)
    await subject.let_pass(subject.brief)
    record = await subject.record(id)
    assert (record.state, record.reason, record.failures) == (TaskState.DEAD, "expired", ())
    assert record.finished_at is not None
    took = (record.finished_at - record.enqueued_at) - (leased.available_at - leased.enqueued_at)
    assert abs(took) <= timedelta(seconds=subject.slack), f"finished {took} after the lease's end"
    await subject.nothing_to_take()


@example("EXP-8")
async def test_a_retry_of_an_expired_task_ends_it(subject: Subject) -> None:
    """Retry of a task that has expired ends it so (`APPLIED`; the failure is kept)."""
    id = await subject.put(expires_after=subject.brief)
    receipt = (await subject.take_one()).receipt
    await subject.let_pass(subject.brief)
    await subject.apply(Retry(receipt=receipt, failure=FAILURE, delay=1.0))
    record = await subject.record(id)
    assert (record.state, record.reason, len(record.failures)) == (TaskState.DEAD, "expired", 1)


@example("EXP-8")
async def test_a_release_of_an_expired_task_ends_it(subject: Subject) -> None:
    """Release of a task that has expired ends it so (`APPLIED`)."""
    id = await subject.put(expires_after=subject.brief)
    receipt = (await subject.take_one()).receipt
    await subject.let_pass(subject.brief)
    await subject.apply(Release(receipt=receipt))
    record = await subject.record(id)
    assert (record.state, record.reason) == (TaskState.DEAD, "expired")


@example("EXP-9")
async def test_an_expired_task_finished_at_that_moment(subject: Subject) -> None:
    """`finished_at` of what time ended is that moment, not when it was stored."""
    id = await subject.put(expires_after=subject.brief)
    await subject.let_pass(subject.brief * 2)
    await subject.maintain()
    record = await subject.record(id)
    assert record.finished_at is not None
    took = (record.finished_at - record.enqueued_at).total_seconds()
    assert abs(took - subject.brief) <= subject.slack, f"finished {took} s after enqueueing; wanted {subject.brief}"


@example("EXP-10")
async def test_a_retried_task_still_expires(subject: Subject) -> None:
    """Expiry counts from `enqueued_at`, whatever attempts lie between."""
    id = await subject.put(expires_after=subject.brief)
    await subject.let_pass(subject.brief / 2)
    await subject.apply(Retry(receipt=(await subject.take_one()).receipt, failure=FAILURE))
    await subject.let_pass(subject.brief / 2)
    await subject.must_be(TaskState.DEAD, id)


@example("EXP-11")
async def test_an_expired_task_keeps_its_payload(subject: Subject) -> None:
    """An expired task is a dead letter like any other: it has its payload, and can be replayed."""
    task = new_task(payload=b"kept", expires_after=subject.brief)
    await subject.accept(task)
    await subject.let_pass(subject.brief)
    assert (await subject.record(task.id)).payload == b"kept"
    await subject.maintain()
    await subject.driver.replay_many([task.id])
    assert (await subject.take_one(id=task.id)).payload == b"kept"
