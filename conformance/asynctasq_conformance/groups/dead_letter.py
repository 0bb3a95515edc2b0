"""Dead letters and their replay."""

from __future__ import annotations

from asynctasq.driver_api import Bury, ReplayStatus, Retry, TaskState
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, Subject, new_id, new_task


async def bury(subject: Subject, id: str) -> None:
    """Take a task, which must be the next one, and bury it."""
    delivery = await subject.take_one(id=id)
    await subject.apply(Bury(receipt=delivery.receipt, failure=FAILURE))


async def replayed(subject: Subject, id: str) -> ReplayStatus:
    """Replay one task; what became of it."""
    [outcome] = await subject.driver.replay_many([id])
    return outcome.status


@example("DEA-1")
async def test_a_replayed_task_is_ready_with_no_attempts(subject: Subject) -> None:
    """dead -> ready: attempts 0, available now."""
    id = await subject.put(payload=b"again")
    await subject.apply(Retry(receipt=(await subject.take_one()).receipt, failure=FAILURE))
    await bury(subject, id)
    async with subject.timed() as span:
        assert await replayed(subject, id) is ReplayStatus.REPLAYED
    record = await subject.record(id)
    assert (record.state, record.attempts) == (TaskState.READY, 0)
    assert span.has(record.available_at), f"available at {record.available_at}; wanted the replay, {span}"
    delivery = await subject.take_one(id=id)
    assert (delivery.attempt, delivery.payload) == (1, b"again")


@example("DEA-2")
async def test_a_replayed_task_keeps_its_failures(subject: Subject) -> None:
    """Replay keeps the failures."""
    id = await subject.put()
    await bury(subject, id)
    await replayed(subject, id)
    assert [failure.message for failure in (await subject.record(id)).failures] == [FAILURE.message]


@example("DEA-3")
async def test_a_replayed_task_expires_no_more(subject: Subject) -> None:
    """Replay clears `expires_after`: a task that expired does not expire again at once."""
    id = await subject.put(expires_after=subject.brief)
    await subject.let_pass(subject.brief)
    assert await replayed(subject, id) is ReplayStatus.REPLAYED
    record = await subject.record(id)
    assert (record.state, record.expires_after) == (TaskState.READY, None)
    await subject.take_one(id=id)


@example("DEA-4")
async def test_a_replayed_task_is_not_asked_to_cancel(subject: Subject) -> None:
    """Replay clears `cancel_requested`."""
    id = await subject.put()
    delivery = await subject.take_one()
    await subject.driver.cancel_many([id])
    await subject.apply(Bury(receipt=delivery.receipt, failure=FAILURE))
    assert await replayed(subject, id) is ReplayStatus.REPLAYED
    assert not (await subject.record(id)).cancel_requested
    receipt = (await subject.take_one(id=id)).receipt
    await subject.apply(Retry(receipt=receipt, failure=FAILURE))
    await subject.must_be(TaskState.READY, id)


@example("DEA-5")
async def test_a_replayed_task_takes_its_dedupe_key_again(subject: Subject) -> None:
    """Replay takes the dedupe key again."""
    id = await subject.put(dedupe_key="key")
    await bury(subject, id)
    await replayed(subject, id)
    assert await subject.duplicate_of(new_task(dedupe_key="key")) == id


@example("DEA-6")
async def test_a_replay_whose_dedupe_key_is_held_is_refused(subject: Subject) -> None:
    """Dedupe key held by another -> `DUPLICATE(existing_id)`, unchanged."""
    id = await subject.put(dedupe_key="key")
    await bury(subject, id)
    holder = await subject.put(dedupe_key="key")
    before = await subject.record(id)
    [outcome] = await subject.driver.replay_many([id])
    assert (outcome.status, outcome.existing_id) == (ReplayStatus.DUPLICATE, holder)
    assert await subject.record(id) == before


@example("DEA-7")
async def test_only_dead_letters_are_replayed(subject: Subject) -> None:
    """Not dead -> `NOT_DEAD`, and the task is as it was."""
    leased = await subject.put()
    await subject.take_one(id=leased)
    scheduled = await subject.put(delay=subject.long)
    cancelled = await subject.put()
    await subject.driver.cancel_many([cancelled])
    ready = await subject.put()
    before = await subject.driver.get_tasks([ready, scheduled, cancelled])
    outcomes = await subject.driver.replay_many([ready, leased, scheduled, cancelled])
    assert [outcome.status for outcome in outcomes] == [ReplayStatus.NOT_DEAD] * 4
    assert await subject.driver.get_tasks([ready, scheduled, cancelled]) == before
    await subject.must_be(TaskState.LEASED, leased)


@example("DEA-8")
async def test_a_replay_without_a_record_is_not_found(subject: Subject) -> None:
    """No record -> `NOT_FOUND`; in one batch each id has its own outcome."""
    dead = await subject.put()
    await bury(subject, dead)
    outcomes = await subject.driver.replay_many([new_id(), dead, dead])
    expected = [ReplayStatus.NOT_FOUND, ReplayStatus.REPLAYED, ReplayStatus.NOT_DEAD]
    assert [outcome.status for outcome in outcomes] == expected


@example("DEA-9")
async def test_a_dead_letter_is_not_delivered(subject: Subject) -> None:
    """A dead letter waits for a human: it is not delivered, and time does not bring it back."""
    id = await subject.put()
    await bury(subject, id)
    await subject.nothing_to_take()
    await subject.let_pass(subject.brief)
    await subject.maintain()
    await subject.nothing_to_take()
    await subject.must_be(TaskState.DEAD, id)


@example("DEA-10")
async def test_a_dead_letter_frees_its_dedupe_key(subject: Subject) -> None:
    """A dead letter holds no dedupe key."""
    id = await subject.put(dedupe_key="key")
    await bury(subject, id)
    await subject.put(dedupe_key="key")
    await subject.must_be(TaskState.DEAD, id)
