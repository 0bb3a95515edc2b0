"""One delivery -> one settlement: runs bodies, on the event loop, in threads and in child processes."""

import logging
import math
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from types import CoroutineType
from typing import Any, cast

import anyio
from anyio import to_thread

from asynctasq.contract.settlements import Complete, Release, Settlement
from asynctasq.errors import DeserializationError, Discard, RetryLater, UnknownTask
from asynctasq.runtime.attempt import PROCESS_KINDS, Attempt, AttemptPreparer, new_task
from asynctasq.runtime.body_driver import awaited, drive, run_in_context
from asynctasq.runtime.failure_text import FailedInChild, message_of, type_name
from asynctasq.runtime.held_deliveries import Held, HeldDeliveries, Interruption
from asynctasq.runtime.lane import Lane
from asynctasq.runtime.process_attempts import failure_in_child, request_of
from asynctasq.runtime.process_pool import ChildDied, ProcessPool
from asynctasq.runtime.process_protocol import (
    AskedForLater,
    Discarded,
    NotBegun,
    NotKnown,
    NotLoaded,
    Raised,
    Returned,
)
from asynctasq.runtime.retry_policy import Backoff, may_retry
from asynctasq.runtime.verdicts import Verdicts, wants_retry
from asynctasq.tasks.current_task import enter_task
from asynctasq.tasks.task_definition import TaskKind

_logger = logging.getLogger("asynctasq.worker")


class TaskRunner:
    """Runs attempts in lanes."""

    def __init__(
        self,
        *,
        preparer: AttemptPreparer,
        pool: ProcessPool,
        held: HeldDeliveries,
        verdicts: Verdicts,
        clock: Callable[[], float],
        concurrency: int,
        on_start: Callable[[Held], None] | None = None,
    ) -> None:
        self._preparer = preparer
        self._pool = pool
        self._held = held
        self._verdicts = verdicts
        self._clock = clock
        self._on_start = on_start
        self._cancelled = anyio.get_cancelled_exc_class()
        self._thread_limiter = anyio.CapacityLimiter(concurrency)
        self._load_backoff = Backoff(first=1.0, most=60.0)
        self.abandoned_threads = 0
        """Threads that went on when the worker gave up waiting for them."""

    async def run(self, lane: Lane, held: Held) -> Settlement | None:
        """Run one delivery in a lane; None if nothing is to be settled. Raises cancellation of the lane alone."""
        attempt = self._preparer.prepare(held)
        if not isinstance(attempt, Attempt):
            return attempt
        lane.attempt = attempt
        kind = attempt.definition.kind
        if attempt.arguments is None and kind not in PROCESS_KINDS:
            settlement = await self._load(lane, attempt)
            if settlement is None:
                settlement = self._given_back_if_lapsed(held)
            if settlement is not None:
                return settlement
        if kind is not TaskKind.ASYNC:
            if kind is TaskKind.THREAD:
                return await self._run_in_thread(lane, attempt)
            return await self._run_in_process(lane, attempt)
        context = attempt.context = copy_context()
        timeout = attempt.headers.timeout
        if timeout is not None:
            lane.scope.deadline = anyio.current_time() + timeout
        if self._on_start is not None:
            self._on_start(held)
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
                return self._verdicts.completed(attempt, value)
            return self._ended_with(lane, attempt, error)
        finally:
            del error  # the exception's frames hold this one: let go of the circle

    def _given_back_if_lapsed(self, held: Held) -> Settlement | None:
        """To be asked after every wait before a body begins: its lease may have ended meanwhile."""
        return None if self._lease_lasts(held) else Release(receipt=held.delivery.receipt)

    def _lease_lasts(self, held: Held) -> bool:
        return self._clock() < held.lease_end

    def _ended_with(self, lane: Lane, attempt: Attempt, error: BaseException) -> Settlement | None:
        if isinstance(error, self._cancelled):
            if lane.scope.cancel_called or anyio.current_effective_deadline() == -math.inf:
                raise error
            # The body's own: that is its failure and nothing more, but the event loop's task may bear marks of it.
            lane.worn_out = True
        elif lane.scope.cancel_called:
            return self._verdicts.interrupted(attempt.held, attempt, error)
        return self._verdicts.failed(attempt, error)

    def interrupted(self, lane: Lane, held: Held) -> Settlement | None:
        """The settlement of a task that was cancelled from outside."""
        return self._verdicts.interrupted(held, lane.attempt)

    def ruined(self, lane: Lane, held: Held, error: BaseException) -> Settlement | None:
        """The settlement of a task that took its lane with it."""
        return self._verdicts.ruined(held, lane.attempt, error)

    async def _load(self, lane: Lane, attempt: Attempt) -> Settlement | None:
        """Load what the arguments refer to; the settlement if that fails."""
        self._held.wake_one()
        context = copy_context()
        context.run(enter_task, attempt.current)
        _, error = await run_in_context(context, attempt.load())
        if error is None:
            self._load_backoff.reset()
            return None
        if isinstance(error, self._cancelled):
            return self._ended_with(lane, attempt, error)
        if isinstance(error, DeserializationError):
            return self._preparer.undecodable(attempt.held, error)
        return self._not_loaded(attempt, f"{type_name(error)}: {message_of(error)}")

    def _not_loaded(self, attempt: Attempt, message: str) -> Settlement:
        """The application's database is away: that is nobody's failed attempt, and waits longer each time."""
        delay = self._load_backoff.next_delay()
        _logger.warning("task %s waits %.1f s: its arguments can't be loaded: %s", attempt.current.id, delay, message)
        return Release(receipt=attempt.held.delivery.receipt, delay=delay)

    # -- threads

    async def _run_in_thread(self, lane: Lane, attempt: Attempt) -> Settlement | None:
        """A thread can't be stopped: whatever happens meanwhile, its lane waits until it ends, or the worker does."""
        held = attempt.held
        self._held.wake_one()
        if attempt.headers.timeout is not None:
            held.timeout_at = self._clock() + attempt.headers.timeout
        if self._on_start is not None:
            self._on_start(held)
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
            return self._verdicts.interrupted(held, attempt)
        if held.interruption is Interruption.LEASE_LOST or held.closed:
            return self._verdicts.interrupted(held, attempt)
        if self._clock() >= held.timeout_at:
            return self._verdicts.failed(attempt, self._verdicts.timed_out(attempt, outcome.error))
        if outcome.error is None:
            return self._verdicts.completed(attempt, outcome.value)
        return self._verdicts.failed(attempt, outcome.error, wants_retry=outcome.wants_retry)

    # -- child processes

    async def _run_in_process(self, lane: Lane, attempt: Attempt) -> Settlement | None:
        """Cancelled, for whatever reason, the child is killed."""
        self._held.wake_one()
        request = request_of(attempt, keep_result=self._verdicts.keeps_result(attempt))
        child = await self._pool.acquire()
        if (given_back := self._given_back_if_lapsed(attempt.held)) is not None:
            self._pool.give_back(child)
            return given_back
        timeout = attempt.headers.timeout
        if timeout is not None:
            lane.scope.deadline = anyio.current_time() + timeout
        if self._on_start is not None:
            self._on_start(attempt.held)
        try:
            answer = await self._pool.run_in(child, request, lambda: self._lease_lasts(attempt.held))
        except ChildDied as error:
            died = FailedInChild(str(error), type_name="ChildDied")
            died.__cause__ = error
            return self._verdicts.failed(attempt, died, wants_retry=True)
        finally:
            if timeout is not None:
                lane.scope.deadline = math.inf
        match answer:
            case Returned():
                return Complete(receipt=attempt.held.delivery.receipt, result=answer.result)
            case Raised():
                failure = failure_in_child(answer)
                if answer.reason is not None:
                    return self._verdicts.buried(attempt, failure, answer.reason)
                return self._verdicts.failed(attempt, failure, wants_retry=answer.wants_retry)
            case AskedForLater():
                return self._verdicts.failed(attempt, RetryLater(answer.delay))
            case Discarded():
                return self._verdicts.failed(attempt, Discard(answer.reason))
            case NotLoaded():
                return self._not_loaded(attempt, answer.message)
            case NotBegun():
                return Release(receipt=attempt.held.delivery.receipt)
            case NotKnown():
                return self._preparer.unknown(attempt.held, UnknownTask(answer.message))


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
        coroutine: Any = new_task(attempt).execute()
    except StopIteration as error:
        raise RuntimeError("the task raised StopIteration") from error
    body = cast("Coroutine[Any, Any, Any]", coroutine) if type(coroutine) is CoroutineType else awaited(coroutine)
    attempt.coroutine = body
    return body.send(None)


def _thread_body(attempt: Attempt) -> _ThreadOutcome:
    """Runs in the thread, in a context of its own."""
    enter_task(attempt.current)
    try:
        return _ThreadOutcome(new_task(attempt).execute(), None, None)
    except BaseException as error:  # SystemExit in a task does not end the worker
        ask = may_retry(attempt.headers, attempt.current.attempt) and not isinstance(error, RetryLater | Discard)
        return _ThreadOutcome(None, error, wants_retry(attempt, error) if ask else None)
