"""The built-in driver: tasks in this process's memory, for tests, for development and for work that may be lost.

Each hook is one checkpoint, and then one step under the store's lock that nothing interrupts: a cancelled call has
done nothing.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from anyio.lowlevel import checkpoint

from asynctasq.contract.checks import check_duration, check_identifier
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import (
    Delivery,
    MaintenanceReport,
    NewTask,
    QueueStats,
    Receipt,
    TaskPage,
    TaskRecord,
    TaskState,
)
from asynctasq.contract.settlements import (
    CancelOutcome,
    EnqueueOutcome,
    ExtendOutcome,
    ReplayOutcome,
    Settlement,
    SettleOutcome,
)
from asynctasq.contract.traits import DriverTraits, Guarantee, Limits
from asynctasq.memory import delivering, enqueueing, looking, managing, settling
from asynctasq.memory.pausing import MemoryPausing
from asynctasq.memory.store import MemoryStore
from asynctasq.memory.stores import stores
from asynctasq.memory.ticks import TICK, datetime_of
from asynctasq.memory.wake_ups import MemoryWakeUps
from asynctasq.memory.worker_reports import MemoryWorkerReports

_TEN_YEARS = 3650 * 86_400.0


class MemoryDriver(Driver):
    """A driver on this process's store of a namespace, which it shares with every other `MemoryDriver` of the
    namespace, on whatever thread and event loop.

    The store is made by the first driver that connects, and runs by that driver's `clock` (seconds since 1970). Dead
    letters are kept for the `dead_retention` (seconds; None: until they are replayed, deleted or purged) of the driver
    that connected while no other one was. A later driver takes both as they are; one that brings others is refused by
    `connect()`.
    Nothing is durable, and nothing is shared with other processes.

    Raises:
        InvalidArgument: the namespace is no identifier, or `dead_retention` no duration.
    """

    def __init__(
        self,
        namespace: str = "asynctasq",
        *,
        clock: Callable[[], float] = time.time,
        max_payload_bytes: int = 262_144,
        dead_retention: float | None = None,
    ) -> None:
        check_identifier("namespace", namespace)
        self._namespace = namespace
        self._clock = clock
        self._dead_retention = dead_retention
        self._store: MemoryStore | None = None
        limits = Limits(
            max_payload_bytes=max_payload_bytes, max_batch=10_000, max_delay=_TEN_YEARS, time_resolution=TICK
        )
        self.traits = DriverTraits(
            guarantees=frozenset({Guarantee.STRICT_ORDER, Guarantee.EXACT_STATS}),
            limits=limits,
            event_loops=frozenset({"asyncio", "trio"}),
        )
        if dead_retention is not None:
            check_duration("dead_retention", dead_retention, limits)
        self.wake_ups = MemoryWakeUps(self._open_store)
        self.pausing = MemoryPausing(self._open_store)
        self.worker_reports = MemoryWorkerReports(self._open_store, limits)

    def __repr__(self) -> str:
        return f"MemoryDriver({self._namespace!r})"

    def _open_store(self) -> MemoryStore:
        self.check_open()
        assert self._store is not None
        return self._store

    async def _connect(self) -> None:
        self._store = stores.join(self._namespace, self, clock=self._clock, dead_retention=self._dead_retention)

    async def _disconnect(self) -> None:
        self._store = None
        stores.leave(self._namespace, self)

    async def _prepare_storage(self, *, dry_run: bool) -> list[str]:
        return []

    # -- tasks move

    async def _enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        store = self._open_store()
        await checkpoint()
        with store as now:
            return enqueueing.enqueue(store, tasks, now)

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        store = self._open_store()
        await checkpoint()
        with store as now:
            return delivering.reserve(store, queues, limit=limit, lease=lease, worker=worker, now=now)

    async def _settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        store = self._open_store()
        await checkpoint()
        with store as now:
            return settling.settle(store, settlements, now)

    async def _extend_many(self, receipts: Sequence[Receipt], *, lease: float) -> list[ExtendOutcome]:
        store = self._open_store()
        await checkpoint()
        with store as now:
            return delivering.extend(store, receipts, lease=lease, now=now)

    # -- tasks are managed

    async def _cancel_many(self, ids: Sequence[str]) -> list[CancelOutcome]:
        store = self._open_store()
        await checkpoint()
        with store as now:
            return managing.cancel(store, ids, now)

    async def _replay_many(self, ids: Sequence[str]) -> list[ReplayOutcome]:
        store = self._open_store()
        await checkpoint()
        with store as now:
            return managing.replay(store, ids, now)

    async def _delete_many(self, ids: Sequence[str]) -> list[bool]:
        store = self._open_store()
        await checkpoint()
        with store:
            return managing.delete(store, ids)

    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None:
        store = self._open_store()
        await checkpoint()
        with store:
            managing.purge(store, queues, states)

    # -- looking

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        store = self._open_store()
        await checkpoint()
        with store as now:
            return looking.records(store, ids, now)

    async def _list_tasks(
        self,
        *,
        queue: str | None,
        state: TaskState | None,
        name: str | None,
        correlation_id: str | None,
        older_than: float | None,
        limit: int,
        after: str | None,
    ) -> TaskPage:
        store = self._open_store()
        await checkpoint()
        with store as now:
            return looking.page(
                store,
                queue=queue,
                state=state,
                name=name,
                correlation_id=correlation_id,
                older_than=older_than,
                limit=limit,
                after=after,
                now=now,
            )

    async def _queue_stats(self, queues: Sequence[str] | None) -> dict[str, QueueStats]:
        store = self._open_store()
        await checkpoint()
        with store as now:
            return looking.stats(store, queues, now)

    async def _now(self) -> datetime:
        store = self._open_store()
        await checkpoint()
        with store as now:
            return datetime_of(now)

    # -- care

    async def _maintain(self, *, limit: int) -> MaintenanceReport:
        store = self._open_store()
        await checkpoint()
        with store as now:
            return managing.maintain(store, limit=limit, now=now)
