"""Deliveries end. Every settlement is fenced by its receipt: it applies to a live lease, or not at all."""

from collections.abc import Iterable

from asynctasq.contract.envelopes import Failure, FailureRecord, TaskState
from asynctasq.contract.settlements import Bury, Complete, Release, Retry, Settlement, SettleOutcome
from asynctasq.memory.enqueueing import enqueue
from asynctasq.memory.store import MemoryStore
from asynctasq.memory.stored_task import StoredTask
from asynctasq.memory.ticks import datetime_of, ticks_of_duration

_FAILURES_KEPT = 10


def settle(store: MemoryStore, settlements: Iterable[Settlement], now: int) -> list[SettleOutcome]:
    """Apply each settlement whose lease is live."""
    outcomes: list[SettleOutcome] = []
    for settlement in settlements:
        stored = store.receipts.get(settlement.receipt)
        if stored is None:
            outcomes.append(SettleOutcome.STALE)
            continue
        if type(settlement) is Complete:
            stored.result = settlement.result
            store.finish(stored, TaskState.COMPLETED, now)
            if settlement.follow_ups:
                enqueue(store, settlement.follow_ups, now)
        else:
            _apply(store, stored, settlement, now)
        outcomes.append(SettleOutcome.APPLIED)
    return outcomes


def _apply(store: MemoryStore, stored: StoredTask, settlement: Settlement, now: int) -> None:
    if isinstance(settlement, Retry):
        _note(stored, settlement.failure, now)
        if _wait_again(store, stored, settlement.delay, now):
            store.queues[stored.task.queue].total_retried += 1
    elif isinstance(settlement, Release):
        stored.attempts -= 1
        _wait_again(store, stored, settlement.delay, now)
    elif isinstance(settlement, Bury):
        _note(stored, settlement.failure, now)
        store.finish(stored, TaskState.DEAD, now, reason=settlement.reason)
    elif not isinstance(settlement, Complete):
        store.finish(stored, TaskState.CANCELLED, now, reason=settlement.reason)


def _wait_again(store: MemoryStore, stored: StoredTask, delay: float, now: int) -> bool:
    """Whether it does: a requested cancellation or an expiry ends it instead."""
    if store.end_if_ended(stored, now):
        return False
    queue = store.leave(stored)
    stored.available_at = now + ticks_of_duration(delay)
    store.wait(stored, queue, now)
    return True


def _note(stored: StoredTask, failure: Failure, now: int) -> None:
    assert stored.worker is not None
    record = FailureRecord(
        type=failure.type,
        message=failure.message,
        traceback=failure.traceback,
        attempt=stored.attempts,
        worker=stored.worker,
        at=datetime_of(now),
    )
    stored.failures = (*stored.failures[1 - _FAILURES_KEPT :], record)
