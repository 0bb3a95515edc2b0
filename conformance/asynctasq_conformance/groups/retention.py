"""How long records stay, and how long ids are remembered."""

from __future__ import annotations

from asynctasq.driver_api import Bury, Complete, TaskState
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, Subject, new_task


async def complete(subject: Subject, id: str) -> None:
    """Take a task, which must be the next one, and complete it."""
    delivery = await subject.take_one(id=id)
    await subject.apply(Complete(receipt=delivery.receipt, result=b"result"))


@example("RET-1")
async def test_a_completed_record_stays_for_keep_for(subject: Subject) -> None:
    """A completed record stays at least `keep_for`, with its result."""
    id = await subject.put(keep_for=subject.brief * 2, remember_for=0.0)
    await complete(subject, id)
    await subject.let_pass(subject.brief / 2)
    await subject.maintain()
    record = await subject.record(id)
    assert (record.state, record.result) == (TaskState.COMPLETED, b"result")


@example("RET-2")
async def test_a_cancelled_record_stays_for_remember_for(subject: Subject) -> None:
    """A cancelled record stays at least `remember_for`."""
    id = await subject.put(remember_for=subject.brief * 2)
    await subject.driver.cancel_many([id])
    await subject.let_pass(subject.brief / 2)
    await subject.maintain()
    await subject.must_be(TaskState.CANCELLED, id)


@example("RET-3")
async def test_a_dead_letter_stays(subject: Subject) -> None:
    """A dead record stays until replayed, deleted or purged, whatever `keep_for` and `remember_for` say."""
    id = await subject.put(keep_for=0.0, remember_for=0.0)
    await subject.apply(Bury(receipt=(await subject.take_one()).receipt, failure=FAILURE))
    await subject.let_pass(subject.brief)
    await subject.maintain()
    await subject.must_be(TaskState.DEAD, id)


@example("RET-4")
async def test_a_finished_id_stays_known_for_remember_for(subject: Subject) -> None:
    """An id stays known at least `remember_for` after it finished, also without a record."""
    id = await subject.put(remember_for=subject.brief * 2)
    await complete(subject, id)
    assert await subject.duplicate_of(new_task(id=id)) == id
    await subject.let_pass(subject.brief / 2)
    await subject.maintain()
    assert await subject.duplicate_of(new_task(id=id)) == id
    await subject.nothing_to_take()


@example("RET-4")
async def test_an_id_stays_known_while_its_record_exists(subject: Subject) -> None:
    """An id stays known while its record exists, though `remember_for` is over."""
    kept = await subject.put(keep_for=subject.long, remember_for=0.0)
    await complete(subject, kept)
    dead = await subject.put(remember_for=0.0)
    await subject.apply(Bury(receipt=(await subject.take_one(id=dead)).receipt, failure=FAILURE))
    await subject.let_pass(subject.brief)
    await subject.maintain()
    assert await subject.duplicate_of(new_task(id=kept)) == kept
    assert await subject.duplicate_of(new_task(id=dead)) == dead


@example("RET-5")
async def test_an_id_enqueued_again_after_it_finished_never_runs_twice(subject: Subject) -> None:
    """Enqueueing the same id again after an ambiguous failure never runs it twice, though it finished meanwhile."""
    task = new_task()
    await subject.accept(task)
    await complete(subject, task.id)
    await subject.duplicate_of(task)
    await subject.nothing_to_take()


@example("RET-6")
async def test_maintenance_forgets_a_completed_task(subject: Subject) -> None:
    """The first `maintain()` after `keep_for` and `remember_for` forgets a completed task: record and id."""
    id = await subject.put(keep_for=subject.brief, remember_for=subject.brief)
    await complete(subject, id)
    await subject.let_pass(subject.brief)
    await subject.maintain()
    assert await subject.state(id) is None, "the record is still there"
    await subject.put(id=id)


@example("RET-6")
async def test_maintenance_forgets_a_remembered_id(subject: Subject) -> None:
    """The first `maintain()` after `remember_for` forgets an id without a record."""
    id = await subject.put(remember_for=subject.brief)
    await complete(subject, id)
    await subject.let_pass(subject.brief)
    await subject.maintain()
    await subject.put(id=id)
    await subject.take_one(id=id)


@example("RET-6")
async def test_maintenance_forgets_a_cancelled_task(subject: Subject) -> None:
    """The first `maintain()` after `remember_for` forgets a cancelled task: record and id."""
    id = await subject.put(remember_for=subject.brief)
    await subject.driver.cancel_many([id])
    await subject.let_pass(subject.brief)
    await subject.maintain()
    assert await subject.state(id) is None, "the record is still there"
    await subject.put(id=id)


@example("RET-7")
async def test_retention_counts_from_the_end(subject: Subject) -> None:
    """`keep_for` and `remember_for` count from when the task finished, not from when it was enqueued."""
    id = await subject.put(keep_for=subject.brief, remember_for=subject.brief)
    await subject.let_pass(subject.brief)
    await complete(subject, id)
    await subject.maintain()
    assert (await subject.record(id)).state is TaskState.COMPLETED
    assert await subject.duplicate_of(new_task(id=id)) == id
