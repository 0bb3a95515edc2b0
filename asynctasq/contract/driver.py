"""The driver contract, version 1.0. Each docstring is the contract of its method.

The rules for every method, what time does by itself, the order of delivery and retention stand in the docstring of the
package, `asynctasq.contract`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, final

import anyio.lowlevel

from asynctasq.contract import checks
from asynctasq.contract.driver_life import DriverLife
from asynctasq.contract.envelopes import (
    Delivery,
    Finding,
    MaintenanceReport,
    NewTask,
    QueueStats,
    Receipt,
    TaskPage,
    TaskRecord,
    TaskState,
)
from asynctasq.contract.features import Pausing, Transactions, WakeUps, WorkerReports
from asynctasq.contract.older_names import missing_attribute
from asynctasq.contract.settlements import (
    CancelOutcome,
    EnqueueOutcome,
    ExtendOutcome,
    ReplayOutcome,
    Settlement,
    SettleOutcome,
)
from asynctasq.contract.traits import DriverTraits
from asynctasq.errors import InvalidArgument


class Driver(DriverLife):
    """A connection to one backend and namespace. The rules of every method: `asynctasq.contract`.

    The public methods are final: they check (open, arguments, limits) and call the author's hook of the same name with
    an underscore. An author writes behaviour only.
    """

    traits: DriverTraits
    """Valid once `connect()` has returned."""
    wake_ups: WakeUps | None = None
    transactions: Transactions | None = None
    pausing: Pausing | None = None
    worker_reports: WorkerReports | None = None

    # -- tasks move

    @final
    async def enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        """Store tasks. Atomic: the whole batch.

        On return the batch is durable (if `DURABLE`) and visible. A known id is a duplicate of that id: the stored
        task is unchanged, and the rest of the batch proceeds; this wins over dedupe. A `dedupe_key` held by a waiting
        or leased task of that queue, or by an earlier task of the batch, is a duplicate of its holder.

        Raises:
            InvalidArgument, PayloadTooLarge: one task is out of bounds; none was stored.
            QueueFull: the store has no room; none was stored.
            DriverUnavailable: unknown whether applied. Sent again, no id is stored twice.
        """
        self._enter()
        try:
            checks.check_new_tasks(tasks, self.traits.limits)
            if not tasks:
                await anyio.lowlevel.checkpoint()
                return []
            return await self._enqueue_many(tasks)
        finally:
            self._leave()

    @final
    async def reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        """Take up to `limit` due tasks under a lease of `lease` seconds. Atomic: each delivery.

        It never waits for tasks. Queues are served in the given order, in strict order inside each; paused queues are
        left out. **No task is in two live leases.** Each delivery adds one to `attempt` and has a fresh receipt.
        It may return fewer than are eligible, even none, while it clears what time has ended, but every call makes
        progress: an empty list is no proof of an empty queue. A second call takes other tasks.

        Args:
            queues: Names, in the order in which they are served; the same name twice is once.
            limit: The most deliveries, 1 to `limits.max_batch`.
            lease: Seconds, more than 0, rounded up to `limits.time_resolution`; a delivery says what was granted.
            worker: Whose lease it is, for people to look at: it stays in the record, and plays no part in settling.

        Raises:
            InvalidArgument: an argument is out of bounds; nothing was leased.
            DriverUnavailable: unknown whether applied. Leases that nobody knows lapse.
        """
        self._enter()
        try:
            limits = self.traits.limits
            checks.check_identifiers("queue", queues)
            checks.check_limit("limit", limit, limits)
            checks.check_duration("lease", lease, limits, positive=True)
            checks.check_text("worker", worker)
            if not queues:
                await anyio.lowlevel.checkpoint()
                return []
            return await self._reserve(_unique(queues), limit=limit, lease=lease, worker=worker)
        finally:
            self._leave()

    @final
    async def settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        """End deliveries: any mix of settlements, in a number of round trips that does not depend on the batch.
        Atomic: each item.

        `STALE`, without effect or exception: the lease ended, the task was redelivered, settled, deleted, or never
        issued; also the second of two equal receipts. Otherwise `APPLIED`. Retry and Release of a task whose
        cancellation was requested, or that has expired, end it so (`APPLIED`; the failure is kept; cancellation wins
        over expiry). A result is visible together with its completion. `follow_ups` are stored in the same atomic
        step, after the completion has freed its dedupe key; a duplicate follow-up is skipped; a STALE item stores
        none. Bury keeps payload, attempts and failures. Release gives the attempt back.

        Raises:
            InvalidArgument, PayloadTooLarge: one settlement or follow-up is out of bounds; none was applied.
            QueueFull: the store has no room for a follow-up, a result or a failure; none was applied.
            DriverUnavailable: unknown which were applied. Send the same batch again: STALE then means "applied or
                lost".
        """
        self._enter()
        try:
            checks.check_settlements(settlements, self.traits.limits)
            if not settlements:
                await anyio.lowlevel.checkpoint()
                return []
            return await self._settle_many(settlements)
        finally:
            self._leave()

    @final
    async def extend_many(self, receipts: Sequence[Receipt], *, lease: float) -> list[ExtendOutcome]:
        """Heartbeat. Each lease's new end is max(its current end, now + `lease` seconds). Atomic: each item.

        Stale as in `settle_many`; equal receipts both apply. A requested cancellation rides on the outcome. No
        call shortens a lease.

        Raises:
            InvalidArgument: a receipt is no string, or `lease` is no duration above 0.
            DriverUnavailable: unknown which were extended. Sending it again does no harm.
        """
        self._enter()
        try:
            checks.check_receipts(receipts, self.traits.limits)
            checks.check_duration("lease", lease, self.traits.limits, positive=True)
            if not receipts:
                await anyio.lowlevel.checkpoint()
                return []
            return await self._extend_many(receipts, lease=lease)
        finally:
            self._leave()

    # -- tasks are managed

    @final
    async def cancel_many(self, ids: Sequence[str]) -> list[CancelOutcome]:
        """Cancel tasks. Atomic: each item.

        Waiting or already cancelled: `CANCELLED`. Leased: `REQUESTED`; a later Complete or Bury still stands, while
        Retry, Release and a lapse end the task as cancelled. Completed, dead, or known without a record: `TOO_LATE`.
        Unknown: `NOT_FOUND`. A second call answers the same, until the task has moved on.

        Raises:
            InvalidArgument: an id is none.
            DriverUnavailable: unknown which were cancelled. Send it again.
        """
        self._enter()
        try:
            self._check_ids(ids)
            if not ids:
                await anyio.lowlevel.checkpoint()
                return []
            return await self._cancel_many(_plain(ids))
        finally:
            self._leave()

    @final
    async def replay_many(self, ids: Sequence[str]) -> list[ReplayOutcome]:
        """Make dead letters ready again. Atomic: each item.

        Attempts 0, available now, failures kept, `expires_after` and `cancel_requested` cleared, the dedupe key taken
        again: held by another task, it is `DUPLICATE` and the dead letter is unchanged. Not dead: `NOT_DEAD`, which is
        also the answer to a second call. No record: `NOT_FOUND`.

        Raises:
            InvalidArgument: an id is none.
            DriverUnavailable: unknown which were replayed. Send it again.
        """
        self._enter()
        try:
            self._check_ids(ids)
            if not ids:
                await anyio.lowlevel.checkpoint()
                return []
            return await self._replay_many(_plain(ids))
        finally:
            self._leave()

    @final
    async def delete_many(self, ids: Sequence[str]) -> list[bool]:
        """Delete records, and forget their ids. Any record but a leased one; False for that, and for no record (so
        also for the second of two equal calls). Atomic: each item.

        Raises:
            InvalidArgument: an id is none.
            DriverUnavailable: unknown which were deleted. Send it again.
        """
        self._enter()
        try:
            self._check_ids(ids)
            if not ids:
                await anyio.lowlevel.checkpoint()
                return []
            return await self._delete_many(_plain(ids))
        finally:
            self._leave()

    @final
    async def purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None = None) -> None:
        """Remove every task of these queues that is in one of `states` (None: all of them, leased included, whose
        receipts go stale). Forgets the ids; keeps totals and pauses. Atomic: each task. What is enqueued meanwhile may
        stay; a second call removes it.

        Raises:
            InvalidArgument: a queue or a state is none.
            DriverUnavailable: unknown how much was removed. Send it again.
        """
        self._enter()
        try:
            checks.check_identifiers("queue", queues)
            wanted = None if states is None else tuple(dict.fromkeys(TaskState(state) for state in states))
            if not queues or wanted == ():
                await anyio.lowlevel.checkpoint()
                return
            await self._purge(_unique(queues), states=wanted)
        except ValueError as error:
            raise InvalidArgument(f"{error}; wanted states of {', '.join(TaskState)}") from error
        finally:
            self._leave()

    # -- looking

    @final
    async def get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        """The records of these ids, each as of one instant. Missing ids are absent. Changes nothing."""
        self._enter()
        try:
            self._check_ids(ids)
            if not ids:
                await anyio.lowlevel.checkpoint()
                return {}
            return await self._get_tasks(_unique(ids))
        finally:
            self._leave()

    @final
    async def list_tasks(
        self,
        *,
        queue: str | None = None,
        state: TaskState | None = None,
        name: str | None = None,
        correlation_id: str | None = None,
        older_than: float | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> TaskPage:
        """One page of the tasks that match every filter given, in an order that is the driver's own.

        A page may be short, even empty: only `after=None` in the page ends the list; otherwise pass it on. A task that
        stays unchanged comes exactly once. `older_than` is seconds since `enqueued_at`. Each call does bounded work.

        Raises:
            InvalidArgument: `after` came from no page of this driver.
        """
        self._enter()
        try:
            if queue is not None:
                checks.check_identifier("queue", queue)
            for what, text in (("name", name), ("correlation_id", correlation_id)):
                if text is not None:
                    checks.check_text(what, text)
            if older_than is not None:
                checks.check_duration("older_than", older_than, self.traits.limits)
            checks.check_limit("limit", limit, self.traits.limits)
            return await self._list_tasks(
                queue=queue,
                state=None if state is None else _state(state),
                name=name,
                correlation_id=correlation_id,
                older_than=older_than,
                limit=limit,
                after=after,
            )
        finally:
            self._leave()

    @final
    async def queue_stats(self, queues: Sequence[str] | None = None) -> dict[str, QueueStats]:
        """Gauges, ages and totals per queue. None: every queue with tasks, totals or a pause. A queue that is not
        known has zeros. May cost O(live tasks); the core asks at most every 5 seconds."""
        self._enter()
        try:
            if queues is not None:
                checks.check_identifiers("queue", queues)
                if not queues:
                    await anyio.lowlevel.checkpoint()
                    return {}
            return await self._queue_stats(None if queues is None else _unique(queues))
        finally:
            self._leave()

    @final
    async def now(self) -> datetime:
        """The backend's clock, aware UTC."""
        self._enter()
        try:
            return await self._now()
        finally:
            self._leave()

    # -- care

    @final
    async def maintain(self, *, limit: int) -> MaintenanceReport:
        """Store what time ended and forget what is due, at most about `limit` tasks. Any worker, any time,
        concurrently: two calls share the work. Atomic: each task.

        Raises:
            InvalidArgument: `limit` is not from 1 to `limits.max_batch`.
            DriverUnavailable: unknown how much was done. The next call goes on.
        """
        self._enter()
        try:
            checks.check_limit("limit", limit, self.traits.limits)
            return await self._maintain(limit=limit)
        finally:
            self._leave()

    @final
    async def diagnose(self) -> list[Finding]:
        """What an operator should change in this store: isolation, eviction, persistence, versions, old snapshots.
        Empty if all is well, or if the driver has nothing to look at."""
        self._enter()
        try:
            await anyio.lowlevel.checkpoint()
            return await self._diagnose()
        finally:
            self._leave()

    if not TYPE_CHECKING:  # checkers know what a driver has, and should go on complaining of the rest

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(missing_attribute(type(self), name), name=name, obj=self)

    def _check_ids(self, ids: Sequence[str]) -> None:
        checks.check_identifiers("id", ids)
        checks.check_batch("ids", len(ids), self.traits.limits)


def _plain(texts: Sequence[str]) -> list[str]:
    """Handles of tasks and members of enums are `str`s as well; what reaches an author is nothing but text."""
    return [str.__str__(text) for text in texts]


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_plain(names)))


def _state(state: object) -> TaskState:
    try:
        return TaskState(state)
    except ValueError as error:
        raise InvalidArgument(f"state is {state!r}; wanted one of {', '.join(TaskState)}") from error
