"""Hints that work has become ready."""

from __future__ import annotations

import anyio
import anyio.abc

from asynctasq.driver_api import Driver, WakeUps
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import QUEUE, Subject, new_task


def wake_ups_of(driver: Driver) -> WakeUps:
    """The feature, which the group is gated on."""
    assert driver.wake_ups is not None
    return driver.wake_ups


@example("WAK-1")
async def test_an_enqueue_wakes_a_listener(subject: Subject) -> None:
    """Once `listen()` has returned, an enqueue of ready work wakes at least one listener, from another driver too."""
    other = await subject.open()
    async with wake_ups_of(other).listen([QUEUE]) as stream, anyio.create_task_group() as group:
        group.start_soon(subject.put)
        assert await stream.wait(subject.patience), f"no hint within {subject.patience:g} seconds of an enqueue"


@example("WAK-1")
async def test_one_of_several_listeners_is_woken(subject: Subject) -> None:
    """An enqueue of ready work wakes at least one listener."""
    woken: list[int] = []
    others = [await subject.open(), await subject.open()]

    async def listen(index: int, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with wake_ups_of(others[index]).listen([QUEUE]) as stream:
            task_status.started()
            if await stream.wait(subject.patience):
                woken.append(index)
                group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for index in range(len(others)):
            await group.start(listen, index)
        await subject.put()
    assert woken, f"no listener was woken within {subject.patience:g} seconds"


@example("WAK-2")
async def test_a_hint_between_two_waits_is_not_lost(subject: Subject) -> None:
    """A hint that came between two calls of `wait` is not lost: the next call returns at once."""
    async with wake_ups_of(subject.driver).listen([QUEUE]) as stream:
        await subject.put()
        assert await stream.wait(subject.patience), "the enqueue before the first wait gave no hint"
        await subject.put()
        assert await stream.wait(subject.patience), "the enqueue between two waits gave no hint"


@example("WAK-3")
async def test_wait_ends_without_a_hint(subject: Subject) -> None:
    """`wait(timeout)` waits at most `timeout` seconds."""
    async with wake_ups_of(subject.driver).listen(["silent"]) as stream:
        with anyio.move_on_after(subject.patience) as scope:
            for _ in range(3):  # a spurious hint or two are allowed
                await stream.wait(0.01)
        assert not scope.cancelled_caught, f"wait(0.01) had not returned after {subject.patience:g} seconds"


@example("WAK-4")
async def test_a_listener_may_listen_to_several_queues(subject: Subject) -> None:
    """A stream of hints is for all the queues it was opened with."""
    async with wake_ups_of(subject.driver).listen(["one", "two"]) as stream:
        for queue in ("two", "one"):
            await subject.put(queue=queue)
            assert await stream.wait(subject.patience), f"no hint for {queue!r}"


@example("WAK-5")
async def test_a_hint_comes_when_the_work_can_be_taken(subject: Subject) -> None:
    """Never before commit: whoever is woken by an enqueue finds its task."""
    async with wake_ups_of(subject.driver).listen([QUEUE]) as stream:
        for _ in range(3):
            task = new_task()
            found: list[str] = []
            async with anyio.create_task_group() as group:
                group.start_soon(subject.accept, task)
                while not found:
                    # A spurious hint is allowed, so an empty-handed look is followed by another wait.
                    assert await stream.wait(subject.patience), "no hint"
                    found = await subject.take_ids(1)
            assert found == [task.id]


@example("WAK-6")
async def test_a_wait_may_be_cancelled(subject: Subject) -> None:
    """`wait` is a checkpoint: it can be cancelled, and the stream is usable afterwards."""
    async with wake_ups_of(subject.driver).listen([QUEUE]) as stream:
        with anyio.move_on_after(0.05):
            while True:
                await stream.wait(subject.patience)
        await subject.put()
        assert await stream.wait(subject.patience), "no hint after a cancelled wait"
