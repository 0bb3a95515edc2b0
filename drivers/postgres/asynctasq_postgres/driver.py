"""The PostgreSQL driver. Each hook is a statement or two; the rules live in the functions under `schema/`."""

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
from asynctasq_postgres import diagnosis, enqueueing, extending, looking, managing, reserving, settling
from asynctasq_postgres.client import NATIVE_ERRORS
from asynctasq_postgres.connections import ConnectionPool, close_connection, open_connection
from asynctasq_postgres.database import Database
from asynctasq_postgres.error_mapping import connect_error
from asynctasq_postgres.floors import Floors
from asynctasq_postgres.migrations import check_version, migrate
from asynctasq_postgres.pausing import PostgresPausing
from asynctasq_postgres.session_checks import look_at_session
from asynctasq_postgres.settings import PostgresConfig
from asynctasq_postgres.storage_names import StorageNames
from asynctasq_postgres.transactions import PostgresTransactions
from asynctasq_postgres.wake_ups import Listener, NotificationSender
from asynctasq_postgres.worker_reports import PostgresWorkerReports

MAX_BATCH = 10_000
MAX_DELAY = 3650 * 86_400.0
"""Seconds: ten years."""
TIME_RESOLUTION = 1e-6
"""Seconds: what PostgreSQL's timestamps resolve."""
MAX_HELD = 3
"""Maintenance calls in succession that left nothing but what others hold, until one says that there is no more."""


class PostgresDriver(Driver):
    """A driver on one PostgreSQL database and namespace."""

    def __init__(self, settings: PostgresConfig | None = None) -> None:
        self.settings = settings or PostgresConfig()
        self.traits = DriverTraits(
            guarantees=frozenset(Guarantee),
            limits=Limits(
                max_payload_bytes=self.settings.max_payload_bytes,
                max_batch=MAX_BATCH,
                max_delay=MAX_DELAY,
                time_resolution=TIME_RESOLUTION,
            ),
            event_loops=frozenset({"asyncio"}),
        )
        self._names = StorageNames(self.settings)
        self._floors = Floors()
        self._held_in_succession = 0
        self._database: Database | None = None
        self._notifications: NotificationSender | None = None
        self._listener: Listener | None = None
        self.pausing = PostgresPausing(self._open_database)
        self.worker_reports = PostgresWorkerReports(self._open_database, self.traits.limits)
        self.transactions = PostgresTransactions(
            self._names, self.traits.limits, self.check_open, notify=self.settings.notify
        )
        if self.settings.dead_letter_table is not None:
            warnings.warn(
                f"dead_letter_table={self.settings.dead_letter_table!r} has no effect: dead letters are the rows of "
                f"{self._names.fill('{finished}')} whose state is 'dead'. Remove the setting",
                UserWarning,
                stacklevel=2,
            )

    def __repr__(self) -> str:
        return f"PostgresDriver({self.settings!r})"

    def forget_floors(self) -> None:
        """Have the next `reserve` look everywhere. For tests that move stored times."""
        self._floors.forget()

    def _open_database(self) -> Database:
        self.check_open()
        return self._connected

    @property
    def _connected(self) -> Database:
        assert self._database is not None, "hooks run on an open driver only"
        return self._database

    # -- life

    async def _connect(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError as error:
            raise ConfigurationError("the driver postgres runs on asyncio; this is another event loop") from error
        pool = ConnectionPool(self.settings)
        database = Database(self.settings, self._names, pool)
        try:
            await pool.warm_up(min(max(self.settings.warmup_connections, 1), self.settings.max_pool_size))
            session = await pool.run(lambda connection: look_at_session(connection, self._names))
            session.check()
            await pool.run(lambda connection: check_version(connection, self._names))
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
        self._floors.forget()
        if self.settings.notify:
            self._notifications = NotificationSender(database)
            self._notifications.start()
        if self.settings.listen:
            self.wake_ups = self._listener = Listener(database, self.check_open)

    async def _disconnect(self) -> None:
        notifications, self._notifications = self._notifications, None
        listener, self._listener = self._listener, None
        database, self._database = self._database, None
        if notifications is not None:
            await notifications.stop()
        if listener is not None:
            await listener.close()
        if database is not None:
            await database.close()

    async def _prepare_storage(self, *, dry_run: bool) -> list[str]:
        try:
            connection = await open_connection(self.settings)
            try:
                return await migrate(connection, self._names, dry_run=dry_run)
            finally:
                await close_connection(connection)
        except NATIVE_ERRORS as error:
            raise connect_error(error) from error

    # -- tasks move

    async def _enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        outcomes = await enqueueing.enqueue_in_own_transaction(self._connected, tasks)
        if self._notifications is not None:
            accepted = (task for task, outcome in zip(tasks, outcomes, strict=True) if outcome.accepted)
            self._notifications.announce(enqueueing.queues_to_wake(accepted))
        return outcomes

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        return await reserving.reserve(self._connected, self._floors, queues, limit=limit, lease=lease, worker=worker)

    async def _settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        outcomes = await settling.settle_in_own_transaction(self._connected, settlements)
        if self._notifications is not None:
            self._notifications.announce(enqueueing.queues_to_wake(settling.applied_follow_ups(settlements, outcomes)))
        return outcomes

    async def _extend_many(self, receipts: Sequence[Receipt], *, lease: float) -> list[ExtendOutcome]:
        return await extending.extend(self._connected, receipts, lease)

    # -- tasks are managed

    async def _cancel_many(self, ids: Sequence[str]) -> list[CancelOutcome]:
        return await managing.cancel(self._connected, ids)

    async def _replay_many(self, ids: Sequence[str]) -> list[ReplayOutcome]:
        return await managing.replay(self._connected, ids)

    async def _delete_many(self, ids: Sequence[str]) -> list[bool]:
        return await managing.delete(self._connected, ids)

    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None:
        await managing.purge(self._connected, queues, states)

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
        return await looking.list_tasks(
            self._connected,
            queue=queue,
            state=state,
            name=name,
            correlation_id=correlation_id,
            older_than=older_than,
            limit=limit,
            after=after,
        )

    async def _queue_stats(self, queues: Sequence[str] | None) -> dict[str, QueueStats]:
        return await looking.queue_stats(self._connected, queues)

    async def _now(self) -> datetime:
        return await self._connected.fetch_value("now")

    # -- care

    async def _maintain(self, *, limit: int) -> MaintenanceReport:
        database = self._connected
        row = (await database.fetch("maintain", database.namespace, limit, self.settings.dead_retention))[0]
        removed, more, held = row[0], row[1], row[2]
        self._held_in_succession = self._held_in_succession + 1 if held else 0
        if self._held_in_succession >= MAX_HELD:  # an idle transaction may hold it for hours: the next round will see
            self._held_in_succession, more = 0, False
        return MaintenanceReport(removed=removed, more=more)

    async def _diagnose(self) -> list[Finding]:
        return await diagnosis.diagnose(self._connected)
