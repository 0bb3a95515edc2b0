"""Leases: how they end by themselves, and how a heartbeat extends them."""

from __future__ import annotations

from datetime import timedelta

from asynctasq.driver_api import Complete, Receipt, Release, TaskState
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import NEVER_ISSUED, QUEUE, Subject


@example("LEA-1")
async def test_a_lapsed_task_is_ready_again_by_itself(subject: Subject) -> None:
    """Leased becomes ready when the lease ends. Nothing has to run for that."""
    id = await subject.put()
    await subject.take_one(lease=subject.brief)
    await subject.must_be(TaskState.LEASED, id)
    await subject.let_pass(subject.brief)
    await subject.must_be(TaskState.READY, id)
    deliveries = await subject.driver.reserve([QUEUE], limit=1, lease=subject.long, worker="worker")
    assert [delivery.id for delivery in deliveries] == [id]


@example("LEA-2")
async def test_a_live_lease_is_not_redelivered(subject: Subject) -> None:
    """A task is not delivered again before its lease has ended."""
    await subject.put()
    await subject.take_one(lease=subject.brief * 2)
    await subject.let_pass(subject.brief / 2)
    await subject.nothing_to_take()


@example("LEA-3")
async def test_a_lapse_counts_the_attempt_and_adds_no_failure(subject: Subject) -> None:
    """A lapsed lease keeps its attempt counted, and adds no failure."""
    id = await subject.put()
    await subject.take_one(lease=subject.brief)
    await subject.let_pass(subject.brief)
    record = await subject.record(id)
    assert (record.attempts, record.failures) == (1, ())
    assert (await subject.take_one()).attempt == 2


@example("LEA-4")
async def test_a_lapsed_task_is_available_since_its_leases_end(subject: Subject) -> None:
    """`available_at` is the lease's end when it lapsed."""
    id = await subject.put()
    await subject.take_one(lease=subject.brief)
    leased = await subject.record(id)
    await subject.let_pass(subject.brief * 2)
    lapsed = await subject.record(id)
    since_enqueued = (leased.available_at - leased.enqueued_at, lapsed.available_at - lapsed.enqueued_at)
    assert abs(since_enqueued[0] - since_enqueued[1]) <= timedelta(seconds=subject.slack)


@example("LEA-5", requires=("clock",))
async def test_a_lease_ends_at_its_very_end(subject: Subject) -> None:
    """A lease has ended when `lease end <= now`: at that moment, and not before."""
    id = await subject.put()
    await subject.take_one(lease=10.0)
    await subject.harness.advance(10.0 - subject.resolution)
    await subject.must_be(TaskState.LEASED, id)
    await subject.harness.advance(subject.resolution)
    await subject.must_be(TaskState.READY, id)


@example("LEA-6")
async def test_an_extended_lease_goes_on(subject: Subject) -> None:
    """New lease end = now + lease: the task is not redelivered at its former end, and its receipt stays good."""
    id = await subject.put()
    receipt = (await subject.take_one(lease=subject.brief)).receipt
    [outcome] = await subject.driver.extend_many([receipt], lease=subject.long)
    assert outcome.applied
    await subject.let_pass(subject.brief)
    await subject.must_be(TaskState.LEASED, id)
    await subject.nothing_to_take()
    await subject.apply(Complete(receipt=receipt))


@example("LEA-6")
async def test_an_extended_lease_ends_at_its_new_end(subject: Subject) -> None:
    """New lease end = now + lease: then the task is ready again."""
    id = await subject.put()
    receipt = (await subject.take_one(lease=subject.brief)).receipt
    await subject.driver.extend_many([receipt], lease=subject.brief * 2)
    await subject.let_pass(subject.brief * 2)
    await subject.must_be(TaskState.READY, id)


@example("LEA-7")
async def test_an_extension_never_shortens(subject: Subject) -> None:
    """New lease end = max(current, now + lease)."""
    id = await subject.put()
    receipt = (await subject.take_one(lease=subject.long)).receipt
    before = await subject.record(id)
    [outcome] = await subject.driver.extend_many([receipt], lease=subject.brief)
    after = await subject.record(id)
    assert outcome.applied
    assert after.available_at == before.available_at, "the lease was shortened"
    assert outcome.lease > subject.long / 2, f"{outcome.lease} seconds left, though the lease ends in {subject.long}"


@example("LEA-8")
async def test_an_extension_tells_the_seconds_left(subject: Subject) -> None:
    """`ExtendOutcome`: seconds left."""
    id = await subject.put()
    receipt = (await subject.take_one(lease=subject.brief)).receipt
    async with subject.timed() as span:
        [outcome] = await subject.driver.extend_many([receipt], lease=subject.long)
    took = (span.after - span.before).total_seconds()
    assert subject.long - took - subject.slack <= outcome.lease <= subject.long + subject.slack
    assert not outcome.cancel_requested
    assert span.has((await subject.record(id)).available_at, plus=subject.long)


@example("LEA-9")
async def test_an_extension_of_a_lapsed_lease_is_stale(subject: Subject) -> None:
    """Stale as in settling: a lease that ended is not extended, though nobody has taken the task since."""
    id = await subject.put()
    receipt = (await subject.take_one(lease=subject.brief)).receipt
    await subject.let_pass(subject.brief)
    await _not_extended(subject, receipt)
    await subject.must_be(TaskState.READY, id)


@example("LEA-9")
async def test_an_extension_after_redelivery_is_stale(subject: Subject) -> None:
    """Stale as in settling: the former worker's heartbeat does not move the present lease."""
    id = await subject.put()
    former = (await subject.take_one(lease=subject.brief)).receipt
    await subject.let_pass(subject.brief)
    await subject.take_one(lease=subject.brief)
    before = await subject.record(id)
    await _not_extended(subject, former)
    assert (await subject.record(id)).available_at == before.available_at


@example("LEA-9")
async def test_an_extension_of_a_settled_task_is_stale(subject: Subject) -> None:
    """Stale as in settling: a heartbeat revives no task that was settled or purged."""
    kept = await subject.put(keep_for=subject.long)
    receipt = (await subject.take_one()).receipt
    await subject.apply(Complete(receipt=receipt))
    await _not_extended(subject, receipt)
    await subject.must_be(TaskState.COMPLETED, kept)
    released = await subject.put()
    receipt = (await subject.take_one()).receipt
    await subject.apply(Release(receipt=receipt))
    await _not_extended(subject, receipt)
    await subject.must_be(TaskState.READY, released)
    await subject.driver.purge([QUEUE])
    await _not_extended(subject, receipt)


@example("LEA-9")
async def test_an_extension_of_a_receipt_never_issued_is_stale(subject: Subject) -> None:
    """Stale as in settling: any string is a legal receipt, and one never issued is stale."""
    for receipt in ("", "never", "é\x00'", "x" * 5000):
        await _not_extended(subject, Receipt(receipt))


async def _not_extended(subject: Subject, receipt: Receipt) -> None:
    outcomes = await subject.driver.extend_many([receipt], lease=subject.long)
    assert [outcome.applied for outcome in outcomes] == [False], f"a stale receipt was extended: {outcomes}"


@example("LEA-10")
async def test_equal_receipts_both_extend(subject: Subject) -> None:
    """Of equal receipts in one batch, both apply; a stale one between them keeps its place."""
    await subject.put()
    receipt = (await subject.take_one(lease=subject.brief)).receipt
    outcomes = await subject.driver.extend_many([receipt, NEVER_ISSUED, receipt], lease=subject.long)
    assert [outcome.applied for outcome in outcomes] == [True, False, True]


@example("LEA-11")
async def test_a_lease_can_be_settled_until_it_ends(subject: Subject) -> None:
    """A live lease is settled, late in its time too."""
    await subject.put()
    receipt = (await subject.take_one(lease=subject.brief * 2)).receipt
    await subject.let_pass(subject.brief / 2)
    await subject.apply(Complete(receipt=receipt))
