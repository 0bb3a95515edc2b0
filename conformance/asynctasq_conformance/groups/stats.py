"""Gauges, ages and totals of queues."""

from __future__ import annotations

from asynctasq.driver_api import Bury, Cancel, Complete, QueueStats, Release, Retry
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, QUEUE, Subject


@example("STA-1")
async def test_gauges_count_each_state(subject: Subject) -> None:
    """`queue_stats`: ready, scheduled, leased, dead."""
    await subject.put()
    await subject.apply(Bury(receipt=(await subject.take_one()).receipt, failure=FAILURE))
    await subject.put_many(2)
    await subject.take(2)
    await subject.put_many(3)
    await subject.put_many(4, delay=subject.long)
    stats = await subject.stats()
    assert (stats.ready, stats.scheduled, stats.leased, stats.dead) == (3, 4, 2, 1)


@example("STA-1")
async def test_gauges_follow_time(subject: Subject) -> None:
    """Gauges show what is due as ready, and what lapsed as ready."""
    await subject.put()
    await subject.take_one(lease=subject.brief)
    await subject.put(delay=subject.brief)
    await subject.let_pass(subject.brief)
    await subject.maintain()
    stats = await subject.stats()
    assert (stats.ready, stats.scheduled, stats.leased) == (2, 0, 0)


@example("STA-2")
async def test_the_oldest_ready_age_is_since_it_was_available(subject: Subject) -> None:
    """`oldest_ready_age` is now - smallest available_at of the ready tasks; None when none is ready."""
    assert (await subject.stats()).oldest_ready_age is None
    await subject.put(delay=subject.long)
    assert (await subject.stats()).oldest_ready_age is None
    async with subject.timed() as span:
        await subject.put(priority=0)
    await subject.let_pass(subject.brief)
    await subject.put(priority=9)
    async with subject.timed() as reading:
        age = (await subject.stats()).oldest_ready_age
    passed = (reading.after - span.before).total_seconds()
    assert age is not None
    assert subject.brief <= age, f"the oldest waits {age} seconds; at least {subject.brief} have passed"
    if subject.harness.clock is not None or not subject.harness.can_move_time:
        assert age <= passed + subject.slack  # a harness that shifts timestamps has moved them, not the clock


@example("STA-3")
async def test_totals_count_what_ended(subject: Subject) -> None:
    """Totals: completed, dead, cancelled, and applied Retries that wait again; never a Release or a lapse."""
    await subject.put_many(6, remember_for=0.0)
    receipts = [delivery.receipt for delivery in await subject.take(6)]
    await subject.apply(
        Complete(receipt=receipts[0]),
        Bury(receipt=receipts[1], failure=FAILURE),
        Cancel(receipt=receipts[2], reason="reason"),
        Retry(receipt=receipts[3], failure=FAILURE, delay=subject.long),
        Retry(receipt=receipts[4], failure=FAILURE, delay=subject.long),
        Release(receipt=receipts[5], delay=subject.long),
    )
    lapsing = await subject.put()
    await subject.take_one(id=lapsing, lease=subject.brief)
    await subject.let_pass(subject.brief)
    await subject.maintain()
    stats = await subject.stats()
    totals = (stats.total_completed, stats.total_dead, stats.total_cancelled, stats.total_retried)
    assert totals == (1, 1, 1, 2)


@example("STA-3")
async def test_stale_settlements_are_not_counted(subject: Subject) -> None:
    """A STALE settlement is without effect, on totals too."""
    await subject.put()
    receipt = (await subject.take_one()).receipt
    await subject.apply(Complete(receipt=receipt))
    await subject.stale(Complete(receipt=receipt), Retry(receipt=receipt, failure=FAILURE))
    stats = await subject.stats()
    assert (stats.total_completed, stats.total_retried) == (1, 0)


@example("STA-4")
async def test_totals_only_grow(subject: Subject) -> None:
    """Totals only grow, whatever is replayed, deleted, forgotten or purged."""
    dead = await subject.put()
    await subject.apply(Bury(receipt=(await subject.take_one()).receipt, failure=FAILURE))
    gone = await subject.put(keep_for=subject.long)
    await subject.apply(Complete(receipt=(await subject.take_one()).receipt))
    cancelled = await subject.put(remember_for=0.0)
    await subject.driver.cancel_many([cancelled])
    await subject.driver.replay_many([dead])
    await subject.driver.delete_many([gone, dead])
    await subject.let_pass(subject.slack)
    await subject.maintain()
    await subject.driver.purge([QUEUE])
    stats = await subject.stats()
    assert (stats.total_dead, stats.total_completed, stats.total_cancelled) == (1, 1, 1)


@example("STA-5")
async def test_stats_of_all_queues(subject: Subject) -> None:
    """None = every queue with tasks or totals."""
    await subject.put(queue="with-a-task", delay=subject.long)
    await subject.put(queue="with-totals", remember_for=0.0)
    await subject.apply(Complete(receipt=(await subject.take_one(queue="with-totals")).receipt))
    await subject.let_pass(subject.slack)
    await subject.maintain()
    stats = await subject.driver.queue_stats()
    assert set(stats) == {"with-a-task", "with-totals"}
    assert stats["with-a-task"].scheduled == 1
    assert stats["with-totals"].total_completed == 1


@example("STA-6")
async def test_an_unknown_queue_has_zeros(subject: Subject) -> None:
    """Unknown queue = zeros; the named queues are answered, and no others."""
    await subject.put()
    stats = await subject.driver.queue_stats(["unknown", "unknown-too"])
    assert stats == {"unknown": QueueStats(), "unknown-too": QueueStats()}


@example("STA-7", requires=("exact_stats",))
async def test_exact_gauges_show_what_time_ended_at_once(subject: Subject) -> None:
    """The gauges show what time ended at once, if `EXACT_STATS`: an expired task is dead, not ready."""
    await subject.put(expires_after=subject.brief)
    lapsing = await subject.put()
    await subject.take(2, lease=subject.brief * 2)
    await subject.put(expires_after=subject.brief)
    await subject.driver.cancel_many([lapsing])
    await subject.let_pass(subject.brief)
    stats = await subject.stats()
    assert (stats.ready, stats.leased, stats.dead) == (0, 2, 1)
    await subject.let_pass(subject.brief)
    stats = await subject.stats()
    assert (stats.ready, stats.leased, stats.dead) == (0, 0, 2)


@example("STA-8")
async def test_each_queue_is_counted_by_itself(subject: Subject) -> None:
    """Gauges and totals belong to one queue each."""
    await subject.put_many(2)
    await subject.put(queue="other")
    await subject.apply(Complete(receipt=(await subject.take_one()).receipt))
    stats = await subject.driver.queue_stats([QUEUE, "other"])
    assert (stats[QUEUE].ready, stats[QUEUE].total_completed) == (1, 1)
    assert (stats["other"].ready, stats["other"].total_completed) == (1, 0)
