"""One attempt at a task, without a queue."""

import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import anyio
from anyio import to_thread

from asynctasq.app import application
from asynctasq.contract.serializer import Serializer
from asynctasq.tasks.current_task import CurrentTask, enter_task
from asynctasq.tasks.invocation import Invocation, ResultT, call_of
from asynctasq.tasks.task_call import TaskCall
from asynctasq.tasks.task_definition import TaskKind
from asynctasq.tasks.task_ids import new_task_id

_IN_THREAD = frozenset({TaskKind.THREAD, TaskKind.PROCESS})


async def run_task(
    invocation: Invocation[ResultT],
    *,
    attempt: int = 1,
    max_attempts: int = 3,
    queue: str = "default",
    correlation_id: str | None = None,
) -> ResultT:
    """Run one attempt here and now, as a worker would: the arguments and the result are serialized and decoded again,
    the instance is a fresh one, and `current_task()` tells of the attempt. Process tasks run in this process.

    Args:
        invocation: What would be dispatched: `send_email(to="a@b.c")`.
        attempt: Which attempt the task believes it is.
        max_attempts: What `current_task().max_attempts` says.
        queue: What `current_task().queue` says.
        correlation_id: What `current_task().correlation_id` says.

    Raises:
        Exception: whatever the task raises. Neither `should_retry()` nor `failed()` is called.
        SerializationError, DeserializationError: an argument or the result does not travel.
    """
    call = call_of(invocation)
    current = CurrentTask(
        id=new_task_id(),
        name=call.definition.name,
        queue=queue,
        attempt=attempt,
        max_attempts=max_attempts,
        worker_id="run_task",
        correlation_id=correlation_id,
        enqueued_at=datetime.now(UTC),
    )
    serializer = application().open_serializer()
    ended: list[tuple[Any, BaseException | None]] = []

    async def run() -> None:
        try:
            ended.append((await _run(call, current, serializer), None))
        except Exception as error:
            ended.append((None, error))

    async with anyio.create_task_group() as group:  # its task has a context of its own, in which it is the current one
        group.start_soon(run)
    ((value, error),) = ended
    if error is not None:
        raise error
    definition = call.definition
    return cast("ResultT", definition.decode_result(serializer, definition.encode_result(serializer, value)))


async def _run(call: TaskCall, current: CurrentTask, serializer: Serializer) -> Any:
    enter_task(current)
    definition = call.definition
    arguments = definition.decode_arguments(serializer, serializer.encode(call.arguments))
    execute: Callable[[], Any] = definition.new_instance(arguments, current).execute
    if definition.kind in _IN_THREAD:
        return await to_thread.run_sync(execute)
    value = execute()
    return await value if inspect.isawaitable(value) else value
