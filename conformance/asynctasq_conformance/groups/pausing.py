"""Queues from which nothing is delivered for a while."""

from __future__ import annotations

from asynctasq.driver_api import Complete, InvalidArgument, Pausing, TaskState
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import QUEUE, Subject, raises


def pausing_of(subject: Subject) -> Pausing:
    """The feature, which the group is gated on."""
    assert subject.driver.pausing is not None
    return subject.driver.pausing


@example("PAU-1")
async def test_a_paused_queue_delivers_nothing(subject: Subject) -> None:
    """`reserve` leaves paused queues out at once, for every driver; the others are served."""
    other = await subject.open()
    id = await subject.put()
    elsewhere = await subject.put(queue="other")
    await pausing_of(subject).pause([QUEUE])
    assert await other.reserve([QUEUE], limit=5, lease=subject.long, worker="worker") == []
    assert await subject.take_ids(5, queues=(QUEUE, "other")) == [elsewhere]
    await subject.must_be(TaskState.READY, id)


@example("PAU-2")
async def test_a_resumed_queue_delivers_again(subject: Subject) -> None:
    """`resume` delivers from the queue again."""
    await pausing_of(subject).pause([QUEUE, "other"])
    id = await subject.put()
    await pausing_of(subject).resume([QUEUE])
    assert await subject.take_ids(2) == [id]
    assert await pausing_of(subject).paused_queues() == {"other"}


@example("PAU-3")
async def test_settling_and_extending_go_on(subject: Subject) -> None:
    """Settling and extending go on while a queue is paused; enqueueing does, too."""
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    await pausing_of(subject).pause([QUEUE])
    [outcome] = await subject.driver.extend_many([receipt], lease=subject.long)
    assert outcome.applied
    await subject.put()
    await subject.apply(Complete(receipt=receipt))
    await subject.ended(id)


@example("PAU-4", "PAU-8")
async def test_paused_queues_are_named(subject: Subject) -> None:
    """`paused_queues()`: the names of all paused queues; pausing and resuming are idempotent."""
    pausing = pausing_of(subject)
    assert await pausing.paused_queues() == frozenset()
    for _ in range(2):
        await pausing.pause(["one", "two"])
    assert await pausing.paused_queues() == {"one", "two"}
    for _ in range(2):
        await pausing.resume(["one", "three"])
    assert await pausing.paused_queues() == {"two"}
    await pausing.pause([])


@example("PAU-5")
async def test_a_pause_outlives_tasks_purges_and_connections(subject: Subject) -> None:
    """A pause stays until it is resumed: `purge` keeps pauses, and so does a new connection."""
    await subject.put()
    await pausing_of(subject).pause([QUEUE])
    await subject.driver.purge([QUEUE])
    await subject.driver.disconnect()
    await subject.driver.connect()
    assert await pausing_of(subject).paused_queues() == {QUEUE}
    await subject.put()
    await subject.nothing_to_take()


@example("PAU-6")
async def test_a_paused_queue_has_stats(subject: Subject) -> None:
    """`queue_stats(None)`: every queue with a pause, too."""
    await pausing_of(subject).pause(["quiet"])
    assert "quiet" in await subject.driver.queue_stats()


@example("PAU-7")
async def test_queue_names_are_checked(subject: Subject) -> None:
    """Queue names are checked as everywhere; nothing is paused by a call that is refused."""
    with raises(InvalidArgument):
        await pausing_of(subject).pause([QUEUE, "not a queue"])
    assert await pausing_of(subject).paused_queues() == frozenset()
