"""What becomes of an attempt: completed, retried, given back, buried or cancelled."""

import logging
from contextvars import copy_context
from functools import partial

from asynctasq.contract.settlements import Bury, Cancel, Complete, Release, Retry, Settlement
from asynctasq.contract.traits import Limits
from asynctasq.errors import Discard, ResultTooLarge, RetryLater, TaskFailed, TaskTimedOut
from asynctasq.runtime.attempt import Attempt
from asynctasq.runtime.failed_handlers import FailedHandlers
from asynctasq.runtime.failure_text import (
    Redact,
    as_exception,
    discard_reason,
    failure_of,
    for_the_log,
    message_of,
    type_name,
)
from asynctasq.runtime.held_deliveries import Held, Interruption
from asynctasq.runtime.retry_policy import may_retry, retry_delay
from asynctasq.runtime.task_logging import log_fields

_logger = logging.getLogger("asynctasq.worker")


class Verdicts:
    """Finds the settlement of attempts that have ended, in whatever way."""

    def __init__(
        self, *, failed_handlers: FailedHandlers, limits: Limits, keep_all_results: bool, redact: Redact | None
    ) -> None:
        self._failed_handlers = failed_handlers
        self._limits = limits
        self._keep_all_results = keep_all_results
        self._redact = redact

    def keeps_result(self, attempt: Attempt) -> bool:
        """Whether this attempt's result is to be stored."""
        return self._keep_all_results or attempt.definition.keeps_result

    def completed(self, attempt: Attempt, value: object) -> Settlement:
        """The settlement of a body that returned: a completion, unless its result can't be stored."""
        receipt = attempt.held.delivery.receipt
        definition = attempt.definition
        if not self.keeps_result(attempt):
            return Complete(receipt=receipt)
        try:
            result = definition.encode_result(attempt.serializer, value)
        except Exception as error:
            return self.buried(attempt, error, "result_not_serializable")
        most = self._limits.max_payload_bytes
        if len(result) > most:
            error = ResultTooLarge(
                f"the result has {len(result)} bytes; at most {most} fit. Store it elsewhere and return a reference"
            )
            return self.buried(attempt, error, "result_too_large")
        return Complete(receipt=receipt, result=result)

    def interrupted(self, held: Held, attempt: Attempt | None, error: BaseException | None = None) -> Settlement | None:
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
                assert attempt is not None, "nothing but a body is cancelled by a time-out"
                return self.failed(attempt, self.timed_out(attempt, error))

    def ruined(self, held: Held, attempt: Attempt | None, error: BaseException) -> Settlement | None:
        """The settlement of a task that took its lane with it."""
        if held.interruption is not None:
            return self.interrupted(held, attempt, error)
        if attempt is None:
            return Release(receipt=held.delivery.receipt, delay=1.0)
        return self.failed(attempt, error)

    def timed_out(self, attempt: Attempt, error: BaseException | None) -> BaseException:
        """What an attempt failed with that was cancelled because its time was over."""
        timeout = attempt.headers.timeout
        if timeout is None:
            return TaskFailed("the task was cancelled from within")
        timed_out = TaskTimedOut(f"the attempt took longer than its timeout of {timeout:g} s")
        timed_out.__cause__ = error
        return timed_out

    def failed(self, attempt: Attempt, error: BaseException, *, wants_retry: bool | None = None) -> Settlement:
        """The settlement of a failed attempt. `wants_retry` is the task's own answer, if it was asked already."""
        held, current = attempt.held, attempt.current
        receipt = held.delivery.receipt
        if isinstance(error, RetryLater):
            return Release(receipt=receipt, delay=self._bounded_delay(getattr(error, "delay", 0.0)))
        if isinstance(error, Discard):
            return Cancel(receipt=receipt, reason=discard_reason(error))
        if not may_retry(attempt.headers, current.attempt):
            return self.buried(attempt, error, "failed")
        if wants_retry is None:
            wants_retry = _asked_to_retry(attempt, error)
        if not wants_retry:
            return self.buried(attempt, error, "not_retryable")
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
            extra=log_fields(current),
        )
        return Retry(receipt=receipt, failure=failure_of(error, self._redact), delay=delay)

    def buried(self, attempt: Attempt, error: BaseException, reason: str) -> Settlement:
        """The settlement of a task that ends here; `failed()` is called once that was applied."""
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
            extra=log_fields(current),
        )
        held.after_burial = partial(self._failed_handlers.start, attempt, error)
        return Bury(receipt=held.delivery.receipt, failure=failure_of(error, self._redact), reason=reason)

    def _bounded_delay(self, delay: object) -> float:
        """A delay that every driver takes, whatever the task asked for."""
        most = self._limits.max_delay
        if not isinstance(delay, int | float) or not delay > 0:  # a NaN is not more than anything
            return 0.0
        return float(min(delay, most))


def _asked_to_retry(attempt: Attempt, error: BaseException) -> bool:
    """The task's answer, given in the attempt's own context."""
    context = attempt.context or copy_context()
    return context.run(wants_retry, attempt, error)


def wants_retry(attempt: Attempt, error: BaseException) -> bool:
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
            extra=log_fields(attempt.current),
        )
        return False
