"""Reading: records, lists and statistics. Nothing in here changes a task."""

import re
from collections.abc import Iterable

from asynctasq.contract.envelopes import QueueStats, TaskPage, TaskRecord, TaskState
from asynctasq.errors import InvalidArgument
from asynctasq.memory.queue_state import QueueState
from asynctasq.memory.store import MemoryStore
from asynctasq.memory.stored_task import StoredTask
from asynctasq.memory.ticks import ticks_of_duration

_is_token = re.compile(r"[1-9][0-9]{0,18}").fullmatch
_EMPTY = QueueState()


def records(store: MemoryStore, ids: Iterable[str], now: int) -> dict[str, TaskRecord]:
    """The records of these ids, as far as there are any."""
    return {id: stored.record(now) for id in ids if (stored := store.tasks.get(id)) is not None}


def page(
    store: MemoryStore,
    *,
    queue: str | None,
    state: TaskState | None,
    name: str | None,
    correlation_id: str | None,
    older_than: float | None,
    limit: int,
    after: str | None,
    now: int,
) -> TaskPage:
    """One page in enqueue order. Its `after` is the number of the last task that was looked at."""
    latest = None if older_than is None else now - ticks_of_duration(older_than)

    def is_wanted(stored: StoredTask) -> bool:
        task = stored.task
        return (
            (queue is None or task.queue == queue)
            and (state is None or stored.state is state)
            and (name is None or task.name == name)
            and (correlation_id is None or task.correlation_id == correlation_id)
            and (latest is None or stored.enqueued_at <= latest)
        )

    found, last = store.order.page(_number(after), is_wanted, limit, store.tasks)
    records = tuple(stored.record(now) for stored in found)
    return TaskPage(tasks=records, after=None if last is None else str(last))


def _number(after: object) -> int:
    if after is None:
        return 0
    if not isinstance(after, str) or _is_token(after) is None:
        raise InvalidArgument(f"after is {after!r:.80}; wanted the `after` of a page of this driver, or None")
    return int(after)


def stats(store: MemoryStore, queues: Iterable[str] | None, now: int) -> dict[str, QueueStats]:
    """Gauges, ages and totals."""
    if queues is None:
        with_history = (name for name, queue in store.queues.items() if queue.has_history())
        queues = dict.fromkeys((*with_history, *sorted(store.paused)))
    return {name: store.queues.get(name, _EMPTY).stats(now) for name in queues}
