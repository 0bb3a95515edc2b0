"""One attempt at a task, from its payload to a body that can run."""

import logging
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any

from asynctasq.contract.envelopes import Delivery
from asynctasq.contract.serializer import Serializer
from asynctasq.contract.settlements import Bury, Release, Retry, Settlement
from asynctasq.errors import AttemptsExhausted, DeserializationError, NeedsLoading, UnknownTask
from asynctasq.runtime.failure_text import Redact, failure_of
from asynctasq.runtime.frame import MAX_STORED_BYTES, Frame, Headers, decode_frame, is_newer_frame
from asynctasq.runtime.held_deliveries import Held
from asynctasq.runtime.retry_policy import may_retry
from asynctasq.tasks.current_task import CurrentTask
from asynctasq.tasks.parameters import Arguments
from asynctasq.tasks.task_definition import TaskDefinition, TaskInstance, TaskKind
from asynctasq.tasks.task_registry import TaskRegistry

_logger = logging.getLogger("asynctasq.worker")

PROCESS_KINDS = frozenset({TaskKind.PROCESS, TaskKind.ASYNC_PROCESS})

PARKED = 60.0
"""Seconds that a task waits which this worker does not know how to run: another one may."""

_NO_VERSION = 32
"""A first byte from here on (text, JSON, MessagePack, pickle) is no version that will ever be: such a payload is
malformed, and would otherwise be parked for ever."""

CheckFrame = Callable[[Delivery, Frame], None]
"""Raises `DeserializationError` for a payload that is not to be trusted: called before its body is decoded."""


class Attempt:
    """One attempt: fresh arguments, a fresh instance once it starts, a context of its own."""

    task: TaskInstance | None = None
    context: Context | None = None
    coroutine: Any = None
    arguments: Arguments | None = None
    """None until they are decoded."""

    def __init__(
        self,
        held: Held,
        headers: Headers,
        definition: TaskDefinition,
        serializer: Serializer,
        body: bytes,
        current: CurrentTask,
    ) -> None:
        self.held = held
        self.headers = headers
        self.definition = definition
        self.serializer = serializer
        self.body = body
        self.current = current

    def decode(self) -> bool:
        """Decode the arguments; False if what they refer to has to be loaded first.

        Raises:
            DeserializationError: they are malformed, or do not fit.
        """
        try:
            self.arguments = self.definition.decode_arguments(self.serializer, self.body)
        except NeedsLoading:
            return False
        return True

    async def load(self) -> None:
        """Decode the arguments, and load what they refer to.

        Raises:
            DeserializationError: they are malformed, do not fit, or refer to what is gone.
            Exception: what they refer to can't be loaded now.
        """
        if not self.decode():
            self.arguments = await self.definition.load_arguments(self.serializer, self.body)


def new_task(attempt: Attempt) -> TaskInstance:
    """A fresh instance, made inside the attempt's own context. Whatever the task's `__init__` raises comes through."""
    assert attempt.arguments is not None, "arguments are decoded before the body is reached"
    task = attempt.task = attempt.definition.new_instance(attempt.arguments, attempt.current)
    return task


class AttemptPreparer:
    """Delivery -> attempt, or the settlement of a delivery that can't be run at all."""

    def __init__(
        self,
        registry: TaskRegistry,
        serializers: Mapping[str, Serializer],
        worker_id: str,
        *,
        check_frame: CheckFrame | None = None,
        redact: Redact | None = None,
        on_exhausted: Callable[[Attempt, AttemptsExhausted], None] = lambda _attempt, _error: None,
    ) -> None:
        self._registry = registry
        self._serializers = serializers
        self._worker_id = worker_id
        self._check_frame = check_frame
        self._redact = redact
        self._on_exhausted = on_exhausted

    def prepare(self, held: Held) -> Attempt | Settlement:
        """Decode a delivery. Never raises: what is wrong with a payload is the payload's own failure."""
        delivery = held.delivery
        try:
            payload = delivery.payload
            if len(payload) > MAX_STORED_BYTES:
                raise DeserializationError(f"the payload has {len(payload)} bytes; at most {MAX_STORED_BYTES} are read")
            if is_newer_frame(payload) and payload[0] < _NO_VERSION:
                _logger.warning("task %s waits for a newer worker: its payload is of a later version", delivery.id)
                return Release(receipt=delivery.receipt, delay=PARKED)
            frame = decode_frame(payload)
            if self._check_frame is not None:
                self._check_frame(delivery, frame)
            headers = frame.headers
            _check_times(headers)
            held.headers = headers
            held.visible_until = held.held_since + headers.visibility_timeout
            return self._prepared(held, frame)
        except UnknownTask as error:
            return self.unknown(held, error)
        except Exception as error:
            return self.undecodable(held, error)

    def undecodable(self, held: Held, error: Exception) -> Settlement:
        """The settlement of a delivery that no worker will ever be able to read."""
        delivery = held.delivery
        _logger.error("task %s (%s) can't be decoded: %s", delivery.id, delivery.name, error)
        held.error = error
        return Bury(receipt=delivery.receipt, failure=failure_of(error, self._redact), reason="undecodable")

    def _prepared(self, held: Held, frame: Frame) -> Attempt | Settlement:
        delivery, headers = held.delivery, frame.headers
        definition = self._registry.get(delivery.name)
        if definition is None:
            raise UnknownTask(f"no task {delivery.name!r} is registered here. Import its module with --app")
        serializer = self._serializers.get(headers.content_type)
        if serializer is None:
            raise UnknownTask(f"no serializer for {headers.content_type!r} is installed here")
        attempt = Attempt(
            held,
            headers,
            definition,
            serializer,
            frame.body,
            CurrentTask(
                id=delivery.id,
                name=delivery.name,
                queue=delivery.queue,
                attempt=delivery.attempt,
                max_attempts=headers.max_attempts,
                worker_id=self._worker_id,
                correlation_id=delivery.correlation_id,
                enqueued_at=delivery.enqueued_at,
            ),
        )
        if delivery.attempt > headers.max_attempts:
            return self._exhausted(attempt)
        if definition.kind not in PROCESS_KINDS:  # a child decodes by itself
            attempt.decode()
        return attempt

    def _exhausted(self, attempt: Attempt) -> Settlement:
        held, current = attempt.held, attempt.current
        error = AttemptsExhausted(
            f"the body was started {current.attempt - 1} times, and none of the attempts came to an end; "
            f"max_attempts is {current.max_attempts}"
        )
        _logger.error("task %s (%s) is buried: %s", current.id, current.name, error)
        held.error = error
        self._on_exhausted(attempt, error)
        return Bury(receipt=held.delivery.receipt, failure=failure_of(error), reason="attempts_exhausted")

    def unknown(self, held: Held, error: UnknownTask) -> Settlement:
        """The settlement of a task that can't be run here: another worker may know it."""
        delivery, headers = held.delivery, held.headers
        assert headers is not None, "the frame was read before the name was looked up"
        held.error = error
        failure = failure_of(error)
        if may_retry(headers, delivery.attempt):
            _logger.warning("task %s waits %g s: %s", delivery.id, PARKED, error)
            return Retry(receipt=delivery.receipt, failure=failure, delay=PARKED)
        _logger.error("task %s is buried: %s", delivery.id, error)
        return Bury(receipt=delivery.receipt, failure=failure, reason="unknown_task")


def _check_times(headers: Headers) -> None:
    """Durations that a task could not run with: put there by somebody else than a dispatcher."""
    if not headers.visibility_timeout > 0 or (headers.timeout is not None and not headers.timeout > 0):
        raise DeserializationError(
            f"the timeout is {headers.timeout}, the visibility timeout {headers.visibility_timeout}; wanted more than 0"
        )
