"""How deliveries end, and how a settlement that comes too late changes nothing."""

from __future__ import annotations

from asynctasq.driver_api import (
    Bury,
    Cancel,
    Complete,
    Receipt,
    Release,
    Retry,
    Settlement,
    SettleOutcome,
    TaskState,
)
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, NEVER_ISSUED, QUEUE, Subject, new_task


def every_settlement(receipt: Receipt) -> list[Settlement]:
    """One settlement of each kind."""
    return [
        Complete(receipt=receipt, result=b"result"),
        Retry(receipt=receipt, failure=FAILURE, delay=5.0),
        Release(receipt=receipt),
        Bury(receipt=receipt, failure=FAILURE),
        Cancel(receipt=receipt, reason="reason"),
    ]


@example("SET-1")
async def test_a_completed_task_is_done(subject: Subject) -> None:
    """`leased -> completed`: the task is done, and never delivered again."""
    id = await subject.put(keep_for=subject.long)
    delivery = await subject.take_one()
    await subject.apply(Complete(receipt=delivery.receipt))
    await subject.must_be(TaskState.COMPLETED, id)
    await subject.nothing_to_take()


@example("SET-1")
async def test_a_completed_task_without_retention_is_done(subject: Subject) -> None:
    """`leased -> completed` holds for a task whose record need not be kept, too."""
    id = await subject.put()
    delivery = await subject.take_one()
    await subject.apply(Complete(receipt=delivery.receipt))
    await subject.ended(id)
    await subject.nothing_to_take()


@example("SET-2")
async def test_a_retried_task_waits_again(subject: Subject) -> None:
    """`leased -> ready` by Retry: attempts stay, the failure is kept."""
    id = await subject.put()
    delivery = await subject.take_one()
    await subject.apply(Retry(receipt=delivery.receipt, failure=FAILURE))
    record = await subject.record(id)
    assert (record.state, record.attempts, len(record.failures)) == (TaskState.READY, 1, 1)
    assert (await subject.take_one(id=id)).attempt == 2


@example("SET-2")
async def test_a_retry_with_delay_is_scheduled(subject: Subject) -> None:
    """`leased -> scheduled` by Retry with a delay: not delivered before, delivered after."""
    id = await subject.put()
    delivery = await subject.take_one()
    await subject.apply(Retry(receipt=delivery.receipt, failure=FAILURE, delay=subject.brief))
    await subject.must_be(TaskState.SCHEDULED, id)
    await subject.nothing_to_take()
    await subject.let_pass(subject.brief)
    await subject.take_one(id=id)


@example("SET-3")
async def test_a_release_gives_the_attempt_back(subject: Subject) -> None:
    """Release gives the attempt back and adds no failure."""
    id = await subject.put()
    delivery = await subject.take_one()
    await subject.apply(Release(receipt=delivery.receipt))
    record = await subject.record(id)
    assert (record.state, record.attempts, record.failures) == (TaskState.READY, 0, ())
    assert (await subject.take_one(id=id)).attempt == 1


@example("SET-3")
async def test_a_release_with_delay_is_scheduled(subject: Subject) -> None:
    """`leased -> scheduled` by Release with a delay."""
    id = await subject.put()
    delivery = await subject.take_one()
    await subject.apply(Release(receipt=delivery.receipt, delay=subject.brief))
    await subject.must_be(TaskState.SCHEDULED, id)
    await subject.let_pass(subject.brief)
    await subject.take_one(id=id)


@example("SET-4")
async def test_a_buried_task_keeps_payload_attempts_and_failures(subject: Subject) -> None:
    """Bury keeps payload, attempts and failures."""
    id = await subject.put(payload=b"kept", correlation_id="kept too")
    await subject.apply(Retry(receipt=(await subject.take_one()).receipt, failure=FAILURE))
    await subject.apply(Bury(receipt=(await subject.take_one()).receipt, failure=FAILURE, reason="the reason"))
    record = await subject.record(id)
    assert (record.state, record.payload, record.correlation_id) == (TaskState.DEAD, b"kept", "kept too")
    assert (record.attempts, len(record.failures), record.reason) == (2, 2, "the reason")
    await subject.nothing_to_take()


@example("SET-5")
async def test_a_settlement_may_cancel(subject: Subject) -> None:
    """`Cancel(receipt, reason)`: the task ends as cancelled, with that reason."""
    id = await subject.put()
    delivery = await subject.take_one()
    await subject.apply(Cancel(receipt=delivery.receipt, reason="discarded"))
    record = await subject.record(id)
    assert (record.state, record.reason) == (TaskState.CANCELLED, "discarded")
    await subject.nothing_to_take()


@example("SET-6")
async def test_a_settlement_after_the_leases_end_is_stale(subject: Subject) -> None:
    """STALE: the lease ended, though nobody has taken the task since."""
    id = await subject.put()
    delivery = await subject.take_one(lease=subject.brief)
    await subject.let_pass(subject.brief)
    for settlement in every_settlement(delivery.receipt):
        await subject.stale(settlement)
    await subject.must_be(TaskState.READY, id)


@example("SET-7")
async def test_a_completion_after_redelivery_is_stale(subject: Subject) -> None:
    """STALE: the task was redelivered; a Complete of its former worker has no effect on the present lease."""
    await _stale_after_redelivery(subject, "Complete")


@example("SET-7")
async def test_a_retry_after_redelivery_is_stale(subject: Subject) -> None:
    """STALE: the task was redelivered; a Retry of its former worker has no effect on the present lease."""
    await _stale_after_redelivery(subject, "Retry")


@example("SET-7")
async def test_a_release_after_redelivery_is_stale(subject: Subject) -> None:
    """STALE: the task was redelivered; a Release of its former worker has no effect on the present lease."""
    await _stale_after_redelivery(subject, "Release")


@example("SET-7")
async def test_a_burial_after_redelivery_is_stale(subject: Subject) -> None:
    """STALE: the task was redelivered; a Bury or Cancel of its former worker has no effect on the present lease."""
    await _stale_after_redelivery(subject, "Bury")
    await subject.driver.purge([QUEUE])
    await _stale_after_redelivery(subject, "Cancel")


async def _stale_after_redelivery(subject: Subject, kind: str) -> None:
    id = await subject.put()
    former = await subject.take_one(lease=subject.brief, worker="former")
    await subject.let_pass(subject.brief)
    present = await subject.take_one(id=id, worker="present")
    before = await subject.record(id)
    await subject.stale(*[s for s in every_settlement(former.receipt) if type(s).__name__ == kind])
    after = await subject.record(id)
    assert (after.state, after.worker, after.attempts, after.failures, after.available_at) == (
        before.state,
        before.worker,
        before.attempts,
        before.failures,
        before.available_at,
    )
    await subject.apply(Complete(receipt=present.receipt))


@example("SET-8")
async def test_a_settlement_of_a_settled_task_is_stale(subject: Subject) -> None:
    """STALE: settled already, whatever the first settlement was, and whatever the second is."""
    for first in range(5):
        id = await subject.put(keep_for=subject.long)
        receipt = (await subject.take_one(id=id)).receipt
        await subject.apply(every_settlement(receipt)[first])
        before = await subject.record(id)
        for second in every_settlement(receipt):
            await subject.stale(second)
        assert await subject.record(id) == before, "a stale settlement had an effect"
        await subject.driver.purge([QUEUE])


@example("SET-9")
async def test_a_settlement_of_a_purged_task_is_stale(subject: Subject) -> None:
    """STALE: deleted; the settlement brings nothing back."""
    id = await subject.put(keep_for=subject.long)
    receipt = (await subject.take_one()).receipt
    await subject.driver.purge([QUEUE])
    for settlement in every_settlement(receipt):
        await subject.stale(settlement)
    assert await subject.state(id) is None


@example("SET-10")
async def test_a_receipt_that_was_never_issued_is_stale(subject: Subject) -> None:
    """Any string is a legal receipt; one that was never issued is STALE."""
    id = await subject.put()
    real = (await subject.take_one()).receipt
    never_issued = (
        "",
        " ",
        "0",
        "-1",
        id,
        real[:-1],
        real + "0",
        real.swapcase() + "x",
        "é\x00\n'\"",
        "x" * 5000,
        "%s",
    )
    for receipt in never_issued:
        await subject.stale(Complete(receipt=Receipt(receipt)))
        await subject.stale(Retry(receipt=Receipt(receipt), failure=FAILURE))
    await subject.must_be(TaskState.LEASED, id)


@example("SET-11")
async def test_the_second_of_two_equal_receipts_is_stale(subject: Subject) -> None:
    """STALE: the second of two equal receipts in one batch."""
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    outcomes = await subject.driver.settle_many(
        [Retry(receipt=receipt, failure=FAILURE), Complete(receipt=receipt), Retry(receipt=receipt, failure=FAILURE)]
    )
    assert outcomes == [SettleOutcome.APPLIED, SettleOutcome.STALE, SettleOutcome.STALE]
    record = await subject.record(id)
    assert (record.state, len(record.failures)) == (TaskState.READY, 1)


@example("SET-12")
async def test_a_batch_may_mix_all_settlements(subject: Subject) -> None:
    """Any mix of settlements in one batch, each applied to its own task, in its own place."""
    ids = [await subject.put(id=f"mix-{index}", keep_for=subject.long) for index in range(5)]
    receipts = {delivery.id: delivery.receipt for delivery in await subject.take(5)}
    settlements = [every_settlement(receipts[id])[index] for index, id in enumerate(ids)]
    settlements.insert(2, Complete(receipt=NEVER_ISSUED))
    outcomes = await subject.driver.settle_many(settlements)
    assert outcomes == [*[SettleOutcome.APPLIED] * 2, SettleOutcome.STALE, *[SettleOutcome.APPLIED] * 3]
    states = {id: (await subject.record(id)).state for id in ids}
    assert list(states.values()) == [
        TaskState.COMPLETED,
        TaskState.SCHEDULED,
        TaskState.READY,
        TaskState.DEAD,
        TaskState.CANCELLED,
    ]


@example("SET-13")
async def test_follow_ups_are_stored_with_the_completion(subject: Subject) -> None:
    """`follow_ups` are stored in the same atomic step as the completion, with all their fields."""
    await subject.put()
    follow_ups = (new_task(queue="next", payload=b"one"), new_task(queue="next", payload=b"two", delay=subject.long))
    await subject.apply(Complete(receipt=(await subject.take_one()).receipt, follow_ups=follow_ups))
    records = await subject.driver.get_tasks([task.id for task in follow_ups])
    stored = {id: (record.payload, record.state) for id, record in records.items()}
    assert stored == {
        follow_ups[0].id: (b"one", TaskState.READY),
        follow_ups[1].id: (b"two", TaskState.SCHEDULED),
    }


@example("SET-14")
async def test_a_follow_up_may_take_the_dedupe_key_of_its_parent(subject: Subject) -> None:
    """`follow_ups` are stored after the completion has freed its dedupe key."""
    await subject.put(dedupe_key="key")
    follow_up = new_task(dedupe_key="key")
    await subject.apply(Complete(receipt=(await subject.take_one()).receipt, follow_ups=(follow_up,)))
    await subject.must_be(TaskState.READY, follow_up.id)


@example("SET-15")
async def test_a_duplicate_follow_up_is_skipped(subject: Subject) -> None:
    """A duplicate follow-up is skipped; the completion and the other follow-ups stand."""
    known = await subject.put(queue="other", payload=b"known")
    await subject.put(queue="other", dedupe_key="held")
    parent = await subject.put()
    duplicates = (new_task(id=known, queue="next"), new_task(queue="other", dedupe_key="held"), new_task(id=parent))
    fine = new_task(queue="next")
    receipt = (await subject.take_one()).receipt
    await subject.apply(Complete(receipt=receipt, follow_ups=(*duplicates, fine)))
    await subject.ended(parent)
    assert (await subject.record(known)).payload == b"known"
    assert await subject.state(duplicates[1].id) is None
    assert await subject.take_ids(2, queues=("next",)) == [fine.id]


@example("SET-16")
async def test_a_stale_completion_stores_no_follow_up(subject: Subject) -> None:
    """A STALE item stores none of its follow-ups."""
    await subject.put()
    receipt = (await subject.take_one(lease=subject.brief)).receipt
    await subject.let_pass(subject.brief)
    follow_up = new_task(queue="next")
    await subject.stale(Complete(receipt=receipt, follow_ups=(follow_up,)))
    await subject.stale(Complete(receipt=NEVER_ISSUED, follow_ups=(follow_up,)))
    assert await subject.state(follow_up.id) is None


@example("SET-17")
async def test_a_retry_is_due_at_settle_time_plus_delay(subject: Subject) -> None:
    """`available_at` is settle time + delay after Retry."""
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    async with subject.timed() as span:
        await subject.apply(Retry(receipt=receipt, failure=FAILURE, delay=7.0))
    due = (await subject.record(id)).available_at
    assert span.has(due, plus=7.0), f"due at {due}; wanted 7 seconds after {span}"


@example("SET-17")
async def test_a_release_is_due_at_settle_time_plus_delay(subject: Subject) -> None:
    """`available_at` is settle time + delay after Release."""
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    async with subject.timed() as span:
        await subject.apply(Release(receipt=receipt, delay=1.5))
    due = (await subject.record(id)).available_at
    assert span.has(due, plus=1.5), f"due at {due}; wanted 1.5 seconds after {span}"
