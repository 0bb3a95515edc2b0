"""The MySQL and MariaDB driver. Each hook is a round trip or a few, which stand in the module that it names."""

import asyncio
import warnings
from collections.abc import Sequence
from datetime import datetime

from asynctasq.driver_api import (
    CancelOutcome,
    ConfigurationError,
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
from asynctasq_mysql import (
    diagnosis,
    enqueueing,
    extending,
    looking,
    maintenance,
    managing,
    purging,
    reserving,
    settling,
)
from asynctasq_mysql.client import NATIVE_ERRORS
from asynctasq_mysql.clock import RESOLUTION, moment_at
from asynctasq_mysql.connections import CLOSING, ConnectionPool, open_connection
from asynctasq_mysql.database import Database
from asynctasq_mysql.error_mapping import connect_error
from asynctasq_mysql.migrations import check_version, migrate
from asynctasq_mysql.pausing import MySQLPausing
from asynctasq_mysql.session_checks import begin_session
from asynctasq_mysql.settings import MySQLConfig
from asynctasq_mysql.storage_names import StorageNames
from asynctasq_mysql.transactions import MySQLTransactions
from asynctasq_mysql.wake_ups import MySQLWakeUps
from asynctasq_mysql.worker_reports import MySQLWorkerReports

MAX_BATCH = 10_000
MAX_DELAY = 3650 * 86_400.0
"""Seconds: ten years."""


class MySQLDriver(Driver):
    """A driver on one MySQL or MariaDB database and namespace. asyncio only."""

    def __init__(self, settings: MySQLConfig | None = None) -> None:
        self.settings = settings or MySQLConfig()
        self.traits = DriverTraits(
            guarantees=frozenset(Guarantee),
            limits=Limits(
                max_payload_bytes=self.settings.max_payload_bytes,
                max_batch=MAX_BATCH,
                max_delay=MAX_DELAY,
                time_resolution=RESOLUTION,
            ),
            event_loops=frozenset({"asyncio"}),
        )
        self._names = StorageNames(self.settings)
        self._database: Database | None = None
        self._wake_ups = MySQLWakeUps(self._open_database, self.settings)
        self.wake_ups = self._wake_ups
        self.pausing = MySQLPausing(self._open_database)
        self.worker_reports = MySQLWorkerReports(self._open_database, self.traits.limits)
        self.transactions = MySQLTransactions(self._names, self.traits.limits, self.check_open)
        if self.settings.dead_letter_table is not None:
            warnings.warn(
                f"dead_letter_table={self.settings.dead_letter_table!r} has no effect: dead letters are the rows of "
                f"{self._names.table('task')} whose state is 2. Remove the setting",
                UserWarning,
                stacklevel=2,
            )

    def __repr__(self) -> str:
        return f"MySQLDriver({self.settings!r})"

    @property
    def undone_transactions(self) -> int:
        """How many transactions the server undid (deadlocks, mostly) and this driver ran again since it connected."""
        return self._open_database().undone

    def _open_database(self) -> Database:
        self.check_open()
        return self._connected

    @property
    def _connected(self) -> Database:
        assert self._database is not None
        return self._database

    # -- life

    async def _connect(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError as error:
            raise ConfigurationError("the driver mysql runs on asyncio; this is another event loop") from error
        pool = ConnectionPool(self.settings)
        try:
            await pool.warm_up(min(max(self.settings.warmup_connections, 1), self.settings.max_pool_size))
            session = await pool.run(begin_session)
            session.check(self.settings.max_payload_bytes)
            self._names.adapt_to(session.max_allowed_packet, session.look)
            await pool.run(lambda connection: check_version(connection, self._names))
            database = Database(self.settings, self._names, pool)
            await database.register_namespace()
        except NATIVE_ERRORS as error:
            await pool.close()
            raise connect_error(error) from error
        except BaseException:
            await pool.close()
            raise
        self.traits = DriverTraits(
            guarantees=session.guarantees(), limits=self.traits.limits, event_loops=self.traits.event_loops
        )
        self._database = database

    async def _disconnect(self) -> None:
        database, self._database = self._database, None
        self._wake_ups.interrupt()
        if database is not None:
            await database.close()

    async def _prepare_storage(self, *, dry_run: bool) -> list[str]:
        try:
            connection = await open_connection(self.settings)
            try:
                return await migrate(connection, self._names, dry_run=dry_run)
            finally:
                await connection.close(CLOSING)
        except NATIVE_ERRORS as error:
            raise connect_error(error) from error

    # -- tasks move

    async def _enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        outcomes = await enqueueing.enqueue_in_own_transaction(self._connected, tasks)
        accepted = (task for task, outcome in zip(tasks, outcomes, strict=True) if outcome.accepted)
        self._wake_ups.tell(enqueueing.queues_to_wake(accepted))
        return outcomes

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        return await reserving.reserve(self._connected, queues, limit=limit, lease=lease, worker=worker)

    async def _settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        outcomes = await settling.settle_in_own_transaction(self._connected, settlements)
        self._wake_ups.tell(enqueueing.queues_to_wake(settling.applied_follow_ups(settlements, outcomes)))
        return outcomes

    async def _extend_many(self, receipts: Sequence[Receipt], *, lease: float) -> list[ExtendOutcome]:
        return await extending.extend(self._connected, receipts, lease)

    # -- tasks are managed

    async def _cancel_many(self, ids: Sequence[str]) -> list[CancelOutcome]:
        return await self._connected.run_steps(lambda: managing.cancel(self._names, ids))

    async def _replay_many(self, ids: Sequence[str]) -> list[ReplayOutcome]:
        return await self._connected.run_steps(lambda: managing.replay(self._names, ids))

    async def _delete_many(self, ids: Sequence[str]) -> list[bool]:
        return await self._connected.run_steps(lambda: managing.delete(self._names, ids))

    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None:
        await purging.purge(self._connected, queues, states)

    # -- looking

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        return await looking.get_tasks(self._connected, ids)

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
        wanted = looking.Wanted(
            queue=queue, state=state, name=name, correlation_id=correlation_id, older_than=older_than
        )
        return await looking.list_tasks(self._connected, wanted, limit, after)

    async def _queue_stats(self, queues: Sequence[str] | None) -> dict[str, QueueStats]:
        return await looking.queue_stats(self._connected, queues)

    async def _now(self) -> datetime:
        return moment_at((await self._connected.fetch("now"))[0][0])

    # -- care

    async def _maintain(self, *, limit: int) -> MaintenanceReport:
        return await maintenance.maintain(self._connected, limit)

    async def _diagnose(self) -> list[Finding]:
        return await diagnosis.diagnose(self._connected)
