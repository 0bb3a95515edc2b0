"""Worker reports: what workers say of themselves, for people to look at."""

from collections.abc import Callable

import anyio.lowlevel

from asynctasq.contract.checks import check_duration, check_payload, check_text
from asynctasq.contract.envelopes import WorkerReport
from asynctasq.contract.traits import Limits
from asynctasq.memory.store import MemoryStore
from asynctasq.memory.ticks import datetime_of, ticks_of_duration


class MemoryWorkerReports:
    """The feature `worker_reports`."""

    def __init__(self, enter: Callable[[], MemoryStore], limits: Limits) -> None:
        self._enter = enter
        self._limits = limits

    async def report(self, worker: str, data: bytes, *, ttl: float) -> None:
        """Store this worker's report in place of its last one, for `ttl` seconds."""
        store = self._enter()
        check_text("worker", worker)
        check_payload("data", data, self._limits)
        check_duration("ttl", ttl, self._limits)
        await anyio.lowlevel.checkpoint()
        with store as now:
            report = WorkerReport(worker=worker, data=data, reported_at=datetime_of(now))
            store.worker_reports[worker] = (report, now + ticks_of_duration(ttl))

    async def reports(self) -> list[WorkerReport]:
        """All reports whose time has not run out."""
        store = self._enter()
        await anyio.lowlevel.checkpoint()
        with store as now:
            return [report for report, gone_at in store.worker_reports.values() if gone_at > now]
