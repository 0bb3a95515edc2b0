"""Writes every call of a driver's methods down, with its outcomes, whichever driver it is: for child processes only,
because it changes the base class of all drivers. And what a worker knew when it went on to a body."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from asynctasq.contract.driver import Driver
from asynctasq.driver_api import Complete, Delivery, EnqueueOutcome, ExtendOutcome, NewTask, Settlement, SettleOutcome
from asynctasq.runtime import worker_run
from asynctasq.runtime.held_deliveries import Held
from asynctasq.runtime.lane import Lane
from asynctasq.runtime.process_pool import Child, ProcessPool
from asynctasq.runtime.process_protocol import Answer, Request
from asynctasq.runtime.task_runner import TaskRunner
from tests.torture.history import CallBegan, CallEnded, History, LeaseLookedAt


def record_driver_calls(history: History) -> None:
    """From now on, every driver of this process is watched."""
    calls = itertools.count()

    def watch(method: str, items_of: Callable[..., list[Any]], shown: Callable[[Any], Any]) -> None:
        original = getattr(Driver, method)

        async def watched(self: Driver, *arguments: Any, **options: Any) -> Any:
            call = next(calls)
            history.write(CallBegan(call, method, time.monotonic(), items_of(*arguments, **options)))
            try:
                outcomes = await original(self, *arguments, **options)
            except BaseException as error:
                history.write(CallEnded(call, time.monotonic(), error=type(error).__name__))
                raise
            history.write(CallEnded(call, time.monotonic(), [shown(outcome) for outcome in outcomes]))
            return outcomes

        setattr(Driver, method, watched)

    watch("enqueue_many", _enqueued, _enqueue_outcome)
    watch("reserve", _asked, _delivery)
    watch("settle_many", _settlements, _settle_outcome)
    watch("extend_many", _extended, _extend_outcome)


def record_looks(history: History) -> None:
    """From now on it is written down what a worker's clock had shown when it went on to a body."""
    seen = threading.local()
    run, run_in = TaskRunner.run, ProcessPool.run_in

    def clock() -> float:
        seen.at = time.monotonic()
        return seen.at

    async def watched_run(self: TaskRunner, lane: Lane, held: Held) -> Settlement | None:
        worker = self._preparer._worker_id
        history.write(LeaseLookedAt(seen.at, held.delivery.id, held.delivery.attempt, worker))
        return await run(self, lane, held)

    async def watched_run_in(
        self: ProcessPool, child: Child, request: Request, may_begin: Callable[[], bool]
    ) -> Answer:
        def looked() -> bool:
            answer = may_begin()
            history.write(LeaseLookedAt(seen.at, request.id, request.attempt, request.worker_id))
            return answer

        history.write(LeaseLookedAt(seen.at, request.id, request.attempt, request.worker_id))
        return await run_in(self, child, request, looked)

    worker_run._clock = lambda *, in_thread: clock
    TaskRunner.run = watched_run
    ProcessPool.run_in = watched_run_in


def _enqueued(tasks: Sequence[NewTask]) -> list[Any]:
    return [[task.id, task.delay] for task in tasks]


def _enqueue_outcome(outcome: EnqueueOutcome) -> Any:
    return outcome.accepted


def _asked(queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Any]:
    return [lease, worker, limit]


def _delivery(delivery: Delivery) -> Any:
    return [delivery.id, delivery.receipt, delivery.attempt, delivery.queue, delivery.priority]


def _settlements(settlements: Sequence[Settlement]) -> list[Any]:
    return [[one.receipt, type(one).__name__, getattr(one, "delay", 0.0), _follow_ups(one)] for one in settlements]


def _follow_ups(settlement: Settlement) -> list[Any]:
    return _enqueued(settlement.follow_ups) if isinstance(settlement, Complete) else []


def _settle_outcome(outcome: SettleOutcome) -> Any:
    return outcome.value


def _extended(receipts: Sequence[str], *, lease: float) -> list[Any]:
    return [[receipt, lease] for receipt in receipts]


def _extend_outcome(outcome: ExtendOutcome) -> Any:
    return outcome.applied
