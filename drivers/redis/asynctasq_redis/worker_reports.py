"""Workers' own accounts of themselves: a hash, and a sorted set by the time that each is gone."""

from struct import unpack_from

from asynctasq.driver_api import Driver, WorkerReport, check_duration, check_payload, check_text
from asynctasq_redis.script_runner import ScriptRunner
from asynctasq_redis.ticks import moment_of, ticks_of

_MOMENT_BYTES = 6


class RedisWorkerReports:
    """The feature `worker_reports`."""

    def __init__(self, driver: Driver, scripts: ScriptRunner) -> None:
        self._driver = driver
        self._scripts = scripts

    async def report(self, worker: str, data: bytes, *, ttl: float) -> None:
        """Store this worker's report in place of its last one."""
        self._driver.check_open()
        limits = self._driver.traits.limits
        check_text("worker", worker)
        check_payload("data", data, limits)
        check_duration("ttl", ttl, limits)
        await self._scripts.run("report", (worker, data, ticks_of(ttl)))

    async def reports(self) -> list[WorkerReport]:
        """All reports whose time has not run out."""
        self._driver.check_open()
        reply = await self._scripts.run("reports")
        return [_report(worker, stored) for worker, stored in zip(reply[::2], reply[1::2], strict=True)]


def _report(worker: bytes, stored: bytes) -> WorkerReport:
    low, high = unpack_from("<IH", stored)
    return WorkerReport(worker=worker.decode(), data=stored[_MOMENT_BYTES:], reported_at=moment_of(low | high << 32))
