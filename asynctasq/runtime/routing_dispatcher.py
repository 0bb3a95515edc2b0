"""Which connected dispatcher a call goes to: by event loop, by driver, by open transaction, from synchronous code."""

from collections.abc import Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Self

import anyio.lowlevel

from asynctasq.contract.settlements import CancelOutcome
from asynctasq.errors import RunningEventLoop
from asynctasq.runtime.background_loop import BackgroundLoop
from asynctasq.runtime.connections import Connections
from asynctasq.runtime.dispatcher import Dispatcher
from asynctasq.tasks.invocation import Invocation, call_of
from asynctasq.tasks.task_call import TaskCall
from asynctasq.tasks.task_definition import TaskDefinition
from asynctasq.tasks.task_details import TaskDetails
from asynctasq.tasks.task_handle import TaskHandle
from asynctasq.tasks.task_options import Seconds

_transaction: ContextVar[Any] = ContextVar("asynctasq_transaction", default=None)


class transaction:
    """Everything dispatched inside goes through this connection, in the transaction that is open on it.

    `async with transaction(connection):` for an asynchronous connection, `with transaction(connection):` (and
    `dispatch_sync()`) for a synchronous one. The tasks are there if and only if the caller commits; asynctasq never
    begins, commits or rolls back.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._token: Token[Any] | None = None

    def __enter__(self) -> Self:
        self._token = _transaction.set(self._connection)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            _transaction.reset(self._token)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


class RoutingDispatcher:
    """The dispatcher of an application: connects on first use, on every event loop for itself."""

    def __init__(self, connections: Connections, background: BackgroundLoop) -> None:
        """`background` is where synchronous code dispatches through."""
        self._connections = connections
        self._background = background

    async def dispatch(
        self, task: Invocation[Any], queue: str | None = None, delay: Seconds | None = None
    ) -> TaskHandle[Any]:
        """Store one task. `queue` and `delay` (seconds) win over what the task says."""
        return await (await self._dispatcher(_driver_of(call_of(task)))).dispatch(task, queue, delay)

    async def dispatch_call(self, call: TaskCall, *, on: Any = None) -> TaskHandle[Any]:
        """As `Dispatcher.dispatch_call`, on the driver that the task names."""
        driver = _driver_of(call)
        dispatcher = self._connections.connected(driver) or await self._connections.dispatcher(driver)
        return await dispatcher.dispatch_call(call, on=_transaction.get() if on is None else on)

    async def dispatch_calls(self, calls: Sequence[TaskCall], *, on: Any = None) -> list[TaskHandle[Any]]:
        """As `Dispatcher.dispatch_calls`, one batch per driver. All or none of each driver's tasks."""
        on = _transaction.get() if on is None else on
        places: dict[str | None, list[int]] = {}
        for place, call in enumerate(calls):
            places.setdefault(_driver_of(call), []).append(place)
        handles: dict[int, TaskHandle[Any]] = {}
        for driver, its_places in places.items():
            dispatcher = await self._dispatcher(driver)
            its_handles = await dispatcher.dispatch_calls([calls[place] for place in its_places], on=on)
            handles.update(zip(its_places, its_handles, strict=True))
        return [handles[place] for place in range(len(calls))]

    def dispatch_call_sync(self, call: TaskCall, *, on: Any = None) -> TaskHandle[Any]:
        """Store one task, from synchronous code.

        Raises:
            RunningEventLoop: an event loop runs in this thread, and would be blocked.
        """
        if is_event_loop_running():
            raise RunningEventLoop(
                "dispatch_sync() was called inside a running event loop, which it would block; use `await dispatch()`"
            )
        on = _transaction.get() if on is None else on
        driver = _driver_of(call)
        if on is None:
            return self._background.call(self._dispatch_in_background, driver, call)
        dispatcher = self._background.call(self._dispatcher, driver)
        return dispatcher.dispatch_calls_sync([call], on=on)[0]

    async def find(self, task_id: str) -> TaskDetails | None:
        """The record of a task of the configured driver, or None."""
        return await (await self._dispatcher(None)).find(task_id)

    async def cancel(self, task_id: str) -> CancelOutcome:
        """Ask for the cancellation of a task of the configured driver."""
        return await (await self._dispatcher(None)).cancel(task_id)

    def decode_result(self, details: TaskDetails, definition: TaskDefinition | None) -> Any:
        """The result of a completed task."""
        return self._connections.results.decode(details, definition)

    async def _dispatcher(self, driver: str | None) -> Dispatcher:
        return self._connections.connected(driver) or await self._connections.dispatcher(driver)

    async def _dispatch_in_background(self, driver: str | None, call: TaskCall) -> TaskHandle[Any]:
        return await (await self._dispatcher(driver)).dispatch_call(call)


def is_event_loop_running() -> bool:
    """Whether this thread runs an event loop."""
    try:
        anyio.lowlevel.current_token()
    except RuntimeError:
        return False
    return True


def _driver_of(call: TaskCall) -> str | None:
    driver = call.definition.options.driver
    return driver if isinstance(driver, str) else None
