"""Tasks that are due later, and the durations of the contract."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from asynctasq.driver_api import TaskState
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import QUEUE, Subject, new_task


@example("SCH-1")
async def test_a_delayed_task_is_scheduled(subject: Subject) -> None:
    """A task with a delay is scheduled, not delivered, and due acceptance + delay."""
    async with subject.timed() as span:
        id = await subject.put(delay=subject.long)
    record = await subject.record(id)
    assert record.state is TaskState.SCHEDULED
    assert span.has(record.available_at, plus=subject.long), f"due at {record.available_at}, enqueued {span}"
    await subject.nothing_to_take()


@example("SCH-2")
async def test_a_scheduled_task_becomes_ready_by_itself(subject: Subject) -> None:
    """Scheduled becomes ready when due. Nothing has to run for that."""
    id = await subject.put(delay=subject.brief)
    await subject.let_pass(subject.brief)
    await subject.must_be(TaskState.READY, id)
    deliveries = await subject.driver.reserve([QUEUE], limit=1, lease=subject.long, worker="worker")
    assert [delivery.id for delivery in deliveries] == [id]


@example("SCH-3", requires=("clock",))
async def test_due_exactly_now_is_ready(subject: Subject) -> None:
    """Scheduled becomes ready when due, due exactly now included, and not before."""
    id = await subject.put(delay=10.0)
    await subject.harness.advance(10.0 - subject.resolution)
    await subject.must_be(TaskState.SCHEDULED, id)
    await subject.nothing_to_take()
    await subject.harness.advance(subject.resolution)
    await subject.must_be(TaskState.READY, id)
    await subject.take_one(id=id)


@example("SCH-4")
async def test_a_task_may_name_the_moment_it_is_due(subject: Subject) -> None:
    """`available_at`: the moment the task is due."""
    due = await subject.driver.now() + timedelta(seconds=subject.brief)
    id = await subject.put(available_at=due)
    record = await subject.record(id)
    assert record.state is TaskState.SCHEDULED
    assert abs(record.available_at - due) <= timedelta(seconds=subject.slack)
    await subject.nothing_to_take()
    await subject.let_pass(subject.brief)
    await subject.take_one(id=id)


@example("SCH-5")
async def test_a_moment_in_the_past_means_now(subject: Subject) -> None:
    """`available_at` is max(acceptance, what was asked)."""
    past = await subject.driver.now() - timedelta(days=400)
    async with subject.timed() as span:
        id = await subject.put(available_at=past)
    record = await subject.record(id)
    assert record.state is TaskState.READY
    assert span.has(record.available_at), f"available at {record.available_at}; wanted the acceptance, {span}"


@example("SCH-5")
async def test_a_task_without_delay_is_available_at_its_acceptance(subject: Subject) -> None:
    """`available_at` is the acceptance, if nothing was asked."""
    async with subject.timed() as span:
        id = await subject.put()
    record = await subject.record(id)
    assert record.available_at == record.enqueued_at
    assert span.has(record.available_at)


@example("SCH-6")
async def test_a_fraction_of_a_second_is_kept(subject: Subject) -> None:
    """Durations are float seconds, rounded up to `time_resolution`: never cut to less."""
    for delay in (0.75, 1.5, 100.25):
        async with subject.timed() as span:
            id = await subject.put(delay=delay)
        record = await subject.record(id)
        assert record.available_at - record.enqueued_at >= timedelta(seconds=delay), f"{delay} seconds were cut"
        assert span.has(record.available_at, plus=delay), f"due at {record.available_at}; wanted {delay} s after {span}"


@example("SCH-6")
async def test_the_smallest_duration_is_rounded_up(subject: Subject) -> None:
    """Durations are rounded up to `time_resolution`: a lease too short for the clock is no lease of nothing."""
    await subject.put()
    deliveries = await subject.driver.reserve([QUEUE], limit=1, lease=subject.resolution / 1000, worker="worker")
    assert len(deliveries) == 1
    assert 0 < deliveries[0].lease <= subject.slack


@example("SCH-7")
async def test_a_scheduled_head_holds_nothing_up(subject: Subject) -> None:
    """A task that is not due yet holds up none that is, whatever its priority."""
    await subject.put(priority=9, delay=subject.long)
    ready = await subject.put(priority=0)
    assert await subject.take_ids(2) == [ready]


@example("SCH-8")
async def test_the_longest_delay_is_accepted(subject: Subject) -> None:
    """Durations go up to `limits.max_delay`, inclusive."""
    longest = subject.driver.traits.limits.max_delay
    async with subject.timed() as span:
        id = await subject.put(delay=longest, keep_for=longest, remember_for=longest, expires_after=longest)
    record = await subject.record(id)
    assert record.state is TaskState.SCHEDULED
    assert span.has(record.available_at, plus=longest)


@example("SCH-9", requires=("shared_between_processes",))
async def test_a_wrong_clock_of_the_client_has_no_effect(subject: Subject) -> None:
    """One clock, the backend's: a client's wrong clock has no effect."""
    real = time.time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: real() + 7200.0)
        patch.setattr(time, "time_ns", lambda: int((real() + 7200.0) * 1e9))
        async with subject.timed() as span:
            due = new_task()
            later = new_task(delay=subject.long)
            await subject.accept(due, later)
            [delivery] = await subject.take(2)
    assert delivery.id == due.id
    assert span.has(delivery.enqueued_at)
    assert span.has((await subject.record(later.id)).available_at, plus=subject.long)
    assert abs((await subject.driver.now() - span.after).total_seconds()) < 600, "`now()` is the client's clock"
