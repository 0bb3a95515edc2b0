"""New tasks come in."""

from collections.abc import Iterable

from asynctasq.contract.envelopes import NewTask, TaskState
from asynctasq.contract.settlements import EnqueueOutcome
from asynctasq.memory.store import MemoryStore
from asynctasq.memory.stored_task import StoredTask
from asynctasq.memory.ticks import datetime_of, ticks_of_datetime, ticks_of_duration

_ACCEPTED = EnqueueOutcome(accepted=True)


def enqueue(store: MemoryStore, tasks: Iterable[NewTask], now: int) -> list[EnqueueOutcome]:
    """Store each task whose id is not known and whose dedupe key is free."""
    accepted = datetime_of(now)
    known, remembered = store.tasks, store.remembered
    outcomes: list[EnqueueOutcome] = []
    for task in tasks:
        id = task.id
        if id in known or id in remembered:
            outcomes.append(EnqueueOutcome(accepted=False, existing_id=id))
            continue
        queue = store.queue(task.queue)
        key = task.dedupe_key
        if key is not None and (holder := queue.holders.get(key)) is not None:
            outcomes.append(EnqueueOutcome(accepted=False, existing_id=holder.task.id))
            continue
        store.last_number = number = store.last_number + 1
        stored = StoredTask(
            task=task,
            number=number,
            state=TaskState.SCHEDULED,
            available_at=_due(task, now),
            enqueued_at=now,
            accepted=accepted,
        )
        if task.expires_after is not None:
            stored.expires_at = now + ticks_of_duration(task.expires_after)
        if key is not None:
            queue.holders[key] = stored
        store.add(stored, queue)
        store.wait(stored, queue, now)
        outcomes.append(_ACCEPTED)
    return outcomes


def _due(task: NewTask, now: int) -> int:
    if task.available_at is not None:
        return max(now, ticks_of_datetime(task.available_at))
    return now + ticks_of_duration(task.delay) if task.delay else now
