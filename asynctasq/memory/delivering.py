"""Leases: given by reserve, prolonged by heartbeats."""

import secrets
from collections.abc import Iterable

from asynctasq.contract.envelopes import Delivery, Receipt
from asynctasq.contract.settlements import ExtendOutcome
from asynctasq.memory.store import MemoryStore
from asynctasq.memory.ticks import seconds_of, ticks_of_duration

_STALE = ExtendOutcome(applied=False)


def reserve(
    store: MemoryStore, queues: Iterable[str], *, limit: int, lease: float, worker: str, now: int
) -> list[Delivery]:
    """Lease up to `limit` ready tasks, queue after queue."""
    duration = ticks_of_duration(lease)
    granted = seconds_of(duration)
    end = now + duration
    receipts = store.receipts
    call = secrets.token_hex(8)  # fresh for every call: with the place in the answer it makes a fresh receipt
    deliveries: list[Delivery] = []
    for name in queues:
        queue = store.queues.get(name)
        if queue is None or name in store.paused:
            continue
        taken = queue.take_ready(limit - len(deliveries))
        if not taken:
            continue
        for stored in taken:
            if stored.moment is not None:
                store.deadlines.cancel(stored)  # its expiry: a live lease is never expired
        bucket = store.deadlines.bucket(end)
        for stored in taken:
            task = stored.task
            receipt = f"{call}-{len(deliveries)}"
            stored.available_at = stored.moment = end
            stored.receipt = receipt
            stored.attempts += 1
            stored.worker = worker
            stored.started_at = now
            bucket[stored.number] = stored
            receipts[receipt] = stored
            deliveries.append(
                Delivery(
                    id=task.id,
                    queue=name,
                    name=task.name,
                    payload=task.payload,
                    correlation_id=task.correlation_id,
                    priority=task.priority,
                    attempt=stored.attempts,
                    receipt=Receipt(receipt),
                    enqueued_at=stored.accepted,
                    lease=granted,
                )
            )
        if len(deliveries) == limit:
            break
    return deliveries


def extend(store: MemoryStore, receipts: Iterable[Receipt], *, lease: float, now: int) -> list[ExtendOutcome]:
    """Move the ends of live leases, never to an earlier time."""
    end = now + ticks_of_duration(lease)
    outcomes: list[ExtendOutcome] = []
    for receipt in receipts:
        stored = store.receipts.get(receipt)
        if stored is None:
            outcomes.append(_STALE)
            continue
        if end > stored.available_at:
            store.deadlines.cancel(stored)
            store.deadlines.set(stored, end)
            stored.available_at = end
        left = seconds_of(stored.available_at - now)
        outcomes.append(ExtendOutcome(applied=True, lease=left, cancel_requested=stored.cancel_requested))
    return outcomes
