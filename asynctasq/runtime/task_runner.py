"""One delivery -> one settlement: runs bodies, and decides what becomes of their outcome."""

import logging
import math
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial
from types import CoroutineType
from typing import Any, cast

import anyio
from anyio import to_thread

from asynctasq.contract.settlements import Bury, Cancel, Complete, Release, Retry, Settlement
from asynctasq.contract.traits import Limits
from asynctasq.errors import Discard, ResultTooLarge, RetryLater, TaskFailed, TaskTimedOut, UnknownTask
from asynctasq.runtime.attempt import Attempt, AttemptPreparer
from asynctasq.runtime.body_driver import awaited, drive
from asynctasq.runtime.failed_handlers import FailedHandlers
from asynctasq.runtime.failure_text import (
    FailedInChild,
    Redact,
    as_exception,
    bounded_text,
    failure_of,
    for_the_log,
    message_of,
    type_name,
)
from asynctasq.runtime.held_deliveries import Held, HeldDeliveries, Interruption
from asynctasq.runtime.lane import Lane
from asynctasq.runtime.process_attempts import failure_in_child, request_of
from asynctasq.runtime.process_pool import ChildDied, ProcessPool
from asynctasq.runtime.process_protocol import AskedForLater, Discarded, NotKnown, Raised, Returned
from asynctasq.runtime.retry_policy import may_retry, retry_delay
from asynctasq.tasks.current_task import enter_task
from asynctasq.tasks.task_definition import TaskKind

_logger = logging.getLogger("asynctasq.worker")

_REASON_BYTES = 200


class TaskRunner:
    """Runs attempts in lanes."""

    def __init__(
        self,
        *,
        preparer: AttemptPreparer,
        pool: ProcessPool,
        held: HeldDeliveries,
        failed_handlers: FailedHandlers,
        limits: Limits,
        clock: Callable[[], float],
        concurrency: int,
        keep_all_results: bool = False,
        redact: Redact | None = None,
        on_start: Callable[[Held], None] | None = None,
    ) -> None:
        self._preparer = preparer
        self._pool = pool
        self._held = held
        self._failed_handlers = failed_handlers
        self._limits = limits
        self._clock = clock
        self._keep_all_results = keep_all_results
        self._redact = redact
        self._on_start = on_start
        self._cancelled = anyio.get_cancelled_exc_class()
        self._thread_limiter = anyio.CapacityLimiter(concurrency)
        self.abandoned_threads = 0
        """Threads that went on when the worker gave up waiting for them."""

    async def run(self, lane: Lane, held: Held) -> Settlement | None:
        """Run one delivery in a lane; None if nothing is to be settled. Raises cancellation of the lane alone."""
        attempt = self._preparer.prepare(held)
        if not isinstance(attempt, Attempt):
            return attempt
        lane.attempt = attempt
        if self._on_start is not None:
            self._on_start(held)
        kind = attempt.definition.kind
        if kind is not TaskKind.ASYNC:
            if kind is TaskKind.THREAD:
                return await self._run_in_thread(lane, attempt)
            return await self._run_in_process(lane, attempt)
        context = attempt.context = copy_context()
        timeout = attempt.headers.timeout
        if timeout is not None:
            lane.scope.deadline = anyio.current_time() + timeout
        try:
            yielded = context.run(_first_step, attempt)
        except StopIteration as stop:
            value, error = stop.value, None
        except BaseException as raised:
            value, error = None, raised
        else:
            self._held.wake_one()
            value, error = await drive(context, attempt.coroutine, yielded)
        if timeout is not None:
            lane.scope.deadline = math.inf
        try:
            if error is None:
                return self._completed(attempt, value)
            return self._ended_with(lane, attempt, error)
        finally:
            del error  # the exception's frames hold this one: let go of the circle

    def _ended_with(self, lane: Lane, attempt: Attempt, error: BaseException) -> Settlement | None:
        if isinstance(error, self._cancelled):
            if lane.scope.cancel_called or anyio.current_effective_deadline() == -math.inf:
                raise error
            # The body's own: that is its failure and nothing more, but the event loop's task may bear marks of it.
            lane.worn_out = True
        elif lane.scope.cancel_called:
            return self.interrupted(lane, attempt.held, error)
        return self._failed(attempt, error)

    # -- threads

    async def _run_in_thread(self, lane: Lane, attempt: Attempt) -> Settlement | None:
        """A thread can't be stopped: whatever happens meanwhile, its lane waits until it ends, or the worker does."""
        held = attempt.held
        self._held.wake_one()
        if attempt.headers.timeout is not None:
            held.timeout_at = self._clock() + attempt.headers.timeout
        lane.thread_scope = scope = anyio.CancelScope(shield=True)
        outcome: _ThreadOutcome | None = None
        try:
            with scope:
                outcome = await to_thread.run_sync(
                    _thread_body, attempt, abandon_on_cancel=True, limiter=self._thread_limiter
                )
        finally:
            lane.thread_scope = None
        if outcome is None:
            self.abandoned_threads += 1
            _logger.warning("task %s runs in a thread that can't be stopped; its outcome is lost", attempt.current.id)
            return self.interrupted(lane, held)
        if held.interruption is Interruption.LEASE_LOST or held.closed:
            return self.interrupted(lane, held)
        if self._clock() >= held.timeout_at:
            return self._failed(attempt, self._timed_out(attempt, outcome.error))
        if outcome.error is None:
            return self._completed(attempt, outcome.value)
        return self._failed(attempt, outcome.error, wants_retry=outcome.wants_retry)

    # -- child processes

    async def _run_in_process(self, lane: Lane, attempt: Attempt) -> Settlement | None:
        """Cancelled, for whatever reason, the child is killed."""
        self._held.wake_one()
        keep_result = attempt.definition.keeps_result or self._keep_all_results
        request = request_of(attempt, keep_result=keep_result)
        child = await self._pool.acquire()
        timeout = attempt.headers.timeout
        if timeout is not None:
            lane.scope.deadline = anyio.current_time() + timeout
        try:
            answer = await self._pool.run_in(child, request)
        except ChildDied as error:
            died = FailedInChild(str(error), type_name="ChildDied")
            died.__cause__ = error
            return self._failed(attempt, died, wants_retry=True)
        finally:
            if timeout is not None:
                lane.scope.deadline = math.inf
        match answer:
            case Returned():
                return Complete(receipt=attempt.held.delivery.receipt, result=answer.result)
            case Raised():
                failure = failure_in_child(answer)
                if answer.reason is not None:
                    return self._buried(attempt, failure, answer.reason)
                return self._failed(attempt, failure, wants_retry=answer.wants_retry)
            case AskedForLater():
                return self._failed(attempt, RetryLater(answer.delay))
            case Discarded():
                return self._failed(attempt, Discard(answer.reason))
            case NotKnown():
                return self._preparer.unknown(attempt.held, UnknownTask(answer.message))

    # -- outcomes

    def _completed(self, attempt: Attempt, value: object) -> Settlement:
        receipt = attempt.held.delivery.receipt
        definition = attempt.definition
        if not (definition.keeps_result or self._keep_all_results):
            return Complete(receipt=receipt)
        try:
            result = definition.encode_result(attempt.serializer, value)
        except Exception as error:
            return self._buried(attempt, error, "result_not_serializable")
        most = self._limits.max_payload_bytes
        if len(result) > most:
            error = ResultTooLarge(
                f"the result has {len(result)} bytes; at most {most} fit. Store it elsewhere and return a reference"
            )
            return self._buried(attempt, error, "result_too_large")
        return Complete(receipt=receipt, result=result)

    def interrupted(self, lane: Lane, held: Held, error: BaseException | None = None) -> Settlement | None:
        """The settlement of a task that was cancelled from outside, and ended (with `error`, if with anything else)."""
        receipt = held.delivery.receipt
        match held.interruption:
            case Interruption.LEASE_LOST:
                _logger.warning("task %s was cancelled here: LeaseLost, it may run elsewhere", held.delivery.id)
                return None
            case Interruption.CANCEL_REQUESTED:
                return Cancel(receipt=receipt, reason="cancelled")
            case Interruption.SHUTDOWN:
                return Release(receipt=receipt)
            case Interruption.HELD_TOO_LONG:
                return None  # it was given back at that moment
            case None:
                assert lane.attempt is not None
                return self._failed(lane.attempt, self._timed_out(lane.attempt, error))

    def ruined(self, lane: Lane, held: Held, error: BaseException) -> Settlement | None:
        """The settlement of a task that took its lane with it."""
        if held.interruption is not None:
            return self.interrupted(lane, held, error)
        if lane.attempt is None:
            return Release(receipt=held.delivery.receipt, delay=1.0)
        return self._failed(lane.attempt, error)

    def _timed_out(self, attempt: Attempt, error: BaseException | None) -> BaseException:
        timeout = attempt.headers.timeout
        if timeout is None:
            return TaskFailed("the task was cancelled from within")
        timed_out = TaskTimedOut(f"the attempt took longer than its timeout of {timeout:g} s")
        timed_out.__cause__ = error
        return timed_out

    def _failed(self, attempt: Attempt, error: BaseException, *, wants_retry: bool | None = None) -> Settlement:
        """The settlement of a failed attempt. `wants_retry` is the task's own answer, if it was asked already."""
        held, current = attempt.held, attempt.current
        receipt = held.delivery.receipt
        if isinstance(error, RetryLater):
            return Release(receipt=receipt, delay=self._bounded_delay(error.delay))
        if isinstance(error, Discard):
            return Cancel(receipt=receipt, reason=_reason(error))
        if not may_retry(attempt.headers, current.attempt):
            return self._buried(attempt, error, "failed")
        if wants_retry is None:
            wants_retry = _asked_to_retry(attempt, error)
        if not wants_retry:
            return self._buried(attempt, error, "not_retryable")
        delay = self._bounded_delay(retry_delay(attempt.headers, current.attempt))
        held.error = error
        _logger.warning(
            "task %s (%s) failed in attempt %d of %d, and is retried in %.1f s: %s: %s",
            current.id,
            current.name,
            current.attempt,
            current.max_attempts,
            delay,
            type_name(error),
            message_of(error),
            exc_info=for_the_log(error),
        )
        return Retry(receipt=receipt, failure=failure_of(error, self._redact), delay=delay)

    def _buried(self, attempt: Attempt, error: BaseException, reason: str) -> Settlement:
        held, current = attempt.held, attempt.current
        held.error = error
        _logger.error(
            "task %s (%s) is dead after attempt %d of %d (%s): %s: %s",
            current.id,
            current.name,
            current.attempt,
            current.max_attempts,
            reason,
            type_name(error),
            message_of(error),
            exc_info=for_the_log(error),
        )
        held.after_burial = partial(self._failed_handlers.start, attempt, error)
        return Bury(receipt=held.delivery.receipt, failure=failure_of(error, self._redact), reason=reason)

    def _bounded_delay(self, delay: object) -> float:
        """A delay that every driver takes, whatever the task asked for."""
        most = self._limits.max_delay
        if not isinstance(delay, int | float) or math.isnan(delay):
            return 0.0
        return min(max(float(delay), 0.0), most)


class _ThreadOutcome:
    __slots__ = ("error", "value", "wants_retry")

    def __init__(self, value: object, error: BaseException | None, wants_retry: bool | None) -> None:
        self.value = value
        self.error = error
        self.wants_retry = wants_retry


def _first_step(attempt: Attempt) -> object:
    """Make the instance, call its body and run that up to its first wait. Runs in the attempt's own context.

    Raises:
        StopIteration: the body ended, with this value.
        BaseException: whatever the task's own code raises.
    """
    enter_task(attempt.current)
    try:
        task = attempt.task = attempt.definition.new_instance(attempt.arguments, attempt.current)
        coroutine: Any = task.execute()
    except StopIteration as error:
        raise RuntimeError("the task raised StopIteration") from error
    body = cast("Coroutine[Any, Any, Any]", coroutine) if type(coroutine) is CoroutineType else awaited(coroutine)
    attempt.coroutine = body
    return body.send(None)


def _thread_body(attempt: Attempt) -> _ThreadOutcome:
    """Runs in the thread, in a context of its own."""
    enter_task(attempt.current)
    try:
        task = attempt.task = attempt.definition.new_instance(attempt.arguments, attempt.current)
        return _ThreadOutcome(task.execute(), None, None)
    except BaseException as error:  # SystemExit in a task does not end the worker
        ask = may_retry(attempt.headers, attempt.current.attempt) and not isinstance(error, RetryLater | Discard)
        return _ThreadOutcome(None, error, _wants_retry(attempt, error) if ask else None)


def _asked_to_retry(attempt: Attempt, error: BaseException) -> bool:
    """The task's answer, given in the attempt's own context."""
    context = attempt.context or copy_context()
    return context.run(_wants_retry, attempt, error)


def _wants_retry(attempt: Attempt, error: BaseException) -> bool:
    """What `should_retry()` says. A task that could not even be made is retried; an answer that raises means no."""
    if attempt.task is None:
        return True
    try:
        return bool(attempt.task.should_retry(as_exception(error)))
    except BaseException as broken:
        _logger.error(
            "task %s: should_retry() raised, so the task is not retried: %r",
            attempt.current.id,
            broken,
            exc_info=for_the_log(broken),
        )
        return False


def _reason(signal: Discard) -> str:
    return bounded_text(str(signal.reason), _REASON_BYTES) or "discarded"
