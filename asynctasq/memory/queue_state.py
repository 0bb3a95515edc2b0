"""One queue: who is ready in which order, how many are where, and who holds which dedupe key."""

import heapq

from asynctasq.contract.checks import PRIORITIES
from asynctasq.contract.envelopes import QueueStats, TaskState
from asynctasq.memory.listener import Listener
from asynctasq.memory.stored_task import StoredTask
from asynctasq.memory.ticks import seconds_of

_SLACK = 64
"""Stale entries that the heaps of a queue may have for free: below that, rebuilding them is not worth the while."""


class QueueState:
    """Counters and indexes of one queue. The store's lock protects it."""

    def __init__(self) -> None:
        self._heaps: list[list[tuple[int, int, StoredTask]]] = [[] for _ in PRIORITIES]
        self._stale = 0
        self.holders: dict[str, StoredTask] = {}
        """Dedupe key -> the waiting or leased task that holds it."""
        self.listeners: set[Listener] = set()
        self.records = 0
        self.ready = 0
        self.scheduled = 0
        self.leased = 0
        self.dead = 0
        self.total_completed = 0
        self.total_dead = 0
        self.total_retried = 0
        self.total_cancelled = 0

    # -- who is ready

    def add_ready(self, stored: StoredTask) -> None:
        """A task became ready."""
        self.ready += 1
        heapq.heappush(self._heaps[stored.task.priority], (stored.available_at, stored.number, stored))
        if self.listeners:
            self.notify_listeners()

    def notify_listeners(self) -> None:
        """There is work to reserve."""
        for listener in self.listeners:
            listener.notify()

    def take_ready(self, limit: int) -> list[StoredTask]:
        """Up to `limit` ready tasks, in the contract's order, for the caller to lease."""
        taken: list[StoredTask] = []
        for heap in reversed(self._heaps):
            while heap and len(taken) < limit:
                available_at, _, stored = heapq.heappop(heap)
                if _is_true(stored, available_at):
                    taken.append(stored)
                else:
                    self._stale -= 1
        self.ready -= len(taken)
        return taken

    def drop_ready(self) -> None:
        """A ready task went elsewhere than into a lease: its entry is stale from now on. Its state, or its
        `available_at`, is changed by now."""
        self.ready -= 1
        self._stale += 1
        if self._stale > self.ready + _SLACK:
            for heap in self._heaps:
                heap[:] = [entry for entry in heap if _is_true(entry[2], entry[0])]
                heapq.heapify(heap)
            self._stale = 0

    def _oldest_ready(self) -> int | None:
        oldest: int | None = None
        for heap in self._heaps:
            while heap and not _is_true(heap[0][2], heap[0][0]):
                heapq.heappop(heap)
                self._stale -= 1
            if heap and (oldest is None or heap[0][0] < oldest):
                oldest = heap[0][0]
        return oldest

    # -- what there is to tell

    def has_history(self) -> bool:
        """Whether the queue has tasks or totals."""
        totals = self.total_completed or self.total_dead or self.total_retried or self.total_cancelled
        return bool(self.records or totals)

    def stats(self, now: int) -> QueueStats:
        """Gauges, age and totals."""
        oldest = self._oldest_ready()
        return QueueStats(
            ready=self.ready,
            scheduled=self.scheduled,
            leased=self.leased,
            dead=self.dead,
            oldest_ready_age=None if oldest is None else max(0.0, seconds_of(now - oldest)),
            total_completed=self.total_completed,
            total_dead=self.total_dead,
            total_retried=self.total_retried,
            total_cancelled=self.total_cancelled,
        )


def _is_true(stored: StoredTask, available_at: int) -> bool:
    return stored.state is TaskState.READY and stored.available_at == available_at
