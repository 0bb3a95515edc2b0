"""Results of completed tasks."""

from __future__ import annotations

import anyio

from asynctasq.driver_api import Complete, PayloadTooLarge, Retry, TaskState
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import FAILURE, Subject, raises


async def completed(subject: Subject, result: bytes | None) -> bytes | None:
    """The result that is stored of a task that completed with `result`."""
    id = await subject.put(keep_for=subject.long)
    await subject.apply(Complete(receipt=(await subject.take_one(id=id)).receipt, result=result))
    record = await subject.record(id)
    assert record.state is TaskState.COMPLETED
    return record.result


@example("RSL-1")
async def test_a_result_is_visible_with_its_completion(subject: Subject) -> None:
    """A result is visible with its completion: no record is completed without it, and none has it before."""
    reader = await subject.open()
    id = await subject.put(keep_for=subject.long)
    receipt = (await subject.take_one()).receipt
    assert (await reader.get_tasks([id]))[id].result is None
    await subject.apply(Complete(receipt=receipt, result=b"42"))
    record = (await reader.get_tasks([id]))[id]
    assert (record.state, record.result) == (TaskState.COMPLETED, b"42")


@example("RSL-1")
async def test_a_result_and_its_completion_come_together(subject: Subject) -> None:
    """A result is visible with its completion: a reader beside it never sees one without the other."""
    reader = await subject.open()
    ids = await subject.put_many(5, keep_for=subject.long)
    receipts = [delivery.receipt for delivery in await subject.take(5)]
    seen: set[tuple[TaskState, bool]] = set()

    async def read() -> None:
        while True:
            records = await reader.get_tasks(ids)
            seen.update((record.state, record.result is not None) for record in records.values())

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        for receipt in receipts:
            await subject.apply(Complete(receipt=receipt, result=b"result"))
        group.cancel_scope.cancel()
    assert seen <= {(TaskState.LEASED, False), (TaskState.COMPLETED, True)}, f"seen: {seen}"


@example("RSL-1")
async def test_a_stale_completion_stores_no_result(subject: Subject) -> None:
    """A STALE completion is without effect: its result is not kept."""
    id = await subject.put(keep_for=subject.long)
    former = (await subject.take_one(lease=subject.brief)).receipt
    await subject.let_pass(subject.brief)
    present = (await subject.take_one()).receipt
    await subject.stale(Complete(receipt=former, result=b"former"))
    assert (await subject.record(id)).result is None
    await subject.apply(Complete(receipt=present, result=b"present"))
    assert (await subject.record(id)).result == b"present"


@example("RSL-2")
async def test_results_are_any_bytes(subject: Subject) -> None:
    """Results are any bytes: empty, NUL, not UTF-8."""
    for result in (b"", b"\x00", b"a\x00b\x00", b"\xff\xfe\x80", bytes(range(256))):
        assert await completed(subject, result) == result


@example("RSL-3")
async def test_no_result_is_none(subject: Subject) -> None:
    """A completion without a result has none, which is not the empty result."""
    assert await completed(subject, None) is None


@example("RSL-4")
async def test_a_result_too_large_is_refused(subject: Subject) -> None:
    """Results are limited like payloads: `PayloadTooLarge`, before any effect."""
    largest = subject.driver.traits.limits.max_payload_bytes
    id = await subject.put(keep_for=subject.long)
    receipt = (await subject.take_one()).receipt
    with raises(PayloadTooLarge):
        await subject.driver.settle_many([Complete(receipt=receipt, result=bytes(largest + 1))])
    await subject.must_be(TaskState.LEASED, id)


@example("RSL-5")
async def test_only_a_completion_has_a_result(subject: Subject) -> None:
    """A task that waits again has no result."""
    id = await subject.put()
    await subject.apply(Retry(receipt=(await subject.take_one()).receipt, failure=FAILURE))
    assert (await subject.record(id)).result is None
