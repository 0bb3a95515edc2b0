"""The driver: each hook hands its work to one of two connections, one that writes and one that reads."""

from collections.abc import Sequence
from datetime import datetime

import anyio.to_thread

from asynctasq.driver_api import (
    CancelOutcome,
    Delivery,
    Driver,
    DriverTraits,
    EnqueueOutcome,
    ExtendOutcome,
    Finding,
    Guarantee,
    Limits,
    MaintenanceReport,
    NewTask,
    QueueStats,
    Receipt,
    ReplayOutcome,
    Settlement,
    SettleOutcome,
    TaskPage,
    TaskRecord,
    TaskState,
)
from asynctasq_sqlite.clock import RESOLUTION, milliseconds, moment_at
from asynctasq_sqlite.connection import absolute_path, prepare_storage
from asynctasq_sqlite.diagnosis import diagnose
from asynctasq_sqlite.enqueueing import enqueue
from asynctasq_sqlite.listing import Wanted, list_tasks, read_place
from asynctasq_sqlite.maintenance import maintain
from asynctasq_sqlite.managing import cancel, delete, purge_slice, replay
from asynctasq_sqlite.pausing import SQLitePausing
from asynctasq_sqlite.records import get_tasks
from asynctasq_sqlite.reserving import extend, reserve
from asynctasq_sqlite.settings import SQLiteConfig
from asynctasq_sqlite.settling import settle
from asynctasq_sqlite.statistics import queue_stats
from asynctasq_sqlite.store import Store
from asynctasq_sqlite.transactions import SQLiteTransactions
from asynctasq_sqlite.wake_ups import SQLiteWakeUps
from asynctasq_sqlite.worker_reports import SQLiteWorkerReports

_TEN_YEARS = 3650 * 86_400.0


class SQLiteDriver(Driver):
    """A driver on one SQLite file and namespace. asyncio only.

    Any number of drivers, threads and processes of one machine may be open on one file. Two threads per driver wait in
    SQLite, so that the event loop never does.
    """

    def __init__(self, settings: SQLiteConfig | None = None) -> None:
        self._settings = SQLiteConfig() if settings is None else settings
        self._path = absolute_path(self._settings.path)
        self._store: Store | None = None
        guarantees = set(Guarantee)
        if self._settings.synchronous != "full":
            guarantees.discard(Guarantee.DURABLE)
        self.traits = DriverTraits(
            guarantees=frozenset(guarantees),
            limits=Limits(
                max_payload_bytes=self._settings.max_payload_bytes,
                max_batch=10_000,
                max_delay=_TEN_YEARS,
                time_resolution=RESOLUTION,
            ),
            event_loops=frozenset({"asyncio"}),
        )
        self._wake_ups = SQLiteWakeUps(self._settings, self._open_store)
        self.wake_ups = self._wake_ups
        self.transactions = SQLiteTransactions(self, self._settings.namespace, self._path)
        self.pausing = SQLitePausing(self._open_store)
        self.worker_reports = SQLiteWorkerReports(self, self._open_store)

    def __repr__(self) -> str:
        return f"SQLiteDriver({self._settings!r})"

    def _open_store(self) -> Store:
        self.check_open()
        assert self._store is not None
        return self._store

    async def _connect(self) -> None:
        store = Store(self._settings, self._path)
        await store.open(self._wake_ups.tell)
        self._store = store

    async def _disconnect(self) -> None:
        store, self._store = self._store, None
        self._wake_ups.interrupt()
        if store is not None:
            await store.close()

    async def _prepare_storage(self, *, dry_run: bool) -> list[str]:
        return await anyio.to_thread.run_sync(lambda: prepare_storage(self._settings, self._path, dry_run=dry_run))

    # -- tasks move

    async def _enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        return await self._open_store().writer.run_batch(enqueue, tasks)

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        duration = milliseconds(lease)
        return await self._open_store().writer.run(lambda session: reserve(session, queues, limit, duration, worker))

    async def _settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        return await self._open_store().writer.run_batch(settle, settlements)

    async def _extend_many(self, receipts: Sequence[Receipt], *, lease: float) -> list[ExtendOutcome]:
        duration = milliseconds(lease)
        return await self._open_store().writer.run(lambda session: extend(session, receipts, duration))

    # -- tasks are managed

    async def _cancel_many(self, ids: Sequence[str]) -> list[CancelOutcome]:
        return await self._open_store().writer.run(lambda session: cancel(session, ids))

    async def _replay_many(self, ids: Sequence[str]) -> list[ReplayOutcome]:
        return await self._open_store().writer.run(lambda session: replay(session, ids))

    async def _delete_many(self, ids: Sequence[str]) -> list[bool]:
        return await self._open_store().writer.run(lambda session: delete(session, ids))

    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None:
        writer = self._open_store().writer
        newest: int = await writer.run(lambda session: session.value("enqueue_sequence"))
        for queue in queues:
            while await writer.run(lambda session, queue=queue: purge_slice(session, queue, states, newest)):
                pass

    # -- looking

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        return await self._open_store().reader.run(lambda session: get_tasks(session, ids))

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
        wanted = Wanted(
            queue=queue,
            state=state,
            name=name,
            correlation_id=correlation_id,
            older_than=None if older_than is None else milliseconds(older_than),
        )
        place = read_place(after)
        return await self._open_store().reader.run(lambda session: list_tasks(session, wanted, limit, place))

    async def _queue_stats(self, queues: Sequence[str] | None) -> dict[str, QueueStats]:
        return await self._open_store().reader.run(lambda session: queue_stats(session, queues))

    async def _now(self) -> datetime:
        return moment_at(await self._open_store().reader.run(lambda session: session.now))

    # -- care

    async def _maintain(self, *, limit: int) -> MaintenanceReport:
        retention = self._settings.dead_retention
        kept = None if retention is None else milliseconds(retention)
        return await self._open_store().writer.run(lambda session: maintain(session, limit, kept))

    async def _diagnose(self) -> list[Finding]:
        return diagnose(self._settings, self._path)
