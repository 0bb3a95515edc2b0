"""The rules of every method: batches, bounds, validation, and sending again."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

from asynctasq.driver_api import (
    Bury,
    Cancel,
    CancelOutcome,
    Complete,
    Failure,
    InvalidArgument,
    Receipt,
    Release,
    ReplayStatus,
    Retry,
    SettleOutcome,
    TaskState,
)
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, NEVER_ISSUED, QUEUE, Subject, new_id, new_task, raises


@example("ERR-1")
async def test_outcomes_are_positional(subject: Subject) -> None:
    """Batch in, positional outcomes out: `len(out) == len(in)`, each in its place."""
    known = await subject.put()
    receipt = (await subject.take_one()).receipt
    driver = subject.driver
    enqueued = await driver.enqueue_many([new_task(id=known), new_task(), new_task(id=known)])
    assert [outcome.accepted for outcome in enqueued] == [False, True, False]
    extended = await driver.extend_many([NEVER_ISSUED, receipt, NEVER_ISSUED], lease=subject.long)
    assert [outcome.applied for outcome in extended] == [False, True, False]
    settled = await driver.settle_many([Complete(receipt=NEVER_ISSUED), Complete(receipt=receipt)])
    assert settled == [SettleOutcome.STALE, SettleOutcome.APPLIED]


@example("ERR-2")
async def test_the_items_of_a_batch_apply_in_order(subject: Subject) -> None:
    """Items of a batch apply in order: an earlier one frees what a later one needs."""
    await subject.put(dedupe_key="key", id="first")
    receipt = (await subject.take_one()).receipt
    other = await subject.put(id="second")
    second = (await subject.take_one(id=other)).receipt
    follow_up = new_task(dedupe_key="key")
    await subject.apply(Complete(receipt=receipt), Complete(receipt=second, follow_ups=(follow_up,)))
    await subject.must_be(TaskState.READY, follow_up.id)


@example("ERR-2")
async def test_a_freed_key_is_free_only_afterwards(subject: Subject) -> None:
    """Items of a batch apply in order: what a later one frees is not free for an earlier one."""
    await subject.put(dedupe_key="key", id="first")
    receipt = (await subject.take_one()).receipt
    second = (await subject.take_one(id=await subject.put(id="second"))).receipt
    follow_up = new_task(dedupe_key="key")
    await subject.apply(Complete(receipt=second, follow_ups=(follow_up,)), Complete(receipt=receipt))
    assert await subject.state(follow_up.id) is None


@example("ERR-3")
async def test_a_batch_over_the_limit_is_refused_whole(subject: Subject) -> None:
    """More items than `limits.max_batch` -> `InvalidArgument`, never a silent split."""
    over = subject.driver.traits.limits.max_batch + 1
    if over > 20_000:
        return  # a batch so large is not built here; the check is the base class's
    driver = subject.driver
    tasks = [new_task() for _ in range(over)]
    with raises(InvalidArgument):
        await driver.enqueue_many(tasks)
    with raises(InvalidArgument):
        await driver.reserve([QUEUE], limit=over, lease=1.0, worker="worker")
    with raises(InvalidArgument):
        await driver.settle_many([Complete(receipt=NEVER_ISSUED)] * over)
    with raises(InvalidArgument):
        await driver.settle_many([Complete(receipt=NEVER_ISSUED, follow_ups=tuple(tasks[1:]))])
    with raises(InvalidArgument):
        await driver.extend_many([NEVER_ISSUED] * over, lease=1.0)
    for call in (driver.cancel_many, driver.get_tasks, driver.replay_many, driver.delete_many):
        with raises(InvalidArgument):
            await call([new_id()] * over)
    with raises(InvalidArgument):
        await driver.maintain(limit=over)
    with raises(InvalidArgument):
        await driver.list_tasks(limit=over)
    await subject.nothing_to_take()


@example("ERR-3")
async def test_a_batch_of_the_largest_size_works(subject: Subject) -> None:
    """Up to `limits.max_batch` items fit in one call."""
    size = min(subject.driver.traits.limits.max_batch, 1_000)
    await subject.accept(*[new_task() for _ in range(size)])
    deliveries = await subject.take(size)
    assert len(deliveries) == size
    outcomes = await subject.driver.extend_many([delivery.receipt for delivery in deliveries], lease=subject.long)
    assert all(outcome.applied for outcome in outcomes)
    await subject.apply(*[Complete(receipt=delivery.receipt) for delivery in deliveries])
    assert (await subject.stats()).total_completed == size


@example("ERR-4")
async def test_empty_batches_are_empty(subject: Subject) -> None:
    """An empty batch returns an empty list."""
    driver = subject.driver
    assert await driver.enqueue_many([]) == []
    assert await driver.reserve([], limit=1, lease=1.0, worker="worker") == []
    assert await driver.settle_many([]) == []
    assert await driver.extend_many([], lease=1.0) == []
    assert await driver.cancel_many([]) == []
    assert await driver.get_tasks([]) == {}
    assert await driver.replay_many([]) == []
    assert await driver.delete_many([]) == []
    assert await driver.queue_stats([]) == {}
    await driver.purge([])
    await driver.purge([QUEUE], states=[])


@example("ERR-13")
async def test_the_largest_failure_is_kept_whole(subject: Subject) -> None:
    """A failure's texts may have 8 KiB in all, which are kept whole."""
    kind, message = "Ünhandled", "m" * 1000
    room = 8 * 1024 - len((kind + message).encode())
    failure = Failure(type=kind, message=message, traceback="é" * (room // 2) + "t" * (room % 2))
    id = await subject.put()
    await subject.apply(Bury(receipt=(await subject.take_one()).receipt, failure=failure))
    [kept] = (await subject.record(id)).failures
    assert (kept.type, kept.message, kept.traceback) == (failure.type, failure.message, failure.traceback)


@example("ERR-5", "ERR-13")
async def test_a_settlement_out_of_bounds_stops_the_whole_call(subject: Subject) -> None:
    """Everything is validated before any effect: one bad item, and no item of the call is applied."""
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    bad = [
        Retry(receipt=receipt, failure=FAILURE, delay=-1.0),
        Retry(receipt=receipt, failure=Failure(type="T", message="m" * 9000)),
        Retry(receipt=receipt, failure=Failure(type="T", message="nul \x00")),
        Bury(receipt=receipt, failure=Failure(type="T", message="\ud800")),
        Bury(receipt=receipt, failure=FAILURE, reason=""),
        Cancel(receipt=receipt, reason="r" * 201),
        Release(receipt=receipt, delay=math.inf),
        Complete(receipt=receipt, follow_ups=(new_task(queue="not a queue"),)),
    ]
    for settlement in bad:
        with raises(InvalidArgument):
            await subject.driver.settle_many([Complete(receipt=receipt), settlement])
    await subject.must_be(TaskState.LEASED, id)


@example("ERR-6")
async def test_tasks_out_of_bounds_are_refused(subject: Subject) -> None:
    """Bounds of a task: id, queue, name, correlation id, dedupe key, priority."""
    bad = [
        {"id": ""},
        {"id": "x" * 65},
        {"id": "sp ace"},
        {"id": "é"},
        {"id": "line\n"},
        {"queue": ""},
        {"queue": "a/b"},
        {"name": ""},
        {"name": "n" * 201},
        {"name": "é" * 101},
        {"name": "nul\x00"},
        {"correlation_id": ""},
        {"dedupe_key": "k\x00"},
        {"dedupe_key": "\ud800"},
        {"priority": 10},
        {"priority": -1},
    ]
    for fields in bad:
        with raises(InvalidArgument):
            await subject.driver.enqueue_many([new_task(**fields)])
    assert await subject.listed() == []


@example("ERR-7")
async def test_durations_out_of_bounds_are_refused(subject: Subject) -> None:
    """Durations are finite, >= 0 and <= `limits.max_delay`; a lease is more than 0."""
    too_long = subject.driver.traits.limits.max_delay * 1.001
    for seconds in (-1.0, -0.001, math.nan, math.inf, -math.inf, too_long):
        for field in ("delay", "expires_after", "keep_for", "remember_for"):
            with raises(InvalidArgument):
                await subject.driver.enqueue_many([new_task(**{field: seconds})])
        with raises(InvalidArgument):
            await subject.driver.extend_many([NEVER_ISSUED], lease=seconds)
    for lease in (0.0, -1.0, math.nan, too_long):
        with raises(InvalidArgument):
            await subject.driver.reserve([QUEUE], limit=1, lease=lease, worker="worker")
    assert await subject.listed() == []


@example("ERR-8")
async def test_a_due_moment_must_be_aware_utc_and_alone(subject: Subject) -> None:
    """`available_at` is aware UTC; both `delay` and `available_at` -> `InvalidArgument`."""
    moment = datetime.now(UTC) + timedelta(days=1)
    elsewhere = moment.astimezone(timezone(timedelta(hours=2)))
    for fields in (
        {"available_at": moment.replace(tzinfo=None)},
        {"available_at": elsewhere},
        {"available_at": moment, "delay": 1.0},
    ):
        with raises(InvalidArgument):
            await subject.driver.enqueue_many([new_task(**fields)])


@example("ERR-6")
async def test_arguments_of_reserve_out_of_bounds_are_refused(subject: Subject) -> None:
    """Bounds of `reserve`: queue names, worker, `limit` >= 1; nothing is leased."""
    await subject.put()
    driver = subject.driver
    for limit in (0, -1):
        with raises(InvalidArgument):
            await driver.reserve([QUEUE], limit=limit, lease=1.0, worker="worker")
    for worker in ("", "w" * 201, "w\x00"):
        with raises(InvalidArgument):
            await driver.reserve([QUEUE], limit=1, lease=1.0, worker=worker)
    for queue in ("", "a b", "q" * 65):
        with raises(InvalidArgument):
            await driver.reserve([QUEUE, queue], limit=1, lease=1.0, worker="worker")
    assert (await subject.stats()).ready == 1


@example("ERR-9")
async def test_enqueueing_again_takes_effect_once(subject: Subject) -> None:
    """Every mutating method is safe to send again: enqueueing takes effect once."""
    tasks = [new_task(), new_task(dedupe_key="key"), new_task(delay=subject.long)]
    await subject.accept(*tasks)
    again = await subject.driver.enqueue_many(tasks)
    assert [(outcome.accepted, outcome.existing_id) for outcome in again] == [(False, task.id) for task in tasks]
    stats = await subject.stats()
    assert (stats.ready, stats.scheduled) == (2, 1)


@example("ERR-9")
async def test_settling_again_takes_effect_once(subject: Subject) -> None:
    """Every mutating method is safe to send again: settling takes effect once, follow-ups included."""
    await subject.put_many(3)
    receipts = [delivery.receipt for delivery in await subject.take(3)]
    follow_up = new_task(queue="next")
    batch = [
        Complete(receipt=receipts[0], follow_ups=(follow_up,)),
        Retry(receipt=receipts[1], failure=FAILURE),
        Release(receipt=receipts[2]),
    ]
    await subject.apply(*batch)
    await subject.stale(*batch)
    stats = await subject.stats()
    assert (stats.ready, stats.total_completed, stats.total_retried) == (2, 1, 1)
    assert (await subject.stats("next")).ready == 1


@example("ERR-10")
async def test_the_other_methods_act_again_on_what_they_find(subject: Subject) -> None:
    """The other methods, sent again, act on what they find: cancel, replay, delete, purge, extend."""
    driver = subject.driver
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    for _ in range(2):
        [extended] = await driver.extend_many([receipt], lease=subject.long)
        assert extended.applied
    assert [await driver.cancel_many([id]) for _ in range(2)] == [[CancelOutcome.REQUESTED]] * 2
    await subject.apply(Bury(receipt=receipt, failure=FAILURE))
    outcomes = [(await driver.replay_many([id]))[0].status for _ in range(2)]
    assert outcomes == [ReplayStatus.REPLAYED, ReplayStatus.NOT_DEAD]
    assert [await driver.delete_many([id]) for _ in range(2)] == [[True], [False]]
    for _ in range(2):
        await driver.purge([QUEUE])


@example("ERR-11")
async def test_leases_of_a_lost_reply_lapse(subject: Subject) -> None:
    """A `reserve` sent again may strand leases, which lapse: nothing is lost, and the attempt counts."""
    id = await subject.put()
    await subject.driver.reserve([QUEUE], limit=1, lease=subject.brief, worker="worker")  # the reply was lost
    await subject.nothing_to_take()
    await subject.let_pass(subject.brief)
    assert (await subject.take_one(id=id)).attempt == 2


@example("ERR-12")
async def test_hostile_receipts_do_no_harm(subject: Subject) -> None:
    """Any string is a legal receipt: it is an answer, never an error, and harms no neighbour in its batch."""
    await subject.put()
    receipt = (await subject.take_one()).receipt
    hostile = [
        "",
        "\x00",
        "\ud800",
        "' OR 1=1 --",
        "-9223372036854775809",
        "99999999999999999999.x",
        "é" * 200,
        "*",
        "[",
        "{}",
    ]
    outcomes = await subject.driver.settle_many(
        [*[Complete(receipt=Receipt(text)) for text in hostile], Complete(receipt=receipt)]
    )
    assert outcomes == [*[SettleOutcome.STALE] * len(hostile), SettleOutcome.APPLIED]
