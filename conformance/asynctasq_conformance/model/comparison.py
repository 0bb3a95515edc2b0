"""Comparing what a driver shows with what the model says."""

from __future__ import annotations

from datetime import datetime, timedelta

from asynctasq.driver_api import TaskRecord, TaskState
from asynctasq_conformance.model.reference_queue import ReferenceTask
from asynctasq_conformance.subject import rounded_up


class Times:
    """Readings of the backend's clock, on the time line of the model.

    A harness that shifts stored timestamps moves what is stored into the past instead of the clock into the future, so
    what it has shifted is added to every moment that the driver shows.
    """

    def __init__(self, resolution: float) -> None:
        self.shifted = timedelta(0)
        self.resolution = resolution
        self.slack = timedelta(seconds=resolution + 2e-6)

    def of(self, moment: datetime) -> datetime:
        """A moment that the driver has just shown, on the model's time line."""
        return moment + self.shifted

    def same(self, one: datetime | None, other: datetime | None) -> bool:
        """The same moment, give or take the clock's resolution."""
        if one is None or other is None:
            return one is other
        return abs(one - other) <= self.slack


def compare(record: TaskRecord, one: ReferenceTask, times: Times, before: datetime, after: datetime) -> None:
    """The record of a task, read between `before` and `after`, is what the model says."""
    id = one.task.id
    allowed = {one.state(before), one.state(after)}
    assert record.state in allowed, f"task {id} is {record.state}; the model says {one.state(after)}"
    for name in ("queue", "name", "payload", "correlation_id", "priority", "dedupe_key"):
        shown, wanted = getattr(record, name), getattr(one.task, name)
        assert shown == wanted, f"{name} of task {id} is {shown!r}; the model says {wanted!r}"
    for name in ("keep_for", "remember_for"):
        _compare_duration(record, name, getattr(one.task, name), times)
    assert record.attempts == one.attempts, f"task {id} had {record.attempts} attempts; the model says {one.attempts}"
    assert record.worker == one.worker, f"worker of task {id} is {record.worker!r}; the model says {one.worker!r}"
    kept = [(failure.message, failure.attempt, failure.worker) for failure in record.failures]
    assert kept == one.failures, f"failures of task {id} are {kept}; the model says {one.failures}"
    if one.ending is None:
        shown_at = times.of(record.available_at)
        assert times.same(shown_at, one.available_at), (
            f"task {id} is available at {shown_at}; the model says {one.available_at}"
        )
        _compare_duration(record, "expires_after", one.task.expires_after if one.can_expire else None, times)
    else:
        _compare_ended(record, one, times)
    _compare_lease(record, one, before, after)


def _compare_duration(record: TaskRecord, name: str, wanted: float | None, times: Times) -> None:
    shown = getattr(record, name)
    assert rounded_up(shown, wanted, times.resolution), (
        f"{name} of task {record.id} is {shown!r}; the model says {wanted!r}"
    )


def _compare_ended(record: TaskRecord, one: ReferenceTask, times: Times) -> None:
    id = one.task.id
    assert record.reason == one.reason, f"task {id} ended because of {record.reason!r}; the model says {one.reason!r}"
    assert record.finished_at is not None, f"task {id} ended, but has no finished_at"
    finished_at = times.of(record.finished_at)
    assert times.same(finished_at, one.finished_at), (
        f"task {id} ended at {finished_at}; the model says {one.finished_at}"
    )
    wanted = one.result if one.ending is TaskState.COMPLETED else None
    assert record.result == wanted, f"the result of task {id} is {record.result!r}; the model says {wanted!r}"


def _compare_lease(record: TaskRecord, one: ReferenceTask, before: datetime, after: datetime) -> None:
    id = one.task.id
    if record.state is not TaskState.LEASED:
        assert record.lease is None, f"task {id} is {record.state}, but has a lease of {record.lease} s"
        return
    assert record.cancel_requested == one.cancel_requested, (
        f"cancel_requested of task {id} is {record.cancel_requested}"
    )
    most, least = (one.available_at - before).total_seconds(), (one.available_at - after).total_seconds()
    assert record.lease is not None, f"task {id} is leased, but has no lease"
    assert least - 0.01 <= record.lease <= most + 0.01, f"task {id} has {record.lease} s left; the model says {most} s"
