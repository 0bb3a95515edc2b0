"""What a backend may guarantee beyond the core of the contract."""

from __future__ import annotations

import os
import traceback
import warnings

import anyio
import anyio.to_thread

from asynctasq.driver_api import Complete, DriverUnavailable, TaskState
from asynctasq_conformance.child_processes import exit_code_of
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import QUEUE, Subject, new_task


async def _reachable(subject: Subject) -> None:
    """Wait until the restarted backend answers."""
    for _ in range(100):
        try:
            await subject.driver.now()
            return
        except DriverUnavailable:
            await anyio.sleep(0.1)
    raise AssertionError("the driver did not come back within 10 seconds of the restart")


@example("GUA-1", requires=("durable", "restart_backend"))
async def test_what_was_acknowledged_survives_a_restart(subject: Subject) -> None:
    """DURABLE: what was acknowledged survives a restart of the backend: tasks, settlements, ids."""
    tasks = [new_task(payload=b"durable"), new_task(delay=subject.long)]
    await subject.accept(*tasks)
    done = await subject.put(queue="other", keep_for=subject.long)
    await subject.apply(Complete(receipt=(await subject.take_one(queue="other")).receipt, result=b"result"))
    await subject.harness.restart_backend()
    await _reachable(subject)
    assert (await subject.record(tasks[0].id)).payload == b"durable"
    await subject.must_be(TaskState.SCHEDULED, tasks[1].id)
    assert (await subject.record(done)).result == b"result"
    assert await subject.duplicate_of(tasks[0]) == tasks[0].id


@example("GUA-1", requires=("durable", "restart_backend"))
async def test_leases_survive_a_restart(subject: Subject) -> None:
    """DURABLE: leases survive a restart, too: no second delivery, and the receipt stays good."""
    id = await subject.put()
    receipt = (await subject.take_one()).receipt
    await subject.harness.restart_backend()
    await _reachable(subject)
    await subject.must_be(TaskState.LEASED, id)
    await subject.nothing_to_take()
    await subject.apply(Complete(receipt=receipt))


@example("GUA-2", requires=("restart_backend",))
async def test_receipts_are_not_reused_after_a_restart(subject: Subject) -> None:
    """A receipt is never reused, not even by a backend that was restarted."""
    seen: list[str] = []
    for _ in range(3):
        await subject.driver.purge([QUEUE])
        await subject.put(id="same")
        seen.append((await subject.take_one()).receipt)
        await subject.harness.restart_backend()
        await _reachable(subject)
    assert len(set(seen)) == 3, f"a receipt came twice: {seen}"


@example("GUA-3", requires=("shared_between_processes",))
async def test_another_process_sees_the_same_tasks(subject: Subject) -> None:
    """SHARED_BETWEEN_PROCESSES: drivers in several processes see the same tasks, also of a process that has died."""
    if not hasattr(os, "fork"):
        return  # without fork the author's harness cannot be taken into another process
    id = await subject.put()
    # Forked from a thread that runs no event loop: the child begins one of its own.
    child = await anyio.to_thread.run_sync(_reserve_in_child, subject, id)
    assert await exit_code_of(child) == 0, "a driver in another process was not given the task of this one"
    await subject.must_be(TaskState.LEASED, id)
    await subject.take_one(queue="back", id="from-the-child")


def _reserve_in_child(subject: Subject, id: str) -> int:
    async def work() -> None:
        driver = await subject.harness.open_driver(subject.namespace)
        await driver.connect()
        deliveries = await driver.reserve([QUEUE], limit=1, lease=subject.long, worker="child")
        await driver.enqueue_many([new_task(id="from-the-child", queue="back")])
        # No disconnecting: what was acknowledged must not wait in a process for its orderly end.
        os._exit(0 if [delivery.id for delivery in deliveries] == [id] else 1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child opens everything it uses by itself
        child = os.fork()
    if child == 0:
        try:
            anyio.run(work)
        except BaseException:
            traceback.print_exc()
        os._exit(2)
    return child
