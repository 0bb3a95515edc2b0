"""One queue: who is ready in which order, how many are where, and who holds which dedupe key."""

from asynctasq.contract.checks import PRIORITIES
from asynctasq.contract.envelopes import QueueStats
from asynctasq.memory.listener import Listener
from asynctasq.memory.ready_line import ReadyLine
from asynctasq.memory.stored_task import StoredTask
from asynctasq.memory.ticks import seconds_of


class QueueState:
    """Counters and indexes of one queue. The store's lock protects it."""

    def __init__(self) -> None:
        self._lines = [ReadyLine() for _ in PRIORITIES]
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
        self._lines[stored.task.priority].add(stored)
        if self.listeners:
            self.notify_listeners()

    def notify_listeners(self) -> None:
        """There is work to reserve."""
        for listener in self.listeners:
            listener.notify()

    def take_ready(self, limit: int) -> list[StoredTask]:
        """Up to `limit` ready tasks in the contract's order, in state leased: the caller does the rest of it."""
        taken: list[StoredTask] = []
        if self.ready:
            for line in reversed(self._lines):
                line.take(limit, taken)
            self.ready -= len(taken)
            self.leased += len(taken)
        return taken

    def drop_ready(self, stored: StoredTask) -> None:
        """A ready task went elsewhere than into a lease. Its state, or its `available_at`, is changed by now."""
        self.ready -= 1
        self._lines[stored.task.priority].went_stale()

    def _oldest_ready(self) -> int | None:
        return min((oldest for line in self._lines if (oldest := line.oldest()) is not None), default=None)

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
