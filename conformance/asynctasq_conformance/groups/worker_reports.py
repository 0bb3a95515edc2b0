"""Workers' own accounts of themselves."""

from __future__ import annotations

from asynctasq.driver_api import InvalidArgument, PayloadTooLarge, WorkerReports
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import QUEUE, Subject, raises


def reports_of(subject: Subject) -> WorkerReports:
    """The feature, which the group is gated on."""
    assert subject.driver.worker_reports is not None
    return subject.driver.worker_reports


async def shown(subject: Subject) -> dict[str, bytes]:
    """What is reported at present, by worker."""
    return {report.worker: report.data for report in await reports_of(subject).reports()}


@example("REP-1")
async def test_a_report_is_shown(subject: Subject) -> None:
    """`report(worker, data, ttl)`: any bytes, shown by every driver, with the time of the report."""
    other = await subject.open()
    assert other.worker_reports is not None
    async with subject.timed() as span:
        await reports_of(subject).report("wörker", b"\x00\xff", ttl=subject.long)
    [report] = await other.worker_reports.reports()
    assert (report.worker, report.data) == ("wörker", b"\x00\xff")
    assert span.has(report.reported_at), f"reported at {report.reported_at}; wanted {span}"


@example("REP-2")
async def test_a_report_replaces_the_last_one(subject: Subject) -> None:
    """A worker's report takes the place of its last one; other workers' stay."""
    await reports_of(subject).report("one", b"old", ttl=subject.long)
    await reports_of(subject).report("two", b"two", ttl=subject.long)
    await reports_of(subject).report("one", b"new", ttl=subject.long)
    assert await shown(subject) == {"one": b"new", "two": b"two"}


@example("REP-3")
async def test_a_report_is_gone_after_its_time(subject: Subject) -> None:
    """Gone after `ttl`; a later report with a longer one stays."""
    await reports_of(subject).report("brief", b"", ttl=subject.brief)
    await reports_of(subject).report("long", b"", ttl=subject.long)
    assert set(await shown(subject)) == {"brief", "long"}
    await subject.let_pass(subject.brief)
    assert set(await shown(subject)) == {"long"}


@example("REP-4")
async def test_reports_are_no_part_of_delivery(subject: Subject) -> None:
    """For people to look at; never part of delivery: no queue, no task, no totals come of it."""
    await reports_of(subject).report("worker", b"data", ttl=subject.long)
    assert await subject.driver.queue_stats() == {}
    assert await subject.listed() == []
    await subject.put()
    await subject.take_one(worker="somebody-else")
    await subject.driver.purge([QUEUE])
    assert set(await shown(subject)) == {"worker"}


@example("REP-5")
async def test_reports_are_checked(subject: Subject) -> None:
    """A worker's name and `ttl` are checked as everywhere."""
    for worker, ttl in (("", 1.0), ("w\x00", 1.0), ("w" * 201, 1.0), ("worker", -1.0)):
        with raises(InvalidArgument):
            await reports_of(subject).report(worker, b"", ttl=ttl)
    assert await shown(subject) == {}


@example("REP-6")
async def test_a_report_is_no_larger_than_a_payload(subject: Subject) -> None:
    """A report over `max_payload_bytes` -> `PayloadTooLarge`, and nothing is stored; one of that size fits."""
    largest = bytes(subject.driver.traits.limits.max_payload_bytes)
    with raises(PayloadTooLarge):
        await reports_of(subject).report("worker", largest + b"x", ttl=subject.long)
    assert await shown(subject) == {}
    await reports_of(subject).report("worker", largest, ttl=subject.long)
    assert await shown(subject) == {"worker": largest}
