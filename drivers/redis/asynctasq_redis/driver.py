"""The driver: each method of the contract is one script (`scripts/`), and so one atomic step of the server."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

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
    ReplayStatus,
    Settlement,
    SettleOutcome,
    StorageTooNew,
    TaskPage,
    TaskRecord,
    TaskState,
)
from asynctasq_redis import listing, maintenance, records
from asynctasq_redis.addresses import address_of
from asynctasq_redis.connection_pool import ConnectionPool
from asynctasq_redis.pausing import RedisPausing
from asynctasq_redis.receipts import key_and_nonce, new_nonce
from asynctasq_redis.script_library import Script, installed_scripts
from asynctasq_redis.script_runner import MOST_NAMES, ScriptRunner, slices
from asynctasq_redis.server_report import ServerReport, check_version, findings, read_report
from asynctasq_redis.settings import RedisConfig
from asynctasq_redis.task_arguments import enqueue_arguments, plain_task_arguments, settle_arguments
from asynctasq_redis.task_keys import id_of, key_of
from asynctasq_redis.ticks import MAX_DELAY, TIME_RESOLUTION, moment_of, seconds_of, ticks_of
from asynctasq_redis.wake_ups import RedisWakeUps
from asynctasq_redis.worker_reports import RedisWorkerReports

LAYOUT = 1
"""The version of what is stored. A later driver counts up."""
MAX_BATCH = 1000
_IDS_PER_READ = 100  # records can be large: a batch of ids is read in slices

_LOG = logging.getLogger("asynctasq.redis")
_ACCEPTED = EnqueueOutcome(accepted=True)
_STALE_EXTENSION = ExtendOutcome(applied=False)
_SETTLE_OUTCOMES = {ord("A"): SettleOutcome.APPLIED, ord("S"): SettleOutcome.STALE}
_CANCEL_OUTCOMES = {
    ord("C"): CancelOutcome.CANCELLED,
    ord("R"): CancelOutcome.REQUESTED,
    ord("T"): CancelOutcome.TOO_LATE,
    ord("N"): CancelOutcome.NOT_FOUND,
}
_REPLAY_OUTCOMES = {
    b"R": ReplayOutcome(status=ReplayStatus.REPLAYED),
    b"L": ReplayOutcome(status=ReplayStatus.NOT_DEAD),
    b"N": ReplayOutcome(status=ReplayStatus.NOT_FOUND),
}


class RedisDriver(Driver):
    """A driver for Redis 7 and Valkey: one server, the master behind Sentinels, or a cluster."""

    def __init__(self, settings: RedisConfig) -> None:
        """Not connected, and without I/O.

        Raises:
            ConfigurationError: the URL can't be read, or contradicts another setting.
        """
        self._settings = settings
        self._prefix = f"asynctasq:{{{settings.namespace}}}:"
        address_of(settings, self._prefix)
        self._scripts: ScriptRunner

    def __repr__(self) -> str:
        return f"RedisDriver({self._settings!r})"

    def script_texts(self) -> Mapping[str, Script]:
        """The scripts to run: those that are shipped. A test that moves time overrides it."""
        return installed_scripts()

    # -- life

    async def _connect(self) -> None:
        runner = self._new_runner()
        try:
            report = await read_report(runner.pool, connecting=True)
            check_version(report, wait_aof=self._settings.wait_aof)
            await self._mark_layout(runner, write=True)
            await runner.pool.open_connections(min(self._settings.warmup_connections, self._settings.max_connections))
        except BaseException:
            await runner.pool.close()
            raise
        for finding in findings(report):
            if finding.severity != "info":
                _LOG.warning("%s. Cure: %s", finding.message, finding.cure)
        self._scripts = runner
        self.traits = self._traits(report)
        self.wake_ups = RedisWakeUps(self, runner)
        self.pausing = RedisPausing(self, runner)
        self.worker_reports = RedisWorkerReports(self, runner)

    def _new_runner(self) -> ScriptRunner:
        try:
            asyncio.get_running_loop()
        except RuntimeError as error:
            raise ConfigurationError(
                "the redis driver runs on asyncio alone (with or without uvloop), and this event loop is another one"
            ) from error
        settings = self._settings
        pool = ConnectionPool(
            address_of(settings, self._prefix),
            max_connections=settings.max_connections,
            command_timeout=settings.command_timeout,
        )
        wait_aof = settings.command_timeout / 2 if settings.wait_aof else None
        return ScriptRunner(self.script_texts(), pool, self._prefix, wait_aof=wait_aof)

    def _traits(self, report: ServerReport) -> DriverTraits:
        guarantees = {Guarantee.STRICT_ORDER, Guarantee.EXACT_STATS, Guarantee.SHARED_BETWEEN_PROCESSES}
        if report.is_durable:
            guarantees.add(Guarantee.DURABLE)
        return DriverTraits(
            guarantees=frozenset(guarantees),
            limits=Limits(
                max_payload_bytes=self._settings.max_payload_bytes,
                max_batch=MAX_BATCH,
                max_delay=MAX_DELAY,
                time_resolution=TIME_RESOLUTION,
            ),
            event_loops=frozenset({"asyncio"}),
        )

    async def _mark_layout(self, runner: ScriptRunner, *, write: bool) -> bool:
        """Whether the mark was missing; `write` it then."""
        found = await runner.run("prepare", (LAYOUT, int(write)), connecting=True)
        if found and int(found) > LAYOUT:
            raise StorageTooNew(
                f"the namespace {self._settings.namespace!r} has layout {int(found)}; this driver knows {LAYOUT}. "
                "Upgrade asynctasq-redis"
            )
        return not found

    async def _disconnect(self) -> None:
        await self._scripts.pool.close()

    async def _prepare_storage(self, *, dry_run: bool) -> list[str]:
        runner = self._new_runner()
        try:
            is_missing = await self._mark_layout(runner, write=not dry_run)
        finally:
            await runner.pool.close()
        return [f"SET {self._prefix}layout {LAYOUT}"] if is_missing else []

    # -- tasks move

    async def _enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        if len(tasks) == 1 and (outcome := await self._enqueue_plain(tasks[0])) is not None:
            return [outcome]
        duplicates = await self._scripts.run_durably("enqueue", enqueue_arguments(tasks))
        outcomes = [_ACCEPTED] * len(tasks)
        for at in range(0, len(duplicates), 2):
            existing = id_of(duplicates[at + 1])
            outcomes[duplicates[at]] = EnqueueOutcome(accepted=False, existing_id=existing)
        return outcomes

    async def _enqueue_plain(self, task: NewTask) -> EnqueueOutcome | None:
        """The short way for one task, or None if it takes the long one."""
        arguments = plain_task_arguments(task)
        if arguments is None:
            return None
        reply = await self._scripts.run_durably("enqueue_plain", arguments)
        if reply == b"A":
            return _ACCEPTED
        return EnqueueOutcome(accepted=False, existing_id=task.id) if reply == b"D" else None

    async def _reserve(self, queues: Sequence[str], *, limit: int, lease: float, worker: str) -> list[Delivery]:
        ticks = max(1, ticks_of(lease))
        delivered: list[Delivery] = []
        for names in slices(queues, MOST_NAMES):
            nonce = new_nonce()
            arguments = (limit - len(delivered), ticks, worker, nonce, *names)
            is_full, *groups = await self._scripts.run_durably("reserve", arguments)
            delivered += records.deliveries(groups, names, nonce, seconds_of(ticks))
            if is_full:
                break
        return delivered

    async def _settle_many(self, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
        reply: bytes = await self._scripts.run_durably("settle", settle_arguments(settlements))
        return [_SETTLE_OUTCOMES[outcome] for outcome in reply]

    async def _extend_many(self, receipts: Sequence[Receipt], *, lease: float) -> list[ExtendOutcome]:
        keys, nonces = zip(*map(key_and_nonce, receipts), strict=True)
        ticks = max(1, ticks_of(lease))
        reply = await self._scripts.run_durably("extend", (len(receipts), ticks, *keys, *nonces))
        return [
            _STALE_EXTENSION
            if left < 0
            else ExtendOutcome(applied=True, lease=seconds_of(left), cancel_requested=bool(is_asked))
            for left, is_asked in zip(reply[::2], reply[1::2], strict=True)
        ]

    # -- tasks are managed

    async def _cancel_many(self, ids: Sequence[str]) -> list[CancelOutcome]:
        reply: bytes = await self._scripts.run_durably("cancel", [key_of(task_id) for task_id in ids])
        return [_CANCEL_OUTCOMES[outcome] for outcome in reply]

    async def _replay_many(self, ids: Sequence[str]) -> list[ReplayOutcome]:
        reply = await self._scripts.run_durably("replay", [key_of(task_id) for task_id in ids])
        return [
            _REPLAY_OUTCOMES.get(outcome)
            or ReplayOutcome(status=ReplayStatus.DUPLICATE, existing_id=id_of(outcome[1:]))
            for outcome in cast("list[bytes]", reply)
        ]

    async def _delete_many(self, ids: Sequence[str]) -> list[bool]:
        reply: bytes = await self._scripts.run_durably("delete", [key_of(task_id) for task_id in ids])
        return [outcome == ord("1") for outcome in reply]

    async def _purge(self, queues: Sequence[str], *, states: Sequence[TaskState] | None) -> None:
        await maintenance.purge(self._scripts, queues, states)

    # -- looking

    async def _get_tasks(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        found: dict[str, TaskRecord] = {}
        for some in slices(ids, _IDS_PER_READ):
            for fields in await self._scripts.run("get", [key_of(task_id) for task_id in some]):
                record = records.task_record(fields)
                found[record.id] = record
        return found

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
        wanted = listing.Wanted(
            state=state, name=name, correlation_id=correlation_id, older_than=older_than, limit=limit
        )
        queues = [queue] if queue is not None else await maintenance.queue_names(self._scripts)
        return await listing.page(self._scripts, queues, wanted, after)

    async def _queue_stats(self, queues: Sequence[str] | None) -> dict[str, QueueStats]:
        return await maintenance.queue_stats(self._scripts, queues)

    async def _now(self) -> datetime:
        return moment_of(await self._scripts.run("now"))

    # -- care

    async def _maintain(self, *, limit: int) -> MaintenanceReport:
        return await maintenance.maintain(self._scripts, limit, self._settings.dead_retention)

    async def _diagnose(self) -> list[Finding]:
        return findings(await read_report(self._scripts.pool, connecting=False))
