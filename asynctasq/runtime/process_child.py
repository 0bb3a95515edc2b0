"""A child of the process pool: `python -m asynctasq.runtime.process_child`, with two pipes to its worker.

It imports the application once, keeps one event loop for all its tasks, runs one attempt after the other, and never
outlives its worker.
"""

import asyncio
import ctypes
import importlib
import logging
import math
import os
import queue
import runpy
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from importlib.util import find_spec
from typing import Any, BinaryIO, cast

from asynctasq.contract.serializer import Serializer
from asynctasq.errors import DeserializationError, Discard, NeedsLoading, RetryLater
from asynctasq.runtime.failure_text import as_exception, discard_reason, failure_of, message_of, type_name
from asynctasq.runtime.process_protocol import (
    LENGTH,
    Answer,
    AskedForLater,
    Discarded,
    Go,
    Loaded,
    NotBegun,
    NotKnown,
    NotLoaded,
    Raised,
    Ready,
    Request,
    Returned,
    Start,
    decode_request,
    decode_start,
    framed,
)
from asynctasq.runtime.serializer_lookup import installed_serializers
from asynctasq.runtime.task_logging import JsonLogFormatter, TaskContextFilter
from asynctasq.tasks.current_task import CurrentTask, enter_task
from asynctasq.tasks.task_definition import TaskDefinition, TaskInstance, TaskKind
from asynctasq.tasks.task_registry import default_registry

_logger = logging.getLogger("asynctasq.worker")

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main() -> None:
    """The child's whole life."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # signals to the group are the worker's to act on
    incoming, outgoing = _take_pipes()
    start = decode_start(_read(incoming) or b"")
    _die_with(start.parent)
    sys.path[:] = start.path
    _set_up_logging(start)
    serializers = _load_application(start)
    requests: queue.SimpleQueue[Request | Go] = queue.SimpleQueue()

    def may_begin() -> bool:
        _write(outgoing, framed(Loaded()))
        match requests.get():
            case Go() as go:
                return go.may_begin
            case Request():
                raise AssertionError("a worker sends no request before the last one is answered")

    child = Child(serializers, max_result_bytes=start.max_result_bytes, may_begin=may_begin)
    threading.Thread(target=_listen, args=(incoming, requests), daemon=True).start()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.get_loop()
        _write(outgoing, framed(Ready(os.getpid())))
        while True:
            request = requests.get()
            assert isinstance(request, Request), "a worker answers nothing that was not asked"
            _write(outgoing, framed(child.answer(request, runner)))


class Child:
    """Runs attempts."""

    def __init__(
        self, serializers: Mapping[str, Serializer], *, max_result_bytes: int, may_begin: Callable[[], bool]
    ) -> None:
        self._serializers = serializers
        self._max_result_bytes = max_result_bytes
        self._may_begin = may_begin

    def answer(self, request: Request, runner: asyncio.Runner) -> Answer:
        """Run one attempt, in a context of its own. Never raises."""
        definition = default_registry.get(request.name)
        serializer = self._serializers.get(request.content_type)
        if definition is None or serializer is None:
            what = f"task {request.name!r}" if definition is None else f"content type {request.content_type!r}"
            return NotKnown(f"the {what} is not known in the child process. Import its module with --app")
        return copy_context().run(self._run, request, definition, serializer, runner)

    def _run(
        self, request: Request, definition: TaskDefinition, serializer: Serializer, runner: asyncio.Runner
    ) -> Answer:
        current = CurrentTask(
            id=request.id,
            name=request.name,
            queue=request.queue,
            attempt=request.attempt,
            max_attempts=request.max_attempts,
            worker_id=request.worker_id,
            correlation_id=request.correlation_id,
            enqueued_at=request.enqueued_at,
        )
        enter_task(current)
        task: TaskInstance | None = None
        try:
            try:
                arguments = definition.decode_arguments(serializer, request.body)
            except NeedsLoading:
                loading = definition.load_arguments(serializer, request.body)
                arguments, error = runner.run(_guarded(loading), context=copy_context())
                if isinstance(error, DeserializationError):
                    return _buried(error, "undecodable")
                if error is not None:
                    return NotLoaded(f"{type_name(error)}: {message_of(error)}")
                if not self._may_begin():
                    return NotBegun()
            task = definition.new_instance(arguments, current)
            if definition.kind is TaskKind.ASYNC_PROCESS:
                value, error = runner.run(_guarded(task.execute()), context=copy_context())
            else:
                value, error = task.execute(), None
        except BaseException as raised:  # SystemExit too: only a crash ends the child
            value, error = None, raised
        if error is None:
            return self._returned(request, definition, serializer, value)
        return _raised(request, task, error)

    def _returned(self, request: Request, definition: TaskDefinition, serializer: Serializer, value: object) -> Answer:
        if not request.keep_result:
            return Returned(None)
        try:
            result = definition.encode_result(serializer, value)
        except Exception as error:
            return _buried(error, "result_not_serializable")
        if len(result) > self._max_result_bytes:
            message = (
                f"the result has {len(result)} bytes; at most {self._max_result_bytes} fit. "
                "Store it elsewhere and return a reference"
            )
            return Raised("asynctasq.errors.ResultTooLarge", message, "", False, "result_too_large")
        return Returned(result)


async def _guarded(awaitable: Awaitable[Any]) -> tuple[Any, BaseException | None]:
    """Its value, or whatever it raises, returned, so that the event loop stays usable."""
    try:
        return await awaitable, None
    except BaseException as error:
        return None, error


def _raised(request: Request, task: TaskInstance | None, error: BaseException) -> Answer:
    if isinstance(error, RetryLater):
        return AskedForLater(_number(getattr(error, "delay", None)))
    if isinstance(error, Discard):
        return Discarded(discard_reason(error))
    if task is None and isinstance(error, DeserializationError):
        return _buried(error, "undecodable")
    failure = failure_of(error)
    return Raised(failure.type, failure.message, failure.traceback, _wants_retry(request, task, error))


def _number(delay: object) -> float:
    """Whatever a task passed as a delay."""
    try:
        return float(delay) if isinstance(delay, int | float) else 0.0
    except OverflowError:
        return math.inf


def _buried(error: Exception, reason: str) -> Raised:
    failure = failure_of(error)
    return Raised(failure.type, failure.message, failure.traceback, False, reason)


def _wants_retry(request: Request, task: TaskInstance | None, error: BaseException) -> bool:
    if task is None:
        return True
    try:
        return bool(task.should_retry(as_exception(error)))
    except BaseException as broken:
        _logger.error("task %s: should_retry() raised, so it is not retried: %r", request.id, broken, exc_info=broken)
        return False


# -- setting up


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for this module, and give the application a harmless standard input and output."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(2, 1)
    return incoming, cast("BinaryIO", outgoing)


def _die_with(parent: int) -> None:
    """Let the kernel end this process with its worker; elsewhere the end of the pipe does."""
    if sys.platform == "linux":
        try:
            ctypes.CDLL(None, use_errno=True).prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        except (OSError, AttributeError) as error:
            _logger.warning("the kernel can't tie this process to its worker: %r", error)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)


def _set_up_logging(start: Start) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(TaskContextFilter())
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLogFormatter() if start.log_as_json else text)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(start.log_level)


def _load_application(start: Start) -> Mapping[str, Serializer]:
    setup = start.setup
    if setup is not None and setup.before_import is not None:
        _function(setup.before_import)(**setup.arguments)
    for module in start.modules:
        importlib.import_module(module)
    for file in start.files:
        runpy.run_path(file, run_name="__mp_main__")
    if setup is None:
        return installed_serializers()
    return cast("Mapping[str, Serializer]", _function(setup.call)(**setup.arguments))


def _function(place: str) -> Callable[..., object]:
    """Of the operator's own setting, never of a payload."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if find_spec("uvloop") is None:
        return None
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return new_event_loop


# -- the pipes


def _listen(incoming: BinaryIO, requests: "queue.SimpleQueue[Request | Go]") -> None:
    """Runs in a thread of its own, so that the end of the worker is noticed while a body runs."""
    while (message := _read(incoming)) is not None:
        requests.put(decode_request(message))
    os._exit(0)


def _read(incoming: BinaryIO) -> bytes | None:
    head = incoming.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    [length] = LENGTH.unpack(head)
    message = incoming.read(length)
    return message if len(message) == length else None


def _write(outgoing: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[outgoing.write(view) :]
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
