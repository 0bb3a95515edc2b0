"""What people do to tasks: cancel, replay, delete, purge; and the care that forgets what is due."""

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from asynctasq.contract.envelopes import MaintenanceReport, TaskState
from asynctasq.contract.settlements import CancelOutcome, ReplayOutcome, ReplayStatus
from asynctasq.memory.store import CANCELLED, MemoryStore
from asynctasq.memory.stored_task import StoredTask

_REPLAYED = ReplayOutcome(status=ReplayStatus.REPLAYED)
_NOT_DEAD = ReplayOutcome(status=ReplayStatus.NOT_DEAD)
_NOT_FOUND = ReplayOutcome(status=ReplayStatus.NOT_FOUND)


def cancel(store: MemoryStore, ids: Iterable[str], now: int) -> list[CancelOutcome]:
    """End waiting tasks; of leased ones, request it."""
    return [_cancel(store, id, now) for id in ids]


def _cancel(store: MemoryStore, id: str, now: int) -> CancelOutcome:
    stored = store.tasks.get(id)
    if stored is None:
        return CancelOutcome.TOO_LATE if id in store.remembered else CancelOutcome.NOT_FOUND
    if stored.state is TaskState.LEASED:
        stored.cancel_requested = True
        return CancelOutcome.REQUESTED
    if stored.state in (TaskState.COMPLETED, TaskState.DEAD):
        return CancelOutcome.TOO_LATE
    if stored.state is not TaskState.CANCELLED:
        store.finish(stored, TaskState.CANCELLED, now, reason=CANCELLED)
    return CancelOutcome.CANCELLED


def replay(store: MemoryStore, ids: Iterable[str], now: int) -> list[ReplayOutcome]:
    """Make dead letters ready again."""
    return [_replay(store, store.tasks.get(id), now) for id in ids]


def _replay(store: MemoryStore, stored: StoredTask | None, now: int) -> ReplayOutcome:
    if stored is None:
        return _NOT_FOUND
    if stored.state is not TaskState.DEAD:
        return _NOT_DEAD
    key = stored.task.dedupe_key
    if key is not None:
        holder = store.queues[stored.task.queue].holders.setdefault(key, stored)
        if holder is not stored:
            return ReplayOutcome(status=ReplayStatus.DUPLICATE, existing_id=holder.task.id)
    queue = store.leave(stored)
    stored.task = replace(stored.task, expires_after=None)
    stored.expires_at = None
    stored.attempts = 0
    stored.cancel_requested = False
    stored.reason = None
    stored.finished_at = None
    stored.available_at = now
    store.wait(stored, queue, now)
    return _REPLAYED


def delete(store: MemoryStore, ids: Iterable[str]) -> list[bool]:
    """Remove records, but no leased ones."""
    return [_delete(store, store.tasks.get(id)) for id in ids]


def _delete(store: MemoryStore, stored: StoredTask | None) -> bool:
    if stored is None or stored.state is TaskState.LEASED:
        return False
    store.remove(stored)
    return True


def purge(store: MemoryStore, queues: Collection[str], states: Collection[TaskState] | None) -> None:
    """Remove all tasks of these queues and states."""
    doomed = [
        stored
        for stored in store.tasks.values()
        if stored.task.queue in queues and (states is None or stored.state in states)
    ]
    for stored in doomed:
        store.remove(stored)


def maintain(store: MemoryStore, *, limit: int, now: int) -> MaintenanceReport:
    """End records and forget ids whose time has come. What time ended was stored when this call began."""
    removed = 0
    while removed < limit and (stored := store.retention.take_due(now)) is not None:
        stored.moment = None
        store.end_record(stored, now)
        removed += 1
    removed += store.remembered.forget_due(now, limit - removed)
    for worker in [worker for worker, (_, gone_at) in store.worker_reports.items() if gone_at <= now]:
        del store.worker_reports[worker]
    return MaintenanceReport(removed=removed, more=store.retention.is_due(now) or store.remembered.is_due(now))
