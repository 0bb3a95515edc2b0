"""Worker reports: what workers say of themselves, for people to look at."""

from collections.abc import Callable

from asynctasq.driver_api import Driver, WorkerReport, check_duration, check_payload, check_text
from asynctasq_sqlite.clock import milliseconds, moment_at
from asynctasq_sqlite.session import Session
from asynctasq_sqlite.store import Store


class SQLiteWorkerReports:
    """The feature `worker_reports`."""

    def __init__(self, driver: Driver, open_store: Callable[[], Store]) -> None:
        self._driver = driver
        self._open_store = open_store

    async def report(self, worker: str, data: bytes, *, ttl: float) -> None:
        """Store this worker's report in place of its last one, for `ttl` seconds."""
        store = self._open_store()
        limits = self._driver.traits.limits
        check_text("worker", worker)
        check_payload("data", data, limits)
        check_duration("ttl", ttl, limits)

        def report(session: Session) -> None:
            session.run("report", worker, data, session.now, session.now + milliseconds(ttl))

        await store.writer.run(report)

    async def reports(self) -> list[WorkerReport]:
        """All reports whose time has not run out."""

        def reports(session: Session) -> list[WorkerReport]:
            return [
                WorkerReport(worker=worker, data=data, reported_at=moment_at(reported_at))
                for worker, data, reported_at in session.run("reports", session.now).fetchall()
            ]

        return await self._open_store().reader.run(reports)
