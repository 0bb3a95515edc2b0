"""What workers say of themselves, for people to look at."""

from collections.abc import Callable

from asynctasq.driver_api import Limits, WorkerReport, check_duration, check_payload, check_text
from asynctasq_mysql.clock import microseconds, moment_at
from asynctasq_mysql.database import Database


class MySQLWorkerReports:
    """The feature `worker_reports`."""

    def __init__(self, database: Callable[[], Database], limits: Limits) -> None:
        self._database = database
        self._limits = limits

    async def report(self, worker: str, data: bytes, *, ttl: float) -> None:
        """Store this worker's report in place of its last one, for `ttl` seconds."""
        database = self._database()
        check_text("worker", worker)
        check_payload("data", data, self._limits)
        check_duration("ttl", ttl, self._limits)
        await database.execute("report", worker=worker, data=bytes(data), ttl=microseconds(ttl))

    async def reports(self) -> list[WorkerReport]:
        """All reports whose time has not run out."""
        rows = await self._database().fetch("reports")
        return [WorkerReport(worker=row[0].decode(), data=row[1], reported_at=moment_at(row[2])) for row in rows]
