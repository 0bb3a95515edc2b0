"""Enqueueing and settling inside a transaction of the user's own."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import anyio

from asynctasq.driver_api import (
    Complete,
    EnqueueOutcome,
    InvalidArgument,
    NewTask,
    PayloadTooLarge,
    Retry,
    Settlement,
    SettleOutcome,
    TaskState,
)
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, QUEUE, Subject, new_task, raises


async def enqueue_on(subject: Subject, connection: Any, *tasks: NewTask) -> list[EnqueueOutcome]:
    """Enqueue on the user's connection, which may be a synchronous one."""
    assert subject.driver.transactions is not None
    outcomes = subject.driver.transactions.on(connection).enqueue_many(tasks)
    return await outcomes if inspect.isawaitable(outcomes) else outcomes


async def settle_on(subject: Subject, connection: Any, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
    """Settle on the user's connection, which may be a synchronous one."""
    assert subject.driver.transactions is not None
    outcomes = subject.driver.transactions.on(connection).settle_many(settlements)
    return await outcomes if inspect.isawaitable(outcomes) else outcomes


@example("TRA-1")
async def test_a_committed_task_is_visible(subject: Subject) -> None:
    """Enqueued in a transaction, a task is there once the caller commits."""
    task = new_task(payload=b"from a guest")
    async with subject.harness.begin_transaction() as guest:
        outcomes = await enqueue_on(subject, guest.connection, task)
        assert [outcome.accepted for outcome in outcomes] == [True]
        await guest.commit()
    assert (await subject.take_one(id=task.id)).payload == b"from a guest"


@example("TRA-2")
async def test_an_uncommitted_task_is_invisible(subject: Subject) -> None:
    """Invisible until commit; the driver never commits."""
    task = new_task()
    async with subject.harness.begin_transaction() as guest:
        await enqueue_on(subject, guest.connection, task)
        assert await subject.state(task.id) is None, "the driver committed the caller's transaction"
        await guest.commit()
    await subject.must_be(TaskState.READY, task.id)


@example("TRA-3")
async def test_a_rolled_back_task_is_gone(subject: Subject) -> None:
    """Gone on rollback: no record, and its id and dedupe key are free."""
    task = new_task(dedupe_key="key")
    async with subject.harness.begin_transaction() as guest:
        await enqueue_on(subject, guest.connection, task)
        await guest.rollback()
    assert await subject.state(task.id) is None
    await subject.nothing_to_take()
    await subject.accept(task)


@example("TRA-4")
async def test_a_rolled_back_savepoint_takes_its_tasks_with_it(subject: Subject) -> None:
    """Gone on rollback, savepoints included."""
    kept, gone, after = new_task(), new_task(), new_task()
    async with subject.harness.begin_transaction() as guest:
        if not guest.has_savepoints:
            return  # the user's kind of connection has none
        await enqueue_on(subject, guest.connection, kept)
        await guest.savepoint()
        await enqueue_on(subject, guest.connection, gone)
        await guest.rollback_to_savepoint()
        await enqueue_on(subject, guest.connection, after)
        await guest.commit()
    records = await subject.driver.get_tasks([kept.id, gone.id, after.id])
    assert set(records) == {kept.id, after.id}


@example("TRA-5")
async def test_a_settlement_waits_for_the_commit(subject: Subject) -> None:
    """A settlement in a transaction, with its follow-ups, is invisible until commit."""
    id = await subject.put(keep_for=subject.long)
    receipt = (await subject.take_one()).receipt
    follow_up = new_task(queue="next")
    async with subject.harness.begin_transaction() as guest:
        settlement = Complete(receipt=receipt, result=b"result", follow_ups=(follow_up,))
        assert await settle_on(subject, guest.connection, [settlement]) == [SettleOutcome.APPLIED]
        await subject.must_be(TaskState.LEASED, id)
        await guest.commit()
    record = await subject.record(id)
    assert (record.state, record.result) == (TaskState.COMPLETED, b"result")
    await subject.must_be(TaskState.READY, follow_up.id)


@example("TRA-5")
async def test_a_rolled_back_settlement_never_was(subject: Subject) -> None:
    """A settlement in a transaction that is rolled back never was: the lease lives on."""
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    async with subject.harness.begin_transaction() as guest:
        settlement = Retry(receipt=receipt, failure=FAILURE)
        assert await settle_on(subject, guest.connection, [settlement]) == [SettleOutcome.APPLIED]
        await guest.rollback()
    record = await subject.record(id)
    assert (record.state, record.failures) == (TaskState.LEASED, ())
    await subject.apply(Complete(receipt=receipt))


@example("TRA-6")
async def test_settlements_are_fenced_in_a_transaction_too(subject: Subject) -> None:
    """In a transaction a stale settlement is STALE, without effect, and the transaction goes on."""
    await subject.put()
    receipt = (await subject.take_one(lease=subject.brief)).receipt
    await subject.let_pass(subject.brief)
    task, follow_up = new_task(), new_task(queue="next")
    async with subject.harness.begin_transaction() as guest:
        stale = [Complete(receipt=receipt, follow_ups=(follow_up,))]
        assert await settle_on(subject, guest.connection, stale) == [SettleOutcome.STALE]
        await enqueue_on(subject, guest.connection, task)
        await guest.commit()
    await subject.must_be(TaskState.READY, task.id)
    assert await subject.state(follow_up.id) is None


@example("TRA-7")
async def test_a_duplicate_never_aborts_the_transaction(subject: Subject) -> None:
    """A duplicate never aborts the caller's transaction: what comes after it is stored."""
    known = await subject.put()
    holder = await subject.put(dedupe_key="key")
    fresh, later = new_task(), new_task()
    async with subject.harness.begin_transaction() as guest:
        duplicates = (new_task(id=known), new_task(dedupe_key="key"))
        outcomes = await enqueue_on(subject, guest.connection, *duplicates, fresh)
        assert [outcome.existing_id for outcome in outcomes] == [known, holder, None]
        await enqueue_on(subject, guest.connection, later)
        await guest.commit()
    await subject.must_be(TaskState.READY, fresh.id, later.id)


@example("TRA-8")
async def test_a_connection_without_a_transaction_is_refused(subject: Subject) -> None:
    """No transaction open -> `InvalidArgument`, and nothing is stored."""
    task = new_task()
    async with subject.harness.begin_transaction() as guest:
        await guest.rollback()
        with raises(InvalidArgument):
            await enqueue_on(subject, guest.connection, task)
    assert await subject.state(task.id) is None


@example("TRA-8")
async def test_what_is_no_connection_is_refused(subject: Subject) -> None:
    """Not a connection that the driver knows -> `InvalidArgument`."""
    for connection in (None, object(), "connection"):
        with raises(InvalidArgument):
            await enqueue_on(subject, connection, new_task())


@example("TRA-9")
async def test_a_refused_argument_leaves_the_transaction_unharmed(subject: Subject) -> None:
    """`InvalidArgument` and `PayloadTooLarge` do not harm the transaction: the caller goes on and commits."""
    first, last = new_task(), new_task()
    largest = subject.driver.traits.limits.max_payload_bytes
    async with subject.harness.begin_transaction() as guest:
        await enqueue_on(subject, guest.connection, first)
        with raises(InvalidArgument):
            await enqueue_on(subject, guest.connection, new_task(name=""))
        with raises(PayloadTooLarge):
            await enqueue_on(subject, guest.connection, new_task(payload=bytes(largest + 1)))
        await enqueue_on(subject, guest.connection, last)
        await guest.commit()
    await subject.must_be(TaskState.READY, first.id, last.id)


async def _really_later(subject: Subject) -> None:
    # Shifting timestamps would have to wait for the transaction that is open, so time passes by itself here.
    if subject.harness.clock is not None:
        subject.harness.clock.advance(1.0)
    else:
        await anyio.sleep(0.02 + 2 * subject.resolution)


@example("TRA-10")
async def test_delays_count_from_the_call(subject: Subject) -> None:
    """Delays count from the call, not from the begin or the commit of the transaction."""
    task = new_task(delay=5.0)
    async with subject.harness.begin_transaction() as guest:
        await _really_later(subject)
        async with subject.timed() as span:
            await enqueue_on(subject, guest.connection, task)
        await _really_later(subject)
        await guest.commit()
    due = (await subject.record(task.id)).available_at
    assert span.has(due, plus=5.0), f"due at {due}; wanted 5 seconds after {span}"


@example("TRA-11")
async def test_other_enqueues_of_the_same_id_wait(subject: Subject) -> None:
    """Until the caller ends the transaction, other enqueues of the same id wait, and then are duplicates."""
    task = new_task()
    outcomes: list[EnqueueOutcome] = []

    async def enqueue_outside() -> None:
        outcomes.extend(await subject.driver.enqueue_many([task]))

    async with subject.harness.begin_transaction() as guest, anyio.create_task_group() as group:
        await enqueue_on(subject, guest.connection, task)
        group.start_soon(enqueue_outside)
        await anyio.sleep(0.05)
        assert outcomes == [], f"the enqueue outside did not wait: {outcomes}"
        await guest.commit()
    assert [(outcome.accepted, outcome.existing_id) for outcome in outcomes] == [(False, task.id)]


@example("TRA-11")
async def test_an_enqueue_that_waited_for_a_rollback_is_accepted(subject: Subject) -> None:
    """Other enqueues of the same dedupe key wait until the transaction ends; after a rollback the key is theirs."""
    task = new_task(dedupe_key="key")
    accepted: list[bool] = []

    async def enqueue_outside() -> None:
        accepted.extend(outcome.accepted for outcome in await subject.driver.enqueue_many([task]))

    async with subject.harness.begin_transaction() as guest, anyio.create_task_group() as group:
        await enqueue_on(subject, guest.connection, new_task(dedupe_key="key"))
        group.start_soon(enqueue_outside)
        await anyio.sleep(0.05)
        await guest.rollback()
    assert accepted == [True]


@example("TRA-12", requires=("wake_ups",))
async def test_an_uncommitted_task_wakes_nobody_for_good(subject: Subject) -> None:
    """Never a hint before commit, and one after it."""
    assert subject.driver.wake_ups is not None
    task = new_task()
    async with subject.driver.wake_ups.listen([QUEUE]) as stream:
        async with subject.harness.begin_transaction() as guest:
            await enqueue_on(subject, guest.connection, task)
            # A spurious hint is allowed, so what counts is that the one after the commit is not lost.
            await stream.wait(0.05)
            await guest.commit()
        assert await stream.wait(subject.patience), f"no hint within {subject.patience:g} seconds of the commit"
    await subject.take_one(id=task.id)
