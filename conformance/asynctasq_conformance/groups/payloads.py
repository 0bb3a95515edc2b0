"""Payloads are any bytes, and texts are what they are."""

from __future__ import annotations

from asynctasq.driver_api import PayloadTooLarge
from asynctasq_conformance.examples import example
from asynctasq_conformance.subject import Subject, new_task, raises

AWKWARD = (
    b"",
    b"\x00",
    b"\x00\x00trailing\x00",
    b"a\x00b",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    bytes(range(256)),
    b"'; DROP TABLE task; --",
    b"\\x00\\'\"`%s {}$1 :name",
    b"\r\n\r\n",
    "naïve ☃ 𝄞".encode(),
    b"0",
    b"null",
)


@example("PAY-1")
async def test_payloads_are_any_bytes(subject: Subject) -> None:
    """Payloads are any bytes: empty, NUL, not UTF-8; delivered and shown as they were given."""
    tasks = [new_task(payload=payload) for payload in AWKWARD]
    await subject.accept(*tasks)
    expected = {task.id: task.payload for task in tasks}
    records = await subject.driver.get_tasks([*expected])
    assert {id: record.payload for id, record in records.items()} == expected
    assert {delivery.id: delivery.payload for delivery in await subject.take(len(tasks))} == expected


@example("PAY-1")
async def test_payloads_are_bytes_when_they_come_back(subject: Subject) -> None:
    """A payload comes back as `bytes`, whatever the client library would rather give."""
    id = await subject.put(payload=b"payload")
    assert type((await subject.record(id)).payload) is bytes
    assert type((await subject.take_one()).payload) is bytes


@example("PAY-2")
async def test_a_payload_of_the_largest_size_fits(subject: Subject) -> None:
    """A payload of exactly `max_payload_bytes` is stored and delivered."""
    largest = subject.driver.traits.limits.max_payload_bytes
    if largest > 8 * 1024 * 1024:
        largest = 8 * 1024 * 1024  # enough to cross every buffer on the way
    payload = bytes(range(256)) * (largest // 256) + bytes(largest % 256)
    await subject.put(payload=payload)
    assert (await subject.take_one()).payload == payload


@example("PAY-3")
async def test_a_payload_too_large_is_refused(subject: Subject) -> None:
    """`PayloadTooLarge` before any effect: the rest of the batch is not stored either."""
    largest = subject.driver.traits.limits.max_payload_bytes
    fine = new_task()
    with raises(PayloadTooLarge):
        await subject.driver.enqueue_many([fine, new_task(payload=bytes(largest + 1))])
    assert await subject.state(fine.id) is None


@example("PAY-4")
async def test_texts_are_kept_as_they_are(subject: Subject) -> None:
    """Name, correlation id, dedupe key and worker are 1 to 200 bytes of UTF-8 and come back unchanged."""
    for text in (
        "x" * 200,
        "é" * 100,
        "𝄞" * 50,
        " leading and trailing ",
        "a\nb\tc",
        "'\"\\%_;--",
        "\u202e\u0301",
        "0",
    ):
        id = await subject.put(name=text, correlation_id=text, dedupe_key=text)
        delivery = await subject.take_one(worker=text, id=id)
        assert (delivery.name, delivery.correlation_id) == (text, text)
        record = await subject.record(id)
        assert (record.name, record.correlation_id, record.dedupe_key, record.worker) == (text,) * 4


@example("PAY-5")
async def test_ids_and_queues_are_compared_bytewise(subject: Subject) -> None:
    """Ids and queue names differ if a letter's case differs."""
    await subject.accept(
        new_task(id="id", queue="queue"), new_task(id="ID", queue="QUEUE"), new_task(id="Id", queue="q.")
    )
    assert len(await subject.driver.get_tasks(["id", "ID", "Id", "iD"])) == 3
    assert await subject.take_ids(2, queues=("QUEUE",)) == ["ID"]
