"""What enqueueing stores, and what it refuses as a duplicate."""

from __future__ import annotations

from collections.abc import Callable

from asynctasq.driver_api import Complete, InvalidArgument, NewTask, Receipt, Release, Retry, Settlement, TaskState
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, QUEUE, Subject, new_id, new_task, raises


@example("ENQ-1")
async def test_an_enqueued_task_is_visible_at_once(subject: Subject) -> None:
    """On return the task is visible: to `get_tasks` and `reserve`, also those of another driver."""
    other = await subject.open()
    id = await subject.put()
    assert id in await other.get_tasks([id])
    deliveries = await other.reserve([QUEUE], limit=1, lease=subject.long, worker="worker")
    assert [delivery.id for delivery in deliveries] == [id]


@example("ENQ-2")
async def test_a_batch_is_stored_as_a_whole(subject: Subject) -> None:
    """Enqueueing is atomic for the whole batch: every task of it is stored, with its own fields."""
    tasks = [new_task(payload=f"payload {index}".encode(), queue=f"q{index % 3}") for index in range(25)]
    await subject.accept(*tasks)
    records = await subject.driver.get_tasks([task.id for task in tasks])
    assert {id: record.payload for id, record in records.items()} == {task.id: task.payload for task in tasks}
    assert {id: record.queue for id, record in records.items()} == {task.id: task.queue for task in tasks}


@example("ENQ-2")
async def test_a_batch_with_an_invalid_task_stores_nothing(subject: Subject) -> None:
    """Enqueueing is atomic for the whole batch: one task out of bounds, and none is stored."""
    good = new_task()
    with raises(InvalidArgument):
        await subject.driver.enqueue_many([good, new_task(name="")])
    assert await subject.state(good.id) is None


@example("ENQ-3")
async def test_a_known_id_is_a_duplicate_of_itself(subject: Subject) -> None:
    """A known id -> `DUPLICATE(that id)`, stored task unchanged."""
    id = await subject.put(payload=b"first", priority=3)
    before = await subject.record(id)
    assert await subject.duplicate_of(new_task(id=id, payload=b"second", priority=9, delay=60.0, name="other")) == id
    assert await subject.record(id) == before, "the duplicate changed the stored task"


@example("ENQ-3")
async def test_an_id_is_known_across_queues(subject: Subject) -> None:
    """A known id is a duplicate in whatever queue it comes again."""
    id = await subject.put()
    assert await subject.duplicate_of(new_task(id=id, queue="other")) == id
    await subject.nothing_to_take(queue="other")


@example("ENQ-3")
async def test_a_leased_id_is_a_duplicate(subject: Subject) -> None:
    """A known id stays a duplicate while its task is leased, and the lease is untouched."""
    id = await subject.put()
    delivery = await subject.take_one()
    assert await subject.duplicate_of(new_task(id=id)) == id
    await subject.nothing_to_take()
    await subject.apply(Complete(receipt=delivery.receipt))


@example("ENQ-4")
async def test_the_rest_of_a_batch_proceeds_past_a_duplicate(subject: Subject) -> None:
    """A known id -> `DUPLICATE(that id)`, and the rest of the batch proceeds."""
    known = await subject.put()
    first, last = new_task(), new_task()
    outcomes = await subject.driver.enqueue_many([first, new_task(id=known), last])
    assert [outcome.accepted for outcome in outcomes] == [True, False, True]
    assert outcomes[1].existing_id == known
    await subject.must_be(TaskState.READY, first.id, known, last.id)


@example("ENQ-4")
async def test_an_id_twice_in_a_batch_is_stored_once(subject: Subject) -> None:
    """An id that comes twice in one batch is stored once, as its first task."""
    id = new_id()
    outcomes = await subject.driver.enqueue_many(
        [new_task(id=id, payload=b"first"), new_task(id=id, payload=b"second")]
    )
    assert [outcome.accepted for outcome in outcomes] == [True, False]
    assert outcomes[1].existing_id == id
    delivery = await subject.take_one(id=id)
    assert delivery.payload == b"first"
    await subject.nothing_to_take()


@example("ENQ-5")
async def test_a_known_id_wins_over_its_dedupe_key(subject: Subject) -> None:
    """A known id wins over dedupe: the duplicate names the id, not the holder of the key."""
    known = await subject.put()
    await subject.put(dedupe_key="key")
    assert await subject.duplicate_of(new_task(id=known, dedupe_key="key")) == known


@example("ENQ-6")
async def test_a_dedupe_key_held_by_a_waiting_task_is_a_duplicate(subject: Subject) -> None:
    """`dedupe_key` held by a waiting task of that queue -> `DUPLICATE(its id)`."""
    ready = await subject.put(dedupe_key="ready")
    scheduled = await subject.put(dedupe_key="scheduled", delay=subject.long)
    assert await subject.duplicate_of(new_task(dedupe_key="ready")) == ready
    assert await subject.duplicate_of(new_task(dedupe_key="scheduled")) == scheduled


@example("ENQ-6")
async def test_a_dedupe_key_held_by_a_leased_task_is_a_duplicate(subject: Subject) -> None:
    """`dedupe_key` held by a leased task of that queue -> `DUPLICATE(its id)`."""
    id = await subject.put(dedupe_key="key")
    await subject.take_one(id=id)
    assert await subject.duplicate_of(new_task(dedupe_key="key")) == id


@example("ENQ-6")
async def test_a_refused_duplicate_leaves_no_trace(subject: Subject) -> None:
    """A duplicate by key is not stored: it has no record, and its id is free."""
    await subject.put(dedupe_key="key")
    refused = new_task(dedupe_key="key")
    await subject.duplicate_of(refused)
    assert await subject.state(refused.id) is None
    await subject.put(id=refused.id)


@example("ENQ-7")
async def test_a_dedupe_key_earlier_in_the_batch_is_a_duplicate(subject: Subject) -> None:
    """`dedupe_key` held earlier in the batch -> `DUPLICATE(its id)`."""
    first, second = new_task(dedupe_key="key"), new_task(dedupe_key="key")
    outcomes = await subject.driver.enqueue_many([first, second])
    assert [outcome.accepted for outcome in outcomes] == [True, False]
    assert outcomes[1].existing_id == first.id


@example("ENQ-8")
async def test_a_dedupe_key_belongs_to_one_queue(subject: Subject) -> None:
    """`dedupe_key` counts within its queue: another queue may hold the same."""
    await subject.put(dedupe_key="key")
    await subject.put(dedupe_key="key", queue="other")


@example("ENQ-8")
async def test_dedupe_keys_are_compared_bytewise(subject: Subject) -> None:
    """Dedupe keys are compared bytewise: case, accents and trailing spaces make a difference."""
    await subject.put(dedupe_key="key")
    for other in ("KEY", "key ", "kéy", "ke\u0301y", "straße", "strasse"):
        await subject.put(dedupe_key=other)


@example("ENQ-9")
async def test_completion_frees_the_dedupe_key(subject: Subject) -> None:
    """A key is held by a waiting or leased task only: completion frees it."""
    await subject.put(dedupe_key="key", keep_for=subject.long)
    delivery = await subject.take_one()
    await subject.apply(Complete(receipt=delivery.receipt))
    await subject.put(dedupe_key="key")


@example("ENQ-9")
async def test_cancellation_frees_the_dedupe_key(subject: Subject) -> None:
    """A key is held by a waiting or leased task only: cancellation frees it."""
    id = await subject.put(dedupe_key="key")
    await subject.driver.cancel_many([id])
    await subject.put(dedupe_key="key")


@example("ENQ-9")
async def test_a_retried_task_still_holds_its_dedupe_key(subject: Subject) -> None:
    """A key is held by a waiting task, also by one that waits for its next attempt: at once, later, or released."""
    ways: dict[str, Callable[[Receipt], Settlement]] = {
        "retried at once": lambda receipt: Retry(receipt=receipt, failure=FAILURE, delay=0.0),
        "retried later": lambda receipt: Retry(receipt=receipt, failure=FAILURE, delay=subject.long),
        "released": lambda receipt: Release(receipt=receipt, delay=subject.long),
    }
    for key, settlement in ways.items():
        id = await subject.put(dedupe_key=key)
        delivery = await subject.take_one(id=id)
        await subject.apply(settlement(delivery.receipt))
        assert await subject.duplicate_of(new_task(dedupe_key=key)) == id, f"the task was {key}"
        await subject.driver.cancel_many([id])


@example("ENQ-9")
async def test_a_task_whose_lease_lapsed_still_holds_its_dedupe_key(subject: Subject) -> None:
    """A key is held by a waiting task, also by one that came back because its lease ended."""
    id = await subject.put(dedupe_key="key")
    await subject.take_one(id=id, lease=subject.brief)
    await subject.let_pass(subject.brief)
    assert await subject.duplicate_of(new_task(dedupe_key="key")) == id


@example("ENQ-10")
async def test_equal_payloads_are_different_tasks(subject: Subject) -> None:
    """A driver moves opaque envelopes: tasks of equal payload are different tasks."""
    ids = await subject.put_many(3, payload=b"same")
    assert sorted(await subject.take_ids(4)) == sorted(ids)


@example("ENQ-11")
async def test_the_defaults_of_a_new_task_are_stored(subject: Subject) -> None:
    """`NewTask` has its defaults stored: priority 4, no delay, `keep_for` 0, `remember_for` 60 seconds."""
    id = new_id()
    await subject.accept(NewTask(id=id, queue=QUEUE, name="name", payload=b""))
    record = await subject.record(id)
    assert (record.priority, record.dedupe_key, record.expires_after) == (4, None, None)
    for name, wanted in (("keep_for", 0.0), ("remember_for", 60.0)):
        shown = getattr(record, name)
        assert subject.rounded_up(shown, wanted), f"{name} is {shown}; wanted {wanted}"
    assert record.correlation_id is None
    assert record.state is TaskState.READY
