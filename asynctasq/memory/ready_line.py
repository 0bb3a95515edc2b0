"""The ready tasks of one queue and one priority, in order of `available_at` and then of enqueueing.

Most tasks come in that order, and those only have to be appended; the others (a lapsed lease, a retry that was due
long ago) go into a heap beside it. So a long queue costs no more per task than a short one.
"""

import heapq
from collections import deque

from asynctasq.contract.envelopes import TaskState
from asynctasq.memory.stored_task import StoredTask

_SLACK = 64
"""Stale entries that a line may have for free: below that, sweeping it is not worth the while."""

_Entry = tuple[int, int, StoredTask]
"""`available_at`, number, task. Equal numbers mean the same task, so two tasks are never compared. An entry is stale
once the task is not ready any more, or ready since another time. A task may have two true entries (dead and replayed
within one microsecond): taking the first one makes the other one stale."""


class ReadyLine:
    """First in the order is first out. Stale entries are skipped, and swept out when they outnumber the others."""

    def __init__(self) -> None:
        self._in_order: deque[_Entry] = deque()
        self._heap: list[_Entry] = []
        self._stale = 0

    def __len__(self) -> int:
        """Entries, stale ones included."""
        return len(self._in_order) + len(self._heap)

    def add(self, stored: StoredTask) -> None:
        """A task became ready."""
        entry = (stored.available_at, stored.number, stored)
        in_order = self._in_order
        if not in_order or in_order[-1] < entry:
            in_order.append(entry)
        else:
            heapq.heappush(self._heap, entry)

    def take(self, limit: int, taken: list[StoredTask]) -> None:
        """Move ready tasks into `taken`, in state leased, until it has `limit` of them or none is left here."""
        in_order, heap = self._in_order, self._heap
        while len(taken) < limit and (in_order or heap):
            is_heap_first = heap and (not in_order or heap[0] < in_order[0])
            entry = heapq.heappop(heap) if is_heap_first else in_order.popleft()
            stored = entry[2]
            if stored.state is TaskState.READY and stored.available_at == entry[0]:
                stored.state = TaskState.LEASED
                taken.append(stored)
            else:
                self._stale -= 1

    def went_stale(self) -> None:
        """A task of this line went elsewhere than into `taken`; its entry is stale by now."""
        self._stale += 1
        if self._stale > len(self) // 2 + _SLACK:
            self._in_order = deque(entry for entry in self._in_order if _is_true(entry))
            self._heap = [entry for entry in self._heap if _is_true(entry)]
            heapq.heapify(self._heap)
            self._stale = 0

    def oldest(self) -> int | None:
        """The smallest `available_at`."""
        while self._in_order and not _is_true(self._in_order[0]):
            self._in_order.popleft()
            self._stale -= 1
        while self._heap and not _is_true(self._heap[0]):
            heapq.heappop(self._heap)
            self._stale -= 1
        return min((entries[0][0] for entries in (self._in_order, self._heap) if entries), default=None)


def _is_true(entry: _Entry) -> bool:
    return entry[2].state is TaskState.READY and entry[2].available_at == entry[0]
