"""Cancelling tasks, in whatever state they are."""

from __future__ import annotations

from datetime import timedelta

from asynctasq.driver_api import Bury, CancelOutcome, Complete, Release, Retry, SettleOutcome, TaskState
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, QUEUE, Subject, new_id


async def cancelled(subject: Subject, id: str) -> CancelOutcome:
    """Cancel one task; what became of it."""
    [outcome] = await subject.driver.cancel_many([id])
    return outcome


@example("CAN-1")
async def test_a_waiting_task_is_cancelled(subject: Subject) -> None:
    """waiting -> `CANCELLED`: ready or scheduled, it is never delivered."""
    ready = await subject.put()
    scheduled = await subject.put(delay=subject.brief)
    outcomes = await subject.driver.cancel_many([ready, scheduled])
    assert outcomes == [CancelOutcome.CANCELLED] * 2
    await subject.must_be(TaskState.CANCELLED, ready, scheduled)
    await subject.let_pass(subject.brief)
    await subject.nothing_to_take()


@example("CAN-1")
async def test_a_cancelled_task_has_a_reason_and_an_end(subject: Subject) -> None:
    """`reason` of a task that was cancelled while it waited is `cancelled`, and `finished_at` is now."""
    id = await subject.put()
    async with subject.timed() as span:
        await cancelled(subject, id)
    record = await subject.record(id)
    assert record.reason == "cancelled"
    assert span.has(record.finished_at), f"finished at {record.finished_at}; wanted {span}"


@example("CAN-2")
async def test_a_cancelled_task_may_be_cancelled_again(subject: Subject) -> None:
    """already cancelled -> `CANCELLED`, and counted once."""
    id = await subject.put()
    outcomes = await subject.driver.cancel_many([id, id])
    assert [*outcomes, await cancelled(subject, id)] == [CancelOutcome.CANCELLED] * 3
    assert (await subject.stats()).total_cancelled == 1


@example("CAN-3")
async def test_a_leased_task_is_asked_to_cancel(subject: Subject) -> None:
    """leased -> `REQUESTED`: it stays leased, and its record says so."""
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    assert [await cancelled(subject, id), await cancelled(subject, id)] == [CancelOutcome.REQUESTED] * 2
    record = await subject.record(id)
    assert (record.state, record.cancel_requested) == (TaskState.LEASED, True)
    await subject.nothing_to_take()
    await subject.apply(Complete(receipt=receipt))


@example("CAN-4")
async def test_an_ended_task_is_too_late_to_cancel(subject: Subject) -> None:
    """completed or dead -> `TOO_LATE`, and it stays as it is."""
    completed = await subject.put(keep_for=subject.long)
    await subject.apply(Complete(receipt=(await subject.take_one()).receipt))
    dead = await subject.put()
    await subject.apply(Bury(receipt=(await subject.take_one()).receipt, failure=FAILURE))
    before = await subject.driver.get_tasks([completed, dead])
    assert await subject.driver.cancel_many([completed, dead]) == [CancelOutcome.TOO_LATE] * 2
    assert await subject.driver.get_tasks([completed, dead]) == before


@example("CAN-4")
async def test_a_remembered_id_is_too_late_to_cancel(subject: Subject) -> None:
    """known without a record -> `TOO_LATE`."""
    id = await subject.put(keep_for=0.0, remember_for=subject.long)
    await subject.apply(Complete(receipt=(await subject.take_one()).receipt))
    assert await cancelled(subject, id) is CancelOutcome.TOO_LATE


@example("CAN-5")
async def test_an_unknown_id_is_not_found(subject: Subject) -> None:
    """unknown -> `NOT_FOUND`; in one batch each id has its own outcome."""
    id = await subject.put()
    outcomes = await subject.driver.cancel_many([new_id(), id, new_id()])
    assert outcomes == [CancelOutcome.NOT_FOUND, CancelOutcome.CANCELLED, CancelOutcome.NOT_FOUND]


@example("CAN-6")
async def test_a_completion_of_a_requested_task_stands(subject: Subject) -> None:
    """A later Complete of a requested one stands."""
    id = await subject.put(keep_for=subject.long)
    receipt = (await subject.take_one()).receipt
    await cancelled(subject, id)
    await subject.apply(Complete(receipt=receipt, result=b"done"))
    record = await subject.record(id)
    assert (record.state, record.result) == (TaskState.COMPLETED, b"done")


@example("CAN-6")
async def test_a_burial_of_a_requested_task_stands(subject: Subject) -> None:
    """A later Bury of a requested one stands."""
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    await cancelled(subject, id)
    await subject.apply(Bury(receipt=receipt, failure=FAILURE))
    await subject.must_be(TaskState.DEAD, id)


@example("CAN-7")
async def test_a_retry_of_a_requested_task_ends_it(subject: Subject) -> None:
    """Retry of a task whose cancellation was requested ends it so (`APPLIED`; the failure is kept)."""
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    await cancelled(subject, id)
    await subject.apply(Retry(receipt=receipt, failure=FAILURE))
    record = await subject.record(id)
    assert (record.state, record.reason, len(record.failures)) == (TaskState.CANCELLED, "cancelled", 1)
    await subject.nothing_to_take()
    stats = await subject.stats()
    assert (stats.total_cancelled, stats.total_retried) == (1, 0)


@example("CAN-7")
async def test_a_release_of_a_requested_task_ends_it(subject: Subject) -> None:
    """Release of a task whose cancellation was requested ends it so (`APPLIED`)."""
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    await cancelled(subject, id)
    await subject.apply(Release(receipt=receipt))
    await subject.must_be(TaskState.CANCELLED, id)
    await subject.nothing_to_take()


@example("CAN-8")
async def test_a_lapsed_task_whose_cancellation_was_requested_is_cancelled(subject: Subject) -> None:
    """A lapsed lease whose cancellation was requested is cancelled, at the lease's end, and never delivered."""
    id = await subject.put()
    receipt = (await subject.take_one(lease=subject.brief)).receipt
    await cancelled(subject, id)
    leased = await subject.record(id)
    await subject.let_pass(subject.brief * 1.5)
    record = await subject.record(id)
    assert (record.state, record.reason) == (TaskState.CANCELLED, "cancelled")
    assert record.finished_at is not None
    late = (record.finished_at - record.enqueued_at) - (leased.available_at - leased.enqueued_at)
    assert abs(late) <= timedelta(seconds=subject.slack), f"finished {late} after the lease's end"
    await subject.nothing_to_take()
    await subject.stale(Complete(receipt=receipt))


@example("CAN-9")
async def test_cancellation_rides_on_the_heartbeat(subject: Subject) -> None:
    """Cancellation rides on the heartbeat: `ExtendOutcome.cancel_requested`, for that task only."""
    ids = await subject.put_many(2)
    receipts = {delivery.id: delivery.receipt for delivery in await subject.take(2)}
    await cancelled(subject, ids[0])
    outcomes = await subject.driver.extend_many([receipts[id] for id in ids], lease=subject.long)
    assert [(outcome.applied, outcome.cancel_requested) for outcome in outcomes] == [(True, True), (True, False)]


@example("CAN-10")
async def test_cancellation_wins_over_expiry_at_a_retry(subject: Subject) -> None:
    """Cancellation wins over expiry, when a Retry meets both."""
    id = await subject.put(expires_after=subject.brief)
    receipt = (await subject.take_one()).receipt
    await cancelled(subject, id)
    await subject.let_pass(subject.brief)
    await subject.apply(Retry(receipt=receipt, failure=FAILURE))
    record = await subject.record(id)
    assert (record.state, record.reason) == (TaskState.CANCELLED, "cancelled")


@example("CAN-10")
async def test_cancellation_wins_over_expiry_at_a_lapse(subject: Subject) -> None:
    """Cancellation wins over expiry, when a lapse meets both."""
    id = await subject.put(expires_after=subject.brief / 2)
    await subject.take_one(lease=subject.brief)
    await cancelled(subject, id)
    await subject.let_pass(subject.brief)
    record = await subject.record(id)
    assert (record.state, record.reason) == (TaskState.CANCELLED, "cancelled")


@example("CAN-11")
async def test_an_expired_task_is_too_late_to_cancel(subject: Subject) -> None:
    """dead -> `TOO_LATE`, also if time ended it and nobody has stored that yet."""
    id = await subject.put(expires_after=subject.brief)
    await subject.let_pass(subject.brief)
    assert await cancelled(subject, id) is CancelOutcome.TOO_LATE


@example("CAN-11")
async def test_a_lapsed_task_is_cancelled_as_a_waiting_one(subject: Subject) -> None:
    """waiting -> `CANCELLED`, also if it waits because its lease lapsed and nobody has stored that yet."""
    id = await subject.put()
    receipt = (await subject.take_one(lease=subject.brief)).receipt
    await subject.let_pass(subject.brief)
    assert await cancelled(subject, id) is CancelOutcome.CANCELLED
    await subject.must_be(TaskState.CANCELLED, id)
    assert await subject.driver.settle_many([Complete(receipt=receipt)]) == [SettleOutcome.STALE]
    assert await subject.driver.reserve([QUEUE], limit=1, lease=subject.long, worker="worker") == []
