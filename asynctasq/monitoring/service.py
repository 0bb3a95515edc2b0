"""Queue statistics, worker statistics, lists of tasks, and what can be done to one of them."""

import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

from asynctasq.contract import envelopes
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import TaskRecord, TaskState
from asynctasq.contract.serializer import Serializer
from asynctasq.contract.settlements import ReplayStatus
from asynctasq.errors import InvalidArgument
from asynctasq.monitoring.models import STATUS_OF, QueueStats, TaskInfo, TaskStatus, WorkerInfo
from asynctasq.monitoring.task_infos import TaskInfoReader
from asynctasq.monitoring.worker_infos import read_worker_info

_PAGE = 200
_SAMPLE = 100
"""Kept records that a queue's average duration is taken from."""

RawTask = tuple[bytes, str, str]
"""Payload, queue, status."""


class MonitoringService:
    """Reads from one driver, which is connected on first use if nobody has.

    Records of tasks that ended are there as long as they are kept (`keep_result`, `keep_completed_tasks`); dead letters
    stay.
    """

    def __init__(self, driver: Driver, serializer: Serializer | None = None) -> None:
        """`serializer` decodes payloads of its content type, beside all that are installed."""
        self._driver = driver
        self._infos = TaskInfoReader(serializer)
        self._seen: dict[str, tuple[float, int]] = {}

    # -- queues

    async def get_queue_stats(self, queue: str) -> QueueStats:
        """One queue; zeros for one that nobody knows."""
        driver = await self._connected()
        stats = await driver.queue_stats([queue])
        return await self._queue_stats(queue, stats[queue])

    async def get_all_queue_stats(self) -> list[QueueStats]:
        """Every queue that has tasks, totals or a pause."""
        stats = await (await self._connected()).queue_stats()
        return [await self._queue_stats(queue, each) for queue, each in sorted(stats.items())]

    async def get_all_queue_names(self) -> list[str]:
        """The names of those queues."""
        return sorted(await (await self._connected()).queue_stats())

    async def get_global_stats(self) -> dict[str, int]:
        """All queues together: `pending`, `running` and `failed` as of now; `completed`, `cancelled`, `retried` and
        `failed_total` since the store was made; `total` is what is pending, running or failed."""
        stats = (await (await self._connected()).queue_stats()).values()
        pending = sum(each.ready + each.scheduled for each in stats)
        running = sum(each.leased for each in stats)
        failed = sum(each.dead for each in stats)
        return {
            "pending": pending,
            "running": running,
            "failed": failed,
            "completed": sum(each.total_completed for each in stats),
            "cancelled": sum(each.total_cancelled for each in stats),
            "retried": sum(each.total_retried for each in stats),
            "failed_total": sum(each.total_dead for each in stats),
            "total": pending + running + failed,
        }

    # -- workers

    async def get_worker_stats(self) -> list[WorkerInfo]:
        """Every worker that reports itself; none where the driver keeps no reports."""
        driver = await self._connected()
        if driver.worker_reports is None:
            return []
        now = await driver.now()
        reports = await driver.worker_reports.reports()
        return [read_worker_info(report, now) for report in sorted(reports, key=lambda report: report.worker)]

    # -- tasks

    async def get_running_tasks(self, limit: int = 50, offset: int = 0) -> list[tuple[bytes, str]]:
        """Payload and queue of what runs."""
        records, _ = await self._list(TaskStatus.RUNNING, None, limit, offset, count=False)
        return [(record.payload, record.queue) for record in records]

    async def get_running_task_infos(self, limit: int = 50, offset: int = 0) -> list[TaskInfo]:
        """What runs."""
        records, _ = await self._list(TaskStatus.RUNNING, None, limit, offset, count=False)
        return [self._infos.read(record) for record in records]

    async def get_tasks(
        self, status: str | None = None, queue: str | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[list[RawTask], int]:
        """Payload, queue and status of tasks, and how many there are in all.

        The order is the driver's own. Counting what has ended costs a look at every record of it.

        Raises:
            InvalidArgument: there is no such status.
        """
        records, total = await self._list(_status(status), queue, limit, offset)
        return [(record.payload, record.queue, STATUS_OF[record.state]) for record in records], total

    async def get_task_infos(
        self, status: str | None = None, queue: str | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[list[TaskInfo], int]:
        """Tasks, and how many there are in all; as `get_tasks`."""
        records, total = await self._list(_status(status), queue, limit, offset)
        return [self._infos.read(record) for record in records], total

    async def get_task_by_id(self, task_id: str) -> RawTask | None:
        """Payload, queue and status of one task, or None."""
        record = await self._find(task_id)
        return None if record is None else (record.payload, record.queue, STATUS_OF[record.state])

    async def get_task_info_by_id(self, task_id: str) -> TaskInfo | None:
        """One task, or None."""
        record = await self._find(task_id)
        return None if record is None else self._infos.read(record)

    async def retry_task(self, task_id: str) -> bool:
        """Run a dead letter again, with all of its attempts. False: it is none, or its unique key is taken."""
        outcome = (await (await self._connected()).replay_many([task_id]))[0]
        return outcome.status is ReplayStatus.REPLAYED

    async def delete_task(self, task_id: str) -> bool:
        """Delete a task, whatever became of it. False: it runs, or is not there."""
        return (await (await self._connected()).delete_many([task_id]))[0]

    # -- the parts

    async def _connected(self) -> Driver:
        await self._driver.connect()
        return self._driver

    async def _find(self, task_id: str) -> TaskRecord | None:
        return (await (await self._connected()).get_tasks([task_id])).get(task_id)

    async def _queue_stats(self, queue: str, stats: envelopes.QueueStats) -> QueueStats:
        return QueueStats(
            name=queue,
            depth=stats.ready + stats.scheduled,
            processing=stats.leased,
            completed_total=stats.total_completed,
            failed_total=stats.total_dead,
            avg_duration_ms=await self._average_duration(queue),
            throughput_per_minute=self._throughput(queue, stats.total_completed),
        )

    def _throughput(self, queue: str, completed: int) -> float | None:
        now = time.monotonic()
        before, self._seen[queue] = self._seen.get(queue), (now, completed)
        if before is None or now <= before[0]:
            return None
        return (completed - before[1]) / (now - before[0]) * 60.0

    async def _average_duration(self, queue: str) -> float | None:
        limit = min(_SAMPLE, self._driver.traits.limits.max_batch)
        page = await self._driver.list_tasks(queue=queue, state=TaskState.COMPLETED, limit=limit)
        durations = [info for record in page.tasks if (info := self._infos.duration_ms(record)) is not None]
        return sum(durations) / len(durations) if durations else None

    async def _list(
        self, status: TaskStatus | None, queue: str | None, limit: int, offset: int, *, count: bool = True
    ) -> tuple[list[TaskRecord], int]:
        driver = await self._connected()
        total = await self._gauge(driver, status, queue) if count else None
        records: list[TaskRecord] = []
        number = 0
        async for record in self._records(driver, status, queue):
            if offset <= number < offset + limit:
                records.append(record)
            number += 1
            if number >= offset + limit and (total is not None or not count):
                break
        return records, number if total is None else total

    @staticmethod
    async def _gauge(driver: Driver, status: TaskStatus | None, queue: str | None) -> int | None:
        """How many there are, where the driver counts them; None for what has ended."""
        if status not in (TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.FAILED):
            return None
        stats = (await driver.queue_stats(None if queue is None else [queue])).values()
        if status is TaskStatus.PENDING:
            return sum(each.ready + each.scheduled for each in stats)
        return sum(each.leased if status is TaskStatus.RUNNING else each.dead for each in stats)

    @staticmethod
    async def _records(driver: Driver, status: TaskStatus | None, queue: str | None) -> AsyncIterator[TaskRecord]:
        states: Iterable[TaskState | None] = (None,) if status is None else status.states
        limit = min(_PAGE, driver.traits.limits.max_batch)
        for state in states:
            after: str | None = None
            while True:
                page = await driver.list_tasks(queue=queue, state=state, limit=limit, after=after)
                for record in page.tasks:
                    yield record
                if (after := page.after) is None:
                    break


def _status(status: Any) -> TaskStatus | None:
    """The word of a dashboard, or one of the driver contract's states."""
    if status is None:
        return None
    text = str(getattr(status, "value", status))
    if text in set(TaskState):
        return STATUS_OF[TaskState(text)]
    try:
        return TaskStatus(text)
    except ValueError:
        raise InvalidArgument(f"status is {text!r}; wanted one of {', '.join(TaskStatus)}") from None
