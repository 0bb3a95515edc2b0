"""An application for one test: a memory store of its own, a clock that the test moves, and a record of what was
dispatched."""

from collections.abc import AsyncIterator, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UNSET

from asynctasq.app import Application, install_application
from asynctasq.config import Config, set_current
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import TaskRecord, TaskState
from asynctasq.memory.driver import MemoryDriver
from asynctasq.memory.stores import drop_store, stores
from asynctasq.runtime.routing_dispatcher import RoutingDispatcher
from asynctasq.tasks.current_task import current_task_or_none
from asynctasq.tasks.task_call import TaskCall
from asynctasq.tasks.task_handle import TaskHandle
from asynctasq.tasks.task_ids import new_task_id
from asynctasq.testing.clock import ManualClock
from asynctasq.testing.draining import Outcome, drain
from asynctasq.testing.recording import Dispatched, HasDefinition, Wanted, definition_of, matching, recorded

_MOST_ROUNDS = 1_000
"""How often the clock is moved for tasks that go on asking for later."""


class Sandbox:
    """What `sandbox()` gives."""

    def __init__(self, config: Config, namespace: str, clock: ManualClock, *, inline: bool) -> None:
        self.config = config
        self.namespace = namespace
        self.clock = clock
        """Moves only when the test says so: `clock.advance(60)`."""
        self.inline = inline
        self.dispatched: list[Dispatched] = []
        """Everything that was dispatched here, oldest first, duplicates left out."""

    async def drain(self, *queues: str, with_later: bool = False, concurrency: int = 10) -> list[Outcome]:
        """Run what is due, as `asynctasq.testing.drain`.

        Args:
            queues: Served in this order; none: all that hold tasks.
            with_later: Move the clock on to whatever is scheduled, retries included, until nothing waits any more.
            concurrency: As the worker's.
        """
        outcomes = await drain(*queues, concurrency=concurrency)
        for _ in range(_MOST_ROUNDS if with_later else 0):
            if not await self._move_to_next(queues, only_begun=False):
                return outcomes
            outcomes += await drain(*queues, concurrency=concurrency)
        if with_later:
            raise AssertionError(f"tasks still ask for later, after the clock was moved {_MOST_ROUNDS} times")
        return outcomes

    def assert_dispatched(
        self,
        task: HasDefinition | type | str,
        *,
        args: Mapping[str, Any] | None = None,
        queue: str | None = None,
        scheduled_in: float | timedelta | None = None,
        count: int | None = None,
    ) -> list[Dispatched]:
        """Assert that a task was dispatched, and give what was.

        Args:
            task: The function, the class, or the task's name.
            args: Arguments that it was called with; others are not looked at.
            queue: Where it went.
            scheduled_in: Seconds until it was due, when it was dispatched; 0: at once.
            count: Exactly so often; None: at least once; 0: not at all.

        Raises:
            AssertionError: it was not. The message shows the nearest tasks that were, as a diff.
        """
        delay = scheduled_in.total_seconds() if isinstance(scheduled_in, timedelta) else scheduled_in
        wanted = Wanted(
            name=definition_of(task),
            args=UNSET if args is None else args,
            queue=UNSET if queue is None else queue,
            delay=UNSET if delay is None else delay,
        )
        return matching(self.dispatched, wanted, count)

    async def run_inline(self) -> None:
        """Run what is due, and retries when they are. Inside a task it does nothing: that runs already."""
        if current_task_or_none() is not None:
            return
        await drain()
        for _ in range(_MOST_ROUNDS):
            if not await self._move_to_next((), only_begun=True):
                return
            await drain()
        raise AssertionError(f"a task still asks for later, after the clock was moved {_MOST_ROUNDS} times")

    async def running(self) -> list[TaskRecord]:
        """Tasks that are leased: at the end of a test there should be none."""
        async with self._driver() as driver:
            return [record async for record in _tasks(driver, TaskState.LEASED)]

    def _driver(self) -> Driver:
        return MemoryDriver(self.namespace, clock=self.clock)

    async def _move_to_next(self, queues: Sequence[str], *, only_begun: bool) -> bool:
        """Move the clock to the next task that is scheduled; False: there is none."""
        async with self._driver() as driver:
            moments = [
                record.available_at
                async for record in _tasks(driver, TaskState.SCHEDULED)
                if (not queues or record.queue in queues) and (record.started_at is not None or not only_begun)
            ]
        if not moments:
            return False
        self.clock.advance(max((min(moments) - self.now()).total_seconds(), 0.0))
        return True

    def now(self) -> datetime:
        """What the clock says."""
        return datetime.fromtimestamp(self.clock(), UTC)


class _RecordingDispatcher(RoutingDispatcher):
    """The application's dispatcher, which writes down what goes through it."""

    box: Sandbox

    async def dispatch_call(self, call: TaskCall, *, on: Any = None) -> TaskHandle[Any]:
        handle = await super().dispatch_call(call, on=on)
        self._record([call], [handle])
        if self.box.inline:
            await self.box.run_inline()
        return handle

    async def dispatch_calls(self, calls: Sequence[TaskCall], *, on: Any = None) -> list[TaskHandle[Any]]:
        handles = await super().dispatch_calls(calls, on=on)
        self._record(calls, handles)
        if self.box.inline:
            await self.box.run_inline()
        return handles

    def dispatch_call_sync(self, call: TaskCall, *, on: Any = None) -> TaskHandle[Any]:
        handle = super().dispatch_call_sync(call, on=on)
        self._record([call], [handle])
        if self.box.inline:
            self._background.call(self.box.run_inline)
        return handle

    def _record(self, calls: Iterable[TaskCall], handles: Iterable[TaskHandle[Any]]) -> None:
        for call, handle in zip(calls, handles, strict=True):
            if handle.accepted:
                self.box.dispatched.append(recorded(call, handle, self.box.config, self.box.now()))


class _SandboxApplication(Application):
    dispatcher_type = _RecordingDispatcher
    box: Sandbox

    @property
    def dispatcher(self) -> RoutingDispatcher:
        dispatcher = super().dispatcher
        assert isinstance(dispatcher, _RecordingDispatcher)
        dispatcher.box = self.box
        return dispatcher


_current: list[Sandbox] = []


@contextmanager
def sandbox(
    *, inline: bool = False, event_sinks: Iterable[object] = (), start: float | None = None, **groups: Any
) -> Generator[Sandbox]:
    """Configure asynctasq for one test: the memory driver, a store of its own, and time that stands still.

    Whatever the application's own `init()` said does not hold inside; afterwards nothing is configured.

    Args:
        inline: Run each task when it is dispatched, in the caller's event loop: serialized as ever, and with its
            retries, for which the clock is moved. What has a `delay` waits.
        event_sinks: Hear of everything, as those of `init()`.
        start: Seconds since 1970 at which the clock starts.
        groups: Further settings, as for `init()`: `task_defaults={"max_attempts": 1}`.
    """
    namespace = f"sandbox-{new_task_id()}"
    clock = ManualClock() if start is None else ManualClock(start)
    stores.open(namespace, clock)
    config = Config.set(url=f"memory://?namespace={namespace}", **groups)
    application = _SandboxApplication(config, event_sinks=event_sinks)
    box = application.box = Sandbox(config, namespace, clock, inline=inline)
    install_application(application)
    _current.append(box)
    try:
        yield box
    finally:
        _current.remove(box)
        application.stop_background()
        set_current(None)
        drop_store(namespace)


def assert_dispatched(
    task: HasDefinition | type | str,
    *,
    args: Mapping[str, Any] | None = None,
    queue: str | None = None,
    scheduled_in: float | timedelta | None = None,
    count: int | None = None,
) -> list[Dispatched]:
    """As `Sandbox.assert_dispatched`, on the sandbox that is open.

    Raises:
        AssertionError: it was not dispatched, or no sandbox is open.
    """
    if not _current:
        raise AssertionError("no sandbox is open: `with sandbox():`, or the pytest fixture `asynctasq_sandbox`")
    return _current[-1].assert_dispatched(task, args=args, queue=queue, scheduled_in=scheduled_in, count=count)


async def _tasks(driver: Driver, state: TaskState) -> AsyncIterator[TaskRecord]:
    after: str | None = None
    while True:
        page = await driver.list_tasks(state=state, after=after)
        for record in page.tasks:
            yield record
        if (after := page.after) is None:
            return
