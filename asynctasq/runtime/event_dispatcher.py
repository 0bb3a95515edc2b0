"""Events on their way to the sinks: a bounded queue per sink, so that a slow or failing one delays nobody."""

import logging
import math
from collections import deque
from collections.abc import Coroutine, Sequence

import anyio
from anyio.abc import TaskStatus

from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event

_logger = logging.getLogger("asynctasq.events")

_BATCH = 500
_NOBODY_WAITS: TaskStatus[None] = anyio.TASK_STATUS_IGNORED


class EventDispatcher:
    """Hands events to every sink, without waiting for any of them.

    `active` is False without sinks: whoever emits asks first, and does not even build the event.
    """

    def __init__(self, sinks: Sequence[EventSink] = (), *, capacity: int = 10_000, grace: float = 3.0) -> None:
        """`capacity`: events that may wait per sink. `grace`: seconds that a sink has for its rest when closed."""
        self._lines = [_Line(sink, capacity) for sink in sinks]
        self._capacity = capacity
        self._grace = grace
        self.active = bool(self._lines)

    def add(self, sink: EventSink) -> None:
        """Add a sink, before `run` is started."""
        self._lines.append(_Line(sink, self._capacity))
        self.active = True

    @property
    def dropped(self) -> int:
        """Events that did not fit, or that a sink failed to take, in all sinks together."""
        return sum(line.dropped for line in self._lines)

    def emit(self, event: Event) -> None:
        """Put an event into every sink's queue; where it does not fit it is dropped and counted."""
        for line in self._lines:
            line.put(event)

    async def run(self, *, task_status: TaskStatus[None] = _NOBODY_WAITS) -> None:
        """Open the sinks, hand events on until `close()`, and close the sinks. Started in a task group."""
        async with anyio.create_task_group() as group:
            for line in self._lines:
                await group.start(line.run, self._grace)
            task_status.started()

    def close(self) -> None:
        """Let every sink take its rest within the grace, and then end `run`."""
        for line in self._lines:
            line.close(self._grace)


class _Line:
    """The queue in front of one sink."""

    def __init__(self, sink: EventSink, capacity: int) -> None:
        self._sink = sink
        self._events: deque[Event] = deque()
        self._capacity = capacity
        self._wake: anyio.Event | None = None
        self._close_by = math.inf
        self._scope: anyio.CancelScope | None = None
        self._closing = False
        self._broken = False
        self._complained: set[type[BaseException]] = set()
        self.dropped = 0

    def put(self, event: Event) -> None:
        if self._broken or len(self._events) >= self._capacity:
            if not self.dropped and not self._broken:
                _logger.warning("the event sink %s is too slow; events are dropped", self._name)
            self.dropped += 1
            return
        self._events.append(event)
        if self._wake is not None:
            self._wake.set()

    def close(self, grace: float) -> None:
        self._closing = True
        self._close_by = anyio.current_time() + grace
        if self._scope is not None:
            self._scope.deadline = self._close_by
        if self._wake is not None:
            self._wake.set()

    async def run(self, grace: float, *, task_status: TaskStatus[None] = _NOBODY_WAITS) -> None:
        started = False
        try:
            with anyio.move_on_after(grace) as opening:
                started = await self._guarded(self._sink.open(), 0)
            self._broken = not started
            if opening.cancelled_caught:
                _logger.error("the event sink %s did not open within %g s; it gets no events", self._name, grace)
            task_status.started()
            with anyio.CancelScope(deadline=self._close_by) as self._scope:
                while started and not (self._closing and not self._events):
                    await self._hand_over()
            self.dropped += len(self._events)
            self._events.clear()
        finally:
            if started:
                with anyio.move_on_after(grace, shield=True):
                    await self._guarded(self._sink.close(), 0)

    async def _hand_over(self) -> None:
        if not self._events:
            self._wake = anyio.Event()
            await self._wake.wait()
            return
        batch = [self._events.popleft() for _ in range(min(len(self._events), _BATCH))]
        await self._guarded(self._sink.emit_many(batch), len(batch))

    async def _guarded(self, call: Coroutine[object, object, None], events: int) -> bool:
        """Await a call of the sink's. An error is logged once per kind and costs the sink these events."""
        try:
            await call
        except Exception as error:
            self.dropped += events
            if type(error) not in self._complained:
                self._complained.add(type(error))
                _logger.exception("the event sink %s failed; its events are dropped", self._name)
            return False
        return True

    @property
    def _name(self) -> str:
        return type(self._sink).__name__
