"""The enqueue side: one call, or many in one round trip, and looking after what was enqueued."""

import inspect
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from msgspec import UNSET

from asynctasq.configuration.groups import TaskDefaultsConfig
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import NewTask
from asynctasq.contract.events import Event, EventType, TaskEvent
from asynctasq.contract.serializer import Serializer
from asynctasq.contract.settlements import CancelOutcome, EnqueueOutcome
from asynctasq.errors import ConfigurationError, InvalidArgument
from asynctasq.plugins.serializer_factory import SerializerFactory
from asynctasq.runtime.coalescing import EnqueueCoalescer
from asynctasq.runtime.emitter_sink import as_event_emitter
from asynctasq.runtime.new_tasks import NewTaskMaker
from asynctasq.runtime.resending import RESEND_FOR, enqueue_resending
from asynctasq.runtime.stored_results import StoredResults, task_details
from asynctasq.tasks.invocation import Invocation, call_of
from asynctasq.tasks.task_call import Overrides, TaskCall
from asynctasq.tasks.task_definition import TaskDefinition
from asynctasq.tasks.task_details import TaskDetails
from asynctasq.tasks.task_handle import TaskHandle, TaskLookup
from asynctasq.tasks.task_options import Seconds, identifier, seconds

MAX_PAYLOAD_BYTES = 256 * 1024


class EventEmitter(Protocol):
    """Whom the dispatcher tells of enqueued tasks."""

    @property
    def active(self) -> bool:
        """False: nobody listens, and no event needs to be made."""
        ...

    def emit(self, event: Event) -> None:
        """Take an event, without waiting."""
        ...


class Dispatcher:
    """Puts tasks into one connected driver, on one event loop."""

    def __init__(
        self,
        driver: Driver,
        serializer: Serializer | None = None,
        event_emitter: object = None,
        *,
        task_defaults: TaskDefaultsConfig | None = None,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
        keep_completed_tasks: bool = False,
        resend_for: float = RESEND_FOR,
        lookup: TaskLookup | None = None,
    ) -> None:
        """
        Args:
            driver: Connected before the first dispatch.
            serializer: Encodes arguments; None: MessagePack.
            event_emitter: Is told of every accepted task: an `EventEmitter`, or what `init(event_emitters=)` takes.
            task_defaults: Options of tasks that say nothing else.
            max_payload_bytes: The largest payload that is sent.
            keep_completed_tasks: Keep every completed task with its result.
            resend_for: Seconds within which a batch is sent again after the driver was unavailable or full.
            lookup: What handles ask for their task; None: this dispatcher, on its own event loop.
        """
        self.driver = driver
        self._serializer = SerializerFactory.create("msgpack") if serializer is None else serializer
        self._results = StoredResults(self._serializer)
        self._lookup: TaskLookup = self if lookup is None else lookup
        self._event_emitter: EventEmitter | None = None if event_emitter is None else as_event_emitter(event_emitter)
        self._defaults = TaskDefaultsConfig() if task_defaults is None else task_defaults
        self._max_payload_bytes = max_payload_bytes
        self._keep_completed_tasks = keep_completed_tasks
        self._resend_for = resend_for
        self._maker: NewTaskMaker | None = None
        self._coalescer = EnqueueCoalescer(driver, resend_for=resend_for)

    async def dispatch(
        self, task: Invocation[Any], queue: str | None = None, delay: Seconds | None = None
    ) -> TaskHandle[Any]:
        """Store one task. `queue` and `delay` (seconds) win over what the task says."""
        call = call_of(task)
        if queue is not None or delay is not None:
            overrides = Overrides() if call.overrides is None else call.overrides
            if queue is not None:
                overrides.queue = identifier("queue", queue)
            if delay is not None:
                overrides.delay, overrides.available_at = seconds("delay", delay), UNSET
            call.overrides = overrides
        return await self.dispatch_call(call)

    async def dispatch_call(self, call: TaskCall, *, on: Any = None) -> TaskHandle[Any]:
        """Store one task; with `on` in the transaction that is open on that connection.

        Raises:
            SerializationError, DefinitionError: the call can't be stored.
            DriverError: the driver could not store it.
        """
        if on is not None:
            return (await self.dispatch_calls([call], on=on))[0]
        task = self._new_task_maker().make(call)
        return self._handle(call, task, await self._coalescer.enqueue(task))

    async def dispatch_calls(self, calls: Sequence[TaskCall], *, on: Any = None) -> list[TaskHandle[Any]]:
        """Store tasks in one round trip, all or none.

        Raises:
            InvalidArgument: there are more than fit into one batch, or a task is out of bounds.
            SerializationError, DefinitionError: a call can't be stored.
            DriverError: the driver could not store them.
        """
        self._check_batch(len(calls))
        make = self._new_task_maker().make
        tasks = [make(call) for call in calls]
        if on is None:
            outcomes = await enqueue_resending(self.driver, tasks, resend_for=self._resend_for)
        else:
            outcomes = self._transactions().on(on).enqueue_many(tasks)
            if inspect.isawaitable(outcomes):
                outcomes = await outcomes
        emit = on is None
        return [self._handle(*parts, emit=emit) for parts in zip(calls, tasks, outcomes, strict=True)]

    def dispatch_calls_sync(self, calls: Sequence[TaskCall], *, on: Any) -> list[TaskHandle[Any]]:
        """Store tasks in the transaction that is open on a synchronous connection."""
        self._check_batch(len(calls))
        make = self._new_task_maker().make
        tasks = [make(call) for call in calls]
        outcomes = self._transactions().on(on).enqueue_many(tasks)
        if inspect.isawaitable(outcomes):
            if inspect.iscoroutine(outcomes):
                outcomes.close()
            raise InvalidArgument(f"{type(on).__name__} is an asynchronous connection; use `await dispatch(on=...)`")
        return [self._handle(*parts, emit=False) for parts in zip(calls, tasks, outcomes, strict=True)]

    async def find(self, task_id: str) -> TaskDetails | None:
        """The record of a task, or None."""
        record = (await self.driver.get_tasks([task_id])).get(task_id)
        return None if record is None else task_details(record)

    async def cancel(self, task_id: str) -> CancelOutcome:
        """Ask for the cancellation of a task."""
        return (await self.driver.cancel_many([task_id]))[0]

    def decode_result(self, details: TaskDetails, definition: TaskDefinition | None) -> Any:
        """The result of a completed task, of the type that its definition says, if there is one here.

        Raises:
            DeserializationError: it does not fit.
        """
        return self._results.decode(details, definition)

    def _new_task_maker(self) -> NewTaskMaker:
        """Made when the driver is connected: only then are its limits known."""
        if self._maker is None:
            limits = self.driver.traits.limits
            self._maker = NewTaskMaker(
                self._serializer,
                self._defaults,
                max_payload_bytes=min(self._max_payload_bytes, limits.max_payload_bytes),
                keep_completed_for=limits.max_delay if self._keep_completed_tasks else None,
            )
        return self._maker

    def _handle(self, call: TaskCall, task: NewTask, outcome: EnqueueOutcome, *, emit: bool = True) -> TaskHandle[Any]:
        accepted = outcome.accepted
        if not accepted and outcome.existing_id == task.id:
            # A fresh id is known only if an unanswered first attempt was applied after all.
            accepted = call.overrides is None or not isinstance(call.overrides.task_id, str)
        emitter = self._event_emitter
        if accepted and emit and emitter is not None and emitter.active:
            emitter.emit(_enqueued(task))
        # The holder of a unique key may have ended meanwhile; then there is no id but the one that was refused.
        task_id = task.id if accepted else outcome.existing_id or task.id
        return TaskHandle(task_id, accepted=accepted, definition=call.definition, lookup=self._lookup)

    def _check_batch(self, size: int) -> None:
        most = self.driver.traits.limits.max_batch
        if size > most:
            raise InvalidArgument(
                f"{size} tasks at once; this driver stores at most {most} as one whole. Send them in chunks: "
                f"dispatch_many(..., chunk_size={most})"
            )

    def _transactions(self) -> Any:
        transactions = self.driver.transactions
        if transactions is None:
            raise ConfigurationError(
                f"{type(self.driver).__name__} has no transactions; dispatch without `on=`, or use a SQL driver"
            )
        return transactions


def _enqueued(task: NewTask) -> TaskEvent:
    return TaskEvent(
        event_type=EventType.TASK_ENQUEUED,
        task_id=task.id,
        task_name=task.name,
        queue=task.queue,
        timestamp=datetime.now(UTC),
        correlation_id=task.correlation_id,
    )
