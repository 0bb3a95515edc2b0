"""A store, an application and its workers, for tests that watch one thing at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from asynctasq import DriverFactory, cleanup, init
from asynctasq.config import set_current
from asynctasq.driver_api import Driver, QueueStats, TaskRecord, TaskState
from tests.torture.history import BodyEnded, BodyStarted, Fact, read_histories
from tests.torture.worker_fleet import Process, Processes, eventually

SLACK = 5.0
"""Seconds beyond the contract's own: two noisy processors."""
PATIENCE = 30.0
"""Seconds within which whatever is to happen has happened, where the contract names none."""

ENDED = frozenset({TaskState.COMPLETED, TaskState.DEAD, TaskState.CANCELLED})


class Stage:
    """What a test plays on."""

    def __init__(self, app: str, folder: Path, url: str, processes: Processes, driver: Driver) -> None:
        self.app = app
        self.folder = folder
        self.url = url
        self.processes = processes
        self.driver = driver
        self.histories = folder / "histories"
        self.histories.mkdir()

    def start_worker(self, *arguments: str, url: str | None = None, lease: float = 1.0, **environment: str) -> Process:
        """Start a worker of the application."""
        return self.processes.start_worker(
            *("--app", self.app, "--url", url or self.url, "--lease", str(lease)),
            *arguments,
            TORTURE_HISTORY=str(self.histories),
            **environment,
        )

    async def start_ready_worker(
        self, *arguments: str, url: str | None = None, lease: float = 1.0, **environment: str
    ) -> Process:
        """Start a worker, and wait until it takes tasks."""
        worker = self.start_worker(*arguments, url=url, lease=lease, **environment)
        await worker.wait_for_output("serves default", within=PATIENCE)
        return worker

    # -- looking

    def facts(self, of: Process | None = None) -> list[Fact]:
        """What bodies wrote down, in the order of time."""
        found = read_histories(self.histories).items()
        facts = [fact for name, facts in found if of is None or name.startswith(f"{of.pid}-") for fact in facts]
        return sorted(facts, key=lambda fact: fact.at)

    def starts(self, task: str | None = None, *, of: Process | None = None) -> list[BodyStarted]:
        """Which bodies began."""
        found = (fact for fact in self.facts(of) if isinstance(fact, BodyStarted))
        return [fact for fact in found if task is None or fact.task == str(task)]

    def ends(self, task: str | None = None, *, of: Process | None = None) -> list[BodyEnded]:
        """Which bodies ended, and how."""
        found = (fact for fact in self.facts(of) if isinstance(fact, BodyEnded))
        return [fact for fact in found if task is None or fact.task == str(task)]

    async def record(self, task: str) -> TaskRecord:
        """What is stored of a task."""
        return (await self.driver.get_tasks([str(task)]))[str(task)]

    async def stats(self) -> QueueStats:
        """Of the queue `default`."""
        return (await self.driver.queue_stats(["default"]))["default"]

    async def wait_for_start(self, task: str, count: int = 1, *, within: float = PATIENCE) -> None:
        """Wait until a body has begun, and that for the `count`th time."""
        await eventually(
            lambda: len(self.starts(task)) >= count,
            within=within,
            what=lambda: f"start {count} of {task!s}\n{self.what_happened()}",
        )

    async def wait_for_end(self, *tasks: str, within: float = PATIENCE) -> list[TaskRecord]:
        """Wait until these tasks have ended in the store."""
        ids = [str(task) for task in tasks]
        records: dict[str, TaskRecord] = {}

        async def all_ended() -> bool:
            records.update(await self.driver.get_tasks(ids))
            return all(task in records and records[task].state in ENDED for task in ids)

        await eventually(all_ended, within=within, what=lambda: f"end of {ids[:5]}\n{self.what_happened()}")
        return [records[task] for task in ids]

    def what_happened(self) -> str:
        """For the message of a failure."""
        return "\n".join([*map(str, self.facts()), self.processes.output()])


@asynccontextmanager
async def open_stage(app: str, folder: Path) -> AsyncIterator[Stage]:
    """A fresh SQLite file, this process as a client of it, and workers of `app`. At the end no process is left."""
    url = f"sqlite:///{folder / 'store.db'}"
    init(url=url)
    try:
        with Processes(folder) as processes:
            async with DriverFactory.create(url) as driver:
                yield Stage(app, folder, url, processes, driver)
    finally:
        await cleanup()
        set_current(None)
