"""Removing tasks: whole queues, some states of them, and single records."""

from __future__ import annotations

from asynctasq.driver_api import Bury, Complete, Release, SettleOutcome, TaskState
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, QUEUE, Subject, new_id


async def one_of_each(subject: Subject) -> dict[TaskState, str]:
    """One task in every state, all in one queue."""
    ids: dict[TaskState, str] = {}
    ids[TaskState.COMPLETED] = await subject.put(keep_for=subject.long)
    await subject.apply(Complete(receipt=(await subject.take_one()).receipt))
    ids[TaskState.DEAD] = await subject.put()
    await subject.apply(Bury(receipt=(await subject.take_one()).receipt, failure=FAILURE))
    ids[TaskState.LEASED] = await subject.put()
    await subject.take_one()
    ids[TaskState.CANCELLED] = await subject.put()
    await subject.driver.cancel_many([ids[TaskState.CANCELLED]])
    ids[TaskState.READY] = await subject.put()
    ids[TaskState.SCHEDULED] = await subject.put(delay=subject.long)
    return ids


@example("PUR-1")
async def test_a_purge_removes_every_task_of_a_queue(subject: Subject) -> None:
    """`purge(queues)`: None = all states, leased included."""
    ids = await one_of_each(subject)
    await subject.driver.purge([QUEUE])
    assert await subject.driver.get_tasks([*ids.values()]) == {}
    assert await subject.listed() == []
    stats = await subject.stats()
    assert (stats.ready, stats.scheduled, stats.leased, stats.dead) == (0, 0, 0, 0)
    await subject.nothing_to_take()


@example("PUR-1")
async def test_a_purge_makes_receipts_stale(subject: Subject) -> None:
    """`purge`: leased included (receipts go STALE), also for another driver's lease."""
    worker = await subject.open()
    await subject.put()
    [delivery] = await worker.reserve([QUEUE], limit=1, lease=subject.long, worker="worker")
    await subject.driver.purge([QUEUE])
    assert await worker.settle_many([Release(receipt=delivery.receipt)]) == [SettleOutcome.STALE]
    await subject.nothing_to_take()


@example("PUR-2")
async def test_a_purge_of_one_state_leaves_the_others(subject: Subject) -> None:
    """`purge(queues, states=...)` removes the tasks of those states only."""
    ids = await one_of_each(subject)
    await subject.driver.purge([QUEUE], states=[TaskState.DEAD, TaskState.SCHEDULED])
    left = await subject.driver.get_tasks([*ids.values()])
    expected = {id: state for state, id in ids.items() if state not in (TaskState.DEAD, TaskState.SCHEDULED)}
    assert {id: record.state for id, record in left.items()} == expected


@example("PUR-2")
async def test_each_state_can_be_purged_alone(subject: Subject) -> None:
    """`purge(queues, states=...)` works for every single state."""
    ids = await one_of_each(subject)
    for state in TaskState:
        await subject.driver.purge([QUEUE], states=[state])
        del ids[state]
        left = await subject.driver.get_tasks([*ids.values()])
        assert {record.state: id for id, record in left.items()} == ids, f"after purging {state}"


@example("PUR-3")
async def test_a_purge_forgets_ids_and_dedupe_keys(subject: Subject) -> None:
    """`purge` forgets ids: they may be enqueued again, and dedupe keys are free."""
    id = await subject.put(dedupe_key="key")
    await subject.driver.purge([QUEUE])
    await subject.put(id=id, dedupe_key="key")
    await subject.take_one(id=id)


@example("PUR-4")
async def test_a_purge_keeps_totals(subject: Subject) -> None:
    """`purge` keeps totals, and counts nothing."""
    await one_of_each(subject)
    before = await subject.stats()
    await subject.driver.purge([QUEUE])
    after = await subject.stats()
    totals = [name for name in type(before).__struct_fields__ if name.startswith("total_")]
    assert [getattr(after, name) for name in totals] == [getattr(before, name) for name in totals]


@example("PUR-5")
async def test_a_purge_touches_only_its_queues(subject: Subject) -> None:
    """`purge` removes tasks of the named queues only; an unknown queue is fine."""
    await subject.put()
    other = await subject.put(queue="other")
    await subject.driver.purge([QUEUE, "unknown"])
    await subject.must_be(TaskState.READY, other)


@example("PUR-6")
async def test_any_record_but_a_leased_one_is_deleted(subject: Subject) -> None:
    """`delete_many`: any record but a leased one."""
    ids = await one_of_each(subject)
    outcomes = await subject.driver.delete_many([*ids.values()])
    assert dict(zip(ids, outcomes, strict=True)) == {state: state is not TaskState.LEASED for state in ids}
    left = await subject.driver.get_tasks([*ids.values()])
    assert [*left] == [ids[TaskState.LEASED]]
    await subject.nothing_to_take()


@example("PUR-7")
async def test_a_delete_forgets_the_id(subject: Subject) -> None:
    """`delete_many` forgets the id and frees the dedupe key."""
    id = await subject.put(dedupe_key="key")
    assert await subject.driver.delete_many([id]) == [True]
    await subject.put(id=id, dedupe_key="key")


@example("PUR-7")
async def test_a_delete_of_a_dead_letter_forgets_the_id(subject: Subject) -> None:
    """`delete_many` forgets the id of a finished task, too."""
    id = await subject.put()
    await subject.apply(Bury(receipt=(await subject.take_one()).receipt, failure=FAILURE))
    assert await subject.driver.delete_many([id]) == [True]
    await subject.put(id=id)


@example("PUR-8")
async def test_a_delete_without_a_record_is_false(subject: Subject) -> None:
    """`delete_many` gives False where there is no record; of an id that comes twice, the second time."""
    id = await subject.put()
    assert await subject.driver.delete_many([new_id(), id, id]) == [False, True, False]


@example("PUR-9")
async def test_a_refused_delete_leaves_the_lease(subject: Subject) -> None:
    """A leased task is not deleted: its receipt stays good."""
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    assert await subject.driver.delete_many([id]) == [False]
    await subject.apply(Complete(receipt=receipt))
