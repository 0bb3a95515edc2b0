"""Many tasks at once."""

from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from itertools import islice
from typing import Any, cast

from asynctasq.errors import DefinitionError
from asynctasq.tasks.dispatcher_slot import current_dispatcher
from asynctasq.tasks.invocation import Invocation, TaskDispatcher, call_of
from asynctasq.tasks.task_handle import TaskHandle


class BulkDispatch:
    """What `dispatch_many` gives: await it for all handles, or iterate over it for those of each chunk."""

    def __init__(self, invocations: Iterable[Invocation[Any]], *, chunk_size: int | None, on: Any) -> None:
        self._invocations = invocations
        self._chunk_size = chunk_size
        self._on = on

    def __await__(self) -> Generator[Any, Any, list[TaskHandle[Any]]]:
        return self._all().__await__()

    async def __aiter__(self) -> AsyncIterator[list[TaskHandle[Any]]]:
        dispatcher = cast("TaskDispatcher", current_dispatcher())
        for chunk in self._chunks():
            yield await dispatcher.dispatch_calls([call_of(invocation) for invocation in chunk], on=self._on)

    async def _all(self) -> list[TaskHandle[Any]]:
        return [handle async for handles in self for handle in handles]

    def _chunks(self) -> Iterator[list[Invocation[Any]]]:
        if self._chunk_size is None:
            yield list(self._invocations)
            return
        left = iter(self._invocations)
        while chunk := list(islice(left, self._chunk_size)):
            yield chunk


def dispatch_many(
    invocations: Iterable[Invocation[Any]], *, chunk_size: int | None = None, on: Any = None
) -> BulkDispatch:
    """Store many tasks: `handles = await dispatch_many([send_email(to=a), send_email(to=b)])`.

    One round trip per driver, all or none of its tasks. More than the driver's `max_batch` need a `chunk_size`: the
    chunks are then stored in order, each as one whole, and `async for handles in dispatch_many(..., chunk_size=1000)`
    tells of each.

    Args:
        invocations: Tasks, ready to be dispatched. With a `chunk_size` they are taken as they come, so that a generator
            of millions is fine.
        chunk_size: Tasks in one round trip.
        on: A connection of the caller's with an open transaction.

    Raises:
        InvalidArgument: there are more than the driver takes at once.
        DriverUnavailable: the backend does not answer; it is unknown whether the chunk was stored.
    """
    if chunk_size is not None and (isinstance(chunk_size, bool) or chunk_size < 1):
        raise DefinitionError(f"chunk_size is {chunk_size!r}; wanted a whole number from 1")
    return BulkDispatch(invocations, chunk_size=chunk_size, on=on)
