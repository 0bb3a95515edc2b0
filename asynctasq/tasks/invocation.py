"""The chain: what a caller may choose for one dispatch, and the dispatch itself."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Self, cast

from msgspec import UNSET

from asynctasq.errors import DefinitionError
from asynctasq.tasks import task_options as check
from asynctasq.tasks.dispatcher_slot import current_dispatcher
from asynctasq.tasks.task_call import Overrides, TaskCall
from asynctasq.tasks.task_handle import TaskHandle
from asynctasq.tasks.task_options import Seconds

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    ResultT = TypeVar("ResultT", default=Any)
else:
    from typing import TypeVar

    ResultT = TypeVar("ResultT")


class TaskDispatcher(Protocol):
    """What the dispatcher in the slot can do."""

    async def dispatch_call(self, call: TaskCall, *, on: Any = None) -> TaskHandle[Any]:
        """Store one task."""
        ...

    async def dispatch_calls(self, calls: Sequence[TaskCall], *, on: Any = None) -> list[TaskHandle[Any]]:
        """Store tasks, all or none."""
        ...

    def dispatch_call_sync(self, call: TaskCall, *, on: Any = None) -> TaskHandle[Any]:
        """Store one task, from synchronous code."""
        ...


class Invocation(Generic[ResultT]):
    """A task and its arguments, ready to be dispatched. Chain methods change this one and return it."""

    __task_call__: TaskCall

    def on_queue(self, name: str) -> Self:
        """Send it to this queue."""
        self._chosen().queue = check.identifier("queue", name)
        return self

    def delay(self, delay: Seconds) -> Self:
        """Due that many seconds (or that timedelta) after it is accepted; 0 means at once."""
        chosen = self._chosen()
        chosen.delay, chosen.available_at = check.seconds("delay", delay), UNSET
        return self

    def at(self, moment: datetime) -> Self:
        """Due at this moment, an aware datetime; a moment in the past means at once."""
        if moment.utcoffset() is None:
            raise DefinitionError(f"at is {moment!r}, without a time zone; wanted an aware datetime, such as in UTC")
        chosen = self._chosen()
        chosen.available_at, chosen.delay = moment.astimezone(UTC), UNSET
        return self

    def retry_after(self, delay: Seconds) -> Self:
        """The delay before the next attempt (the base of it, with the exponential strategy)."""
        self._chosen().retry_delay = check.seconds("retry_after", delay)
        return self

    def max_attempts(self, attempts: int) -> Self:
        """How often the body may start, the first time included."""
        self._chosen().max_attempts = check.attempts("max_attempts", attempts)
        return self

    def timeout(self, limit: Seconds | None) -> Self:
        """The time limit of one attempt; None: no limit."""
        wanted = check.optional_timeout("timeout", limit)
        chosen = self._chosen()
        longest = chosen.visibility_timeout
        check.check_timeouts(
            wanted, self.__task_call__.definition.options.visibility_timeout if longest is UNSET else longest
        )
        chosen.timeout = wanted
        return self

    def visibility_timeout(self, limit: Seconds) -> Self:
        """How long one delivery may be held in all."""
        wanted = check.positive_seconds("visibility_timeout", limit)
        chosen = self._chosen()
        declared = self.__task_call__.definition.options.timeout
        check.check_timeouts(declared if chosen.timeout is UNSET else chosen.timeout, wanted)
        chosen.visibility_timeout = wanted
        return self

    def priority(self, priority: int) -> Self:
        """0 to 9, 9 first."""
        self._chosen().priority = check.priority("priority", priority)
        return self

    def correlation_id(self, correlation_id: str) -> Self:
        """What this task has to do with others; it reaches logs, events and the tasks that it dispatches."""
        self._chosen().correlation_id = check.text("correlation_id", correlation_id)
        return self

    def unique(self, key: str | Literal[True] = True) -> Self:
        """At most one such task waits or runs in its queue: one of this key, or one for equal arguments."""
        self._chosen().unique = check.unique_key("unique", key)
        return self

    def expires_after(self, limit: Seconds) -> Self:
        """If it still waits then, it is dead (reason `expired`)."""
        self._chosen().expires_after = check.seconds("expires_after", limit)
        return self

    def task_id(self, task_id: str) -> Self:
        """Choose the id. While it is known, dispatching it again gives the handle of the task that is there."""
        self._chosen().task_id = check.identifier("task_id", task_id)
        return self

    async def dispatch(self, *, on: Any = None) -> TaskHandle[ResultT]:
        """Store the task. On return it is as durable as its backend is.

        Args:
            on: A connection of the caller's with an open transaction: the task is there if and only if the caller
                commits.

        Raises:
            SerializationError: an argument can't be encoded.
            DriverUnavailable: the backend does not answer. It is unknown whether the task was stored.
        """
        dispatcher = cast("TaskDispatcher", current_dispatcher())
        return await dispatcher.dispatch_call(self.__task_call__, on=on)

    def dispatch_sync(self, *, on: Any = None) -> TaskHandle[ResultT]:
        """Store the task, from synchronous code. Inside a running event loop it raises: use `await dispatch()`."""
        dispatcher = cast("TaskDispatcher", current_dispatcher())
        return dispatcher.dispatch_call_sync(self.__task_call__, on=on)

    def _chosen(self) -> Overrides:
        if self.__task_call__.overrides is None:
            self.__task_call__.overrides = Overrides()
        return self.__task_call__.overrides


def call_of(invocation: Invocation[Any]) -> TaskCall:
    """What an invocation dispatches."""
    return invocation.__task_call__
