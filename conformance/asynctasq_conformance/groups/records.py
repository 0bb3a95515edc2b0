"""Reading: single records and lists."""

from __future__ import annotations

from typing import Any

from asynctasq.driver_api import Bury, Complete, Failure, InvalidArgument, Release, Retry, TaskRecord, TaskState
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, Subject, new_id, new_task, raises


@example("REC-1")
async def test_a_record_has_every_field_of_its_task(subject: Subject) -> None:
    """`TaskRecord`: every field of the task."""
    task = new_task(
        id="Az09._-",
        queue="Queue._-9",
        name="nämé with spaces",
        payload=b"\x00payload\xff",
        correlation_id="corrélation",
        priority=0,
        dedupe_key="kéy",
        expires_after=1234.5,
        keep_for=10.25,
        remember_for=99.5,
    )
    await subject.accept(task)
    record = await subject.record(task.id)
    durations = ("expires_after", "keep_for", "remember_for")
    names = [name for name in task.__struct_fields__ if name not in ("delay", "available_at", *durations)]
    assert {name: getattr(record, name) for name in names} == {name: getattr(task, name) for name in names}
    for name in durations:
        shown, wanted = getattr(record, name), getattr(task, name)
        assert subject.rounded_up(shown, wanted), (
            f"{name} is {shown}; wanted {wanted}, rounded up to {subject.resolution} s"
        )


@example("REC-1")
async def test_a_new_record_has_no_history(subject: Subject) -> None:
    """`TaskRecord` of a task that was never delivered: no attempts, no worker, no end."""
    async with subject.timed() as span:
        id = await subject.put()
    record = await subject.record(id)
    assert (record.attempts, record.cancel_requested, record.failures) == (0, False, ())
    nothing = (record.worker, record.lease, record.reason, record.result, record.started_at, record.finished_at)
    assert nothing == (None,) * 6
    assert span.has(record.enqueued_at)


@example("REC-2")
async def test_a_record_never_shows_the_receipt(subject: Subject) -> None:
    """`TaskRecord`: never the receipt."""
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    assert receipt not in repr(await subject.record(id))


@example("REC-3")
async def test_missing_ids_are_absent(subject: Subject) -> None:
    """`get_tasks`: missing ids are absent, and an id that comes twice is found once."""
    id = await subject.put()
    records = await subject.driver.get_tasks([new_id(), id, new_id(), id])
    assert [*records] == [id]
    assert records[id].id == id


@example("REC-4")
async def test_reads_change_nothing(subject: Subject) -> None:
    """Reads change nothing."""
    ids = await subject.put_many(3)
    delivery = await subject.take_one()
    waiting = [id for id in ids if id != delivery.id]
    before = await subject.driver.get_tasks(waiting)
    for _ in range(2):
        await subject.driver.get_tasks(ids)
        await subject.driver.list_tasks(limit=2)
        await subject.driver.queue_stats()
        await subject.driver.now()
        await subject.driver.diagnose()
    assert await subject.driver.get_tasks(waiting) == before
    await subject.apply(Complete(receipt=delivery.receipt))
    assert sorted(await subject.take_ids(3)) == sorted(waiting)


@example("REC-5")
async def test_a_leased_record_tells_the_lease(subject: Subject) -> None:
    """While leased, `lease` is the seconds left (None otherwise) and `available_at` the lease's end."""
    id = await subject.put()
    async with subject.timed() as span:
        receipt = (await subject.take_one(lease=subject.long)).receipt
        record = await subject.record(id)
    took = (span.after - span.before).total_seconds()
    assert record.lease is not None
    assert subject.long - took - subject.slack <= record.lease <= subject.long + subject.slack
    assert span.has(record.available_at, plus=subject.long)
    await subject.apply(Release(receipt=receipt))
    assert (await subject.record(id)).lease is None


@example("REC-6")
async def test_worker_and_start_are_of_the_latest_delivery_and_stay(subject: Subject) -> None:
    """`worker` and `started_at` are the latest delivery's and stay."""
    id = await subject.put(keep_for=subject.long)
    first = await subject.take_one(worker="first")
    await subject.apply(Release(receipt=first.receipt))
    assert (await subject.record(id)).worker == "first"
    await subject.let_pass(subject.slack)
    async with subject.timed() as span:
        second = await subject.take_one(worker="second")
    await subject.apply(Complete(receipt=second.receipt))
    record = await subject.record(id)
    assert record.worker == "second"
    assert span.has(record.started_at), f"started at {record.started_at}; wanted {span}"


@example("REC-7")
async def test_an_ended_record_tells_when(subject: Subject) -> None:
    """`finished_at` is when the task ended: completed, dead or cancelled."""
    for buried in (False, True):
        id = await subject.put(keep_for=subject.long)
        receipt = (await subject.take_one(id=id)).receipt
        async with subject.timed() as span:
            await subject.apply(Bury(receipt=receipt, failure=FAILURE) if buried else Complete(receipt=receipt))
        assert span.has((await subject.record(id)).finished_at)


@example("REC-8")
async def test_failures_have_attempt_worker_and_time(subject: Subject) -> None:
    """`failures` with attempt, worker and time, which the driver fills in; oldest first."""
    id = await subject.put()
    failures = [Failure(type=f"Type{n}", message=f"méssage {n}\n", traceback=f"line {n}\n\ttab") for n in (1, 2)]
    delivery = await subject.take_one(worker="one")
    async with subject.timed() as span:
        await subject.apply(Retry(receipt=delivery.receipt, failure=failures[0]))
    delivery = await subject.take_one(worker="two")
    await subject.apply(Bury(receipt=delivery.receipt, failure=failures[1]))
    kept = (await subject.record(id)).failures
    assert [(f.type, f.message, f.traceback) for f in kept] == [(f.type, f.message, f.traceback) for f in failures]
    assert [(failure.attempt, failure.worker) for failure in kept] == [(1, "one"), (2, "two")]
    assert span.has(kept[0].at), f"the first failed at {kept[0].at}; wanted {span}"


@example("REC-8")
async def test_the_last_ten_failures_are_kept(subject: Subject) -> None:
    """`failures`: the last ten."""
    id = await subject.put()
    for attempt in range(1, 13):
        delivery = await subject.take_one()
        failure = Failure(type="Error", message=f"attempt {attempt}")
        await subject.apply(Retry(receipt=delivery.receipt, failure=failure))
    kept = (await subject.record(id)).failures
    assert [failure.message for failure in kept] == [f"attempt {attempt}" for attempt in range(3, 13)]
    assert [failure.attempt for failure in kept] == [*range(3, 13)]


@example("REC-9")
async def test_a_list_gives_the_tasks_that_match(subject: Subject) -> None:
    """`list_tasks` by queue, state, name and correlation id, each alone and together."""
    a = await subject.put(queue="a", name="one", correlation_id="c1")
    b = await subject.put(queue="a", name="two", delay=subject.long)
    c = await subject.put(queue="b", name="one", correlation_id="c1")
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {a, b, c}),
        ({"queue": "a"}, {a, b}),
        ({"name": "one"}, {a, c}),
        ({"correlation_id": "c1"}, {a, c}),
        ({"state": TaskState.SCHEDULED}, {b}),
        ({"state": TaskState.READY}, {a, c}),
        ({"queue": "a", "state": TaskState.READY, "name": "one", "correlation_id": "c1"}, {a}),
        ({"queue": "none"}, set()),
        ({"queue": "b", "name": "two"}, set()),
    ]
    for filters, expected in cases:
        assert {record.id for record in await subject.listed(**filters)} == expected, f"filters: {filters}"


@example("REC-9")
async def test_every_state_can_be_listed(subject: Subject) -> None:
    """`list_tasks(state=...)` works for every state, and gives the records that `get_tasks` gives."""
    completed = await subject.put(keep_for=subject.long)
    await subject.apply(Complete(receipt=(await subject.take_one()).receipt, result=b"result"))
    dead = await subject.put()
    await subject.apply(Bury(receipt=(await subject.take_one()).receipt, failure=FAILURE))
    cancelled = await subject.put()
    await subject.driver.cancel_many([cancelled])
    leased = await subject.put()
    await subject.take_one()
    for state, id in (
        (TaskState.COMPLETED, completed),
        (TaskState.DEAD, dead),
        (TaskState.CANCELLED, cancelled),
        (TaskState.LEASED, leased),
    ):
        listed = await subject.listed(state=state)
        assert [record.id for record in listed] == [id], f"state: {state}"
        if state is not TaskState.LEASED:
            assert listed == [await subject.record(id)]


@example("REC-10")
async def test_a_list_gives_each_task_once(subject: Subject) -> None:
    """A task that stays unchanged comes exactly once, however small the pages."""
    ids = [new_id() for _ in range(11)]
    await subject.accept(*[new_task(id=id, queue=f"q{index % 2}", priority=index % 4) for index, id in enumerate(ids)])
    for limit in (1, 3, 11):
        assert sorted(record.id for record in await subject.listed(limit=limit)) == sorted(ids), f"pages of {limit}"


@example("REC-10")
async def test_a_list_that_changes_still_gives_the_unchanged_once(subject: Subject) -> None:
    """A task that stays unchanged comes exactly once, though others come and go between the pages."""
    ids = await subject.put_many(6)
    first = await subject.driver.list_tasks(limit=2)
    seen = [record.id for record in first.tasks]
    gone = [seen[0], next(id for id in ids if id not in seen)]
    await subject.driver.delete_many(gone)
    await subject.put_many(2)
    after = first.after
    while after is not None:
        page = await subject.driver.list_tasks(limit=2, after=after)
        seen += [record.id for record in page.tasks]
        after = page.after
    unchanged = [id for id in ids if id not in gone]
    assert sorted(id for id in seen if id in unchanged) == sorted(unchanged)


@example("REC-11")
async def test_a_list_may_ask_for_old_tasks(subject: Subject) -> None:
    """`older_than`: seconds since `enqueued_at`."""
    old = await subject.put()
    await subject.let_pass(subject.brief)
    young = await subject.put()
    assert [record.id for record in await subject.listed(older_than=subject.brief)] == [old]
    assert {record.id for record in await subject.listed(older_than=0.0)} == {old, young}


@example("REC-12")
async def test_a_page_that_no_list_gave_is_refused(subject: Subject) -> None:
    """An `after` that came from no page raises `InvalidArgument`."""
    await subject.put()
    for after in ("nonsense", "", "\x00", "é"):
        with raises(InvalidArgument):
            await subject.driver.list_tasks(after=after)


@example("REC-13")
async def test_records_are_of_the_present_moment(subject: Subject) -> None:
    """`get_tasks` is a snapshot per id: state and fields agree, whatever time has done since."""
    scheduled = await subject.put(delay=subject.brief / 2)
    leased = await subject.put()
    await subject.take_one(id=leased, lease=subject.brief / 2)
    await subject.let_pass(subject.brief)
    records = await subject.driver.get_tasks([scheduled, leased])
    seen: list[TaskRecord] = [*records.values()]
    assert [(record.state, record.lease) for record in seen] == [(TaskState.READY, None)] * 2
