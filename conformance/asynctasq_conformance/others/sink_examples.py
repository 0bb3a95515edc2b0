"""What an event sink promises: whatever it is given, it takes in good time, and hurts nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import anyio

from asynctasq.driver_api import Event, EventSink, EventType, TaskEvent, WorkerEvent
from asynctasq_conformance.concurrency.cancelling import cancelled_at

GRACE = 5.0
"""Seconds that closing may take."""
STALL = 0.5
"""Seconds for which nothing else may be kept from running."""
NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


def task_event(number: int, *, event_type: EventType = EventType.TASK_COMPLETED) -> TaskEvent:
    """An event of a task; `number` tells it from others."""
    return TaskEvent(event_type=event_type, task_id=f"task-{number:06}", task_name="a.task", queue="q", timestamp=NOW)


def every_event() -> list[Event]:
    """One event of each kind, with and without what may be left out."""
    events: list[Event] = []
    for kind in EventType:
        if kind.value.startswith("worker"):
            events.append(WorkerEvent(event_type=kind, worker_id="w", hostname="höst\n", timestamp=NOW))
            events.append(
                WorkerEvent(
                    event_type=kind, worker_id="w", hostname="h", timestamp=NOW, freq=1.5, queues=("a", "b"), active=3
                )
            )
        else:
            events.append(task_event(0, event_type=kind))
            events.append(
                TaskEvent(
                    event_type=kind,
                    task_id="t",
                    task_name="näme ☃",
                    queue="q",
                    worker_id="w",
                    timestamp=NOW,
                    attempt=2,
                    duration_ms=1.25,
                    result="'; --\x00",
                    error="line\nline \U0001f4a5",
                    traceback="x" * 8192,
                    correlation_id="c",
                )
            )
    return events


Opened = Callable[[], Awaitable[EventSink]]
Received = Callable[[], Awaitable[list[str] | None]]


async def test_every_kind_of_event_is_taken(sink: EventSink, received: Received) -> None:
    """Every kind of event is taken, whatever its texts."""
    await sink.open()
    await sink.emit_many(every_event())
    await sink.close()


async def test_an_empty_batch_is_taken(sink: EventSink, received: Received) -> None:
    """An empty batch is nothing."""
    await sink.open()
    await sink.emit_many([])
    await sink.close()


async def test_events_arrive_once_and_in_order(sink: EventSink, received: Received) -> None:
    """A batch is taken oldest first: each event arrives once, in the order of the batches, before `close` returns."""
    await sink.open()
    for start in range(0, 30, 10):
        await sink.emit_many([task_event(number) for number in range(start, start + 10)])
    await sink.close()
    lines = await received()
    if lines is None:
        return  # the place that the events go to cannot be looked into
    text = "\n".join(lines)
    places = [text.find(f"task-{number:06}") for number in range(30)]
    assert -1 not in places, f"event {places.index(-1)} did not arrive"
    assert places == sorted(places), "events arrived out of order"
    assert all(sum(f"task-{number:06}" in line for line in lines) == 1 for number in range(30)), "an event came twice"


async def test_other_tasks_go_on_meanwhile(sink: EventSink, received: Received) -> None:
    """A sink never delays a task: while it takes a large batch, the event loop turns."""
    await sink.open()
    longest = 0.0
    async with anyio.create_task_group() as group:

        async def heartbeat() -> None:
            nonlocal longest
            while True:
                before = anyio.current_time()
                await anyio.sleep(0.001)
                longest = max(longest, anyio.current_time() - before)

        group.start_soon(heartbeat)
        for _ in range(5):
            await sink.emit_many([task_event(number) for number in range(200)])
        group.cancel_scope.cancel()
    await sink.close()
    assert longest < STALL, f"the event loop stood still for {longest:.3f} seconds"


async def test_a_cancelled_emit_leaves_the_sink_usable(sink: EventSink, received: Received) -> None:
    """`emit_many` can be cancelled at any await, and the next batch is taken."""
    await sink.open()
    for k in range(1, 20):
        attempted = await cancelled_at(k, lambda: sink.emit_many([task_event(1)]))
        await sink.emit_many([task_event(900_000 + k)])
        if attempted.awaits < k:
            break
    await sink.close()
    lines = await received()
    assert lines is None or any("task-900001" in line for line in lines), "nothing arrived after a cancelled emit"


async def test_close_ends_within_its_grace(sink: EventSink, received: Received) -> None:
    """`close` ends within a few seconds of grace, also right after the last batch."""
    await sink.open()
    await sink.emit_many([task_event(number) for number in range(100)])
    with anyio.move_on_after(GRACE) as scope:
        await sink.close()
    assert not scope.cancelled_caught, f"close() had not returned after {GRACE:g} seconds"


SINK_EXAMPLES: dict[str, Callable[[EventSink, Received], Awaitable[None]]] = {
    name: body for name, body in globals().items() if name.startswith("test_")
}
