"""All tasks of one namespace in this process, and the only places where a task changes its state.

Whoever works on a store does so inside `with store as now:`, which takes the store's lock, carries out what time has
decided since the last call, and gives the time in ticks. Nothing is awaited in there.
"""

import threading
from collections.abc import Callable

from asynctasq.contract.envelopes import TaskState, WorkerReport
from asynctasq.memory.enqueue_order import EnqueueOrder
from asynctasq.memory.queue_state import QueueState
from asynctasq.memory.remembered_ids import RememberedIds
from asynctasq.memory.stored_task import GONE, StoredTask
from asynctasq.memory.ticks import ticks_of_clock, ticks_of_duration
from asynctasq.memory.timers import Timers

EXPIRED = "expired"
CANCELLED = "cancelled"


class MemoryStore:
    """The tasks, their indexes, and what time does to them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.dead_retention: int | None = None
        """How long a dead letter is kept, in ticks; None: until somebody removes it."""
        self.tasks: dict[str, StoredTask] = {}
        """Every task that has a record, by id."""
        self.receipts: dict[str, StoredTask] = {}
        """Every live lease."""
        self.remembered = RememberedIds()
        self.queues: dict[str, QueueState] = {}
        self.paused: set[str] = set()
        self.worker_reports: dict[str, tuple[WorkerReport, int]] = {}
        """Worker -> its report, and when that is gone."""
        self.deadlines = Timers()
        """Due times, lease ends and expiries: carried out by the next call, whatever it is."""
        self.retention = Timers()
        """The ends of records: carried out by `maintain` alone."""
        self.order = EnqueueOrder()
        self.last_number = 0
        self._lock = threading.Lock()

    def __enter__(self) -> int:
        self._lock.acquire()
        try:
            now = ticks_of_clock(self.clock())
            if self.deadlines.is_due(now):
                while (stored := self.deadlines.take_due(now)) is not None:
                    self._time_has_come(stored, now)
            self.order.compact(self.tasks)
        except BaseException:
            self._lock.release()
            raise
        return now

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def keep_dead_letters(self, ticks: int | None) -> None:
        """From now on keep dead letters so long, those that are here already as well."""
        with self:
            if ticks == self.dead_retention:
                return
            self.dead_retention = ticks
            for stored in self.tasks.values():
                if stored.state is TaskState.DEAD:
                    self.retention.cancel(stored)
                    self._retain_dead(stored)

    def queue(self, name: str) -> QueueState:
        """The state of this queue, which is made if need be."""
        queue = self.queues.get(name)
        if queue is None:
            queue = self.queues[name] = QueueState()
        return queue

    def _time_has_come(self, stored: StoredTask, now: int) -> None:
        moment, stored.moment = stored.moment, None
        assert moment is not None
        if stored.state is TaskState.LEASED:
            if self.end_if_ended(stored, moment):
                return
        elif stored.expires_at is not None and stored.expires_at <= moment:
            self.finish(stored, TaskState.DEAD, moment, reason=EXPIRED)
            return
        queue = self.leave(stored)
        self.wait(stored, queue, now)

    # -- every change of a state

    def add(self, stored: StoredTask, queue: QueueState) -> None:
        """A new task, from now on known and listed; it waits next."""
        id = stored.task.id
        self.tasks[id] = stored
        self.order.append(stored.number, id)
        queue.records += 1

    def wait(self, stored: StoredTask, queue: QueueState, now: int) -> None:
        """Let a task wait that is in no state (new, or after `leave`): scheduled or ready, by its `available_at`."""
        moment = stored.expires_at
        if stored.available_at <= now:
            stored.state = TaskState.READY
            queue.add_ready(stored)
        else:
            stored.state = TaskState.SCHEDULED
            queue.scheduled += 1
            if moment is None or stored.available_at < moment:
                moment = stored.available_at
        if moment is not None:
            self.deadlines.set(stored, moment)

    def leave(self, stored: StoredTask, state: TaskState | None = None) -> QueueState:
        """Take a task out of the state that it is in; `state` is the next one, if that is known already."""
        queue = self.queues[stored.task.queue]
        left = stored.state
        if state is not None:
            stored.state = state
        if left is TaskState.LEASED:
            queue.leased -= 1
            assert stored.receipt is not None
            del self.receipts[stored.receipt]
            stored.receipt = None
            self.deadlines.cancel(stored)
        elif left is TaskState.READY:
            queue.drop_ready(stored)
            self.deadlines.cancel(stored)
        elif left is TaskState.SCHEDULED:
            queue.scheduled -= 1
            self.deadlines.cancel(stored)
        elif left is TaskState.DEAD:
            queue.dead -= 1
            self.retention.cancel(stored)
        else:
            self.retention.cancel(stored)
        return queue

    def end_if_ended(self, stored: StoredTask, at: int) -> bool:
        """A leased task is about to wait again: end it instead, if its cancellation was requested or it has expired.
        Cancellation wins."""
        if stored.cancel_requested:
            self.finish(stored, TaskState.CANCELLED, at, reason=CANCELLED)
        elif stored.expires_at is not None and stored.expires_at <= at:
            self.finish(stored, TaskState.DEAD, at, reason=EXPIRED)
        else:
            return False
        return True

    def finish(self, stored: StoredTask, state: TaskState, at: int, *, reason: str | None = None) -> None:
        """End a waiting or leased task: completed, dead or cancelled."""
        task = stored.task
        queue = self.leave(stored, state)
        if task.dedupe_key is not None:
            del queue.holders[task.dedupe_key]
        stored.reason = reason
        stored.finished_at = at
        if state is TaskState.DEAD:
            queue.dead += 1
            queue.total_dead += 1
            self._retain_dead(stored)
        elif state is TaskState.CANCELLED:
            queue.total_cancelled += 1
            self.retention.set(stored, at + ticks_of_duration(task.remember_for))
        else:
            queue.total_completed += 1
            if task.keep_for:
                self.retention.set(stored, at + ticks_of_duration(task.keep_for))
            else:
                self._drop_record(stored, queue)
                self._remember(stored, at)

    def _retain_dead(self, stored: StoredTask) -> None:
        if self.dead_retention is not None:
            assert stored.finished_at is not None
            self.retention.set(stored, stored.finished_at + self.dead_retention)

    # -- every way out

    def end_record(self, stored: StoredTask, now: int) -> None:
        """A finished task's record is kept no longer; its id stays known as long as it was promised."""
        self._drop_record(stored, self.leave(stored))
        self._remember(stored, now)

    def remove(self, stored: StoredTask) -> None:
        """Remove a task in whatever state, and forget its id."""
        stored.available_at = GONE
        queue = self.leave(stored)
        key = stored.task.dedupe_key
        if key is not None and queue.holders.get(key) is stored:
            del queue.holders[key]
        self._drop_record(stored, queue)

    def _drop_record(self, stored: StoredTask, queue: QueueState) -> None:
        queue.records -= 1
        del self.tasks[stored.task.id]

    def _remember(self, stored: StoredTask, now: int) -> None:
        assert stored.finished_at is not None
        until = stored.finished_at + ticks_of_duration(stored.task.remember_for)
        if until > now:
            self.remembered.add(stored.task.id, until)
