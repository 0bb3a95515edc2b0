"""A trial: workers, producers and faults on one store; then quiet; then the check of what is there and happened."""

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
from asynctasq_conformance.faults.proxy import TcpProxy
from msgspec import Struct, field

from asynctasq import DriverFactory
from asynctasq.driver_api import Driver, TaskRecord
from tests.torture.checker import Evidence, Violation, check, summary
from tests.torture.faults import Fault, Scene
from tests.torture.history import History, read_histories
from tests.torture.network import open_network
from tests.torture.timeline import Timeline, build_timeline
from tests.torture.worker_fleet import Fleet, Process, Processes, eventually
from tests.torture.wrong_environments import NO_LIMIT, PAGES_FILE

MAX_ATTEMPTS = 5
"""Of every task of the application but the poisons."""
POISON_ATTEMPTS = 2
POISONS = frozenset(
    {
        "leaves_process",
        "crashes",
        "says_exit",
        "says_exit_in_thread",
        "raises_base_exception",
        "cancels_itself",
        "returns_what_has_no_encoding",
        "child_leaves",
        "endless",
    }
)

SUSPICIOUS = (
    "a lane was ruined",
    "never retrieved",
    "never awaited",
    "database is locked",
    "the thread that keeps leases has ended",
    "Fatal Python error",
)
"""Log lines that no worker may write, whatever is done to it."""


class Plan(Struct, kw_only=True):
    """What a trial is made of."""

    name: str
    faults: Mapping[str, Fault]
    """Fault -> what does it, or waits until tasks or environment have done it."""
    kinds: tuple[str, ...] = ()
    """Beyond the everyday tasks: `process`, `poison`, `crash`, `malformed`, `blocking`; with `crowd`, so many process
    tasks that they wait for the children."""
    workers: int = 4
    producers: int = 2
    concurrency: int = 8
    tasks: int = 1000
    """Per trial."""
    seconds: float = 10.0
    """Of load and faults."""
    lease: float = 1.5
    grace: float = 3.0
    long_task: float | None = None
    """Seconds that the longest tasks run; None: two and a half leases."""
    url_options: str = ""
    """For the workers' and the producers' URL."""
    may_say: frozenset[str] = frozenset()
    """Of `SUSPICIOUS`: what is no wonder here."""
    quiet_within: float = 45.0
    environments: tuple[Mapping[str, str], ...] = ({},)
    """Of the workers, in turn."""
    leases_hold: bool = False
    """Nothing of it makes a lease lapse: each delivery after the first is due to a Retry or a Release."""
    runs_once: bool = False
    """No body runs again but after a Retry or a Release, or because a heartbeat took long. (A lease may lapse of which
    its worker did not know yet.)"""
    limits_pages: bool = False
    """Workers and producers obey the file that says how many pages the store may have."""
    networked: bool = False
    """Workers and producers reach the store through a proxy."""
    drivers: frozenset[str] = frozenset()
    """The only ones that it is for; none named: all."""


class Report(Struct):
    """What became of a trial."""

    plan: str
    seed: int
    url: str
    tasks: int
    starts: int
    fired: dict[str, int]
    restarts: int
    states: dict[str, int]
    violations: list[Violation] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Nothing is wrong with it, and its faults happened."""
        return not self.violations and not self.complaints

    def __str__(self) -> str:
        head = (
            f"trial {self.plan} seed {self.seed} on {self.url}: {self.tasks} tasks, {self.starts} starts, "
            f"{self.restarts} restarts, faults {self.fired}, {self.states}, {self.seconds:.1f} s"
        )
        return "\n".join([head, *self.complaints, *([summary(self.violations)] if self.violations else [])])


def max_attempts(task_name: str) -> int:
    """The limit of a task of the application."""
    return POISON_ATTEMPTS if task_name.rpartition(":")[2] in POISONS else MAX_ATTEMPTS


async def run_trial(plan: Plan, *, seed: int, url: str, folder: Path, mutant: str | None = None) -> Report:
    """Run one trial in an empty folder, on an empty store; perhaps with a mistake in the workers."""
    print(f"trial {plan.name}, seed {seed}, {url}", flush=True)
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        proxy, place = await stack.enter_async_context(open_network(url)) if plan.networked else (None, url)
        trial = _Trial(plan, seed, place, folder, mutant, proxy)
        processes = stack.enter_context(Processes(folder))
        async with DriverFactory.create(url) as driver:
            await trial.run(processes, driver)
            records = {record.id: record for record in await all_records(driver)}
    timeline = build_timeline(read_histories(trial.histories))
    report = Report(
        plan=plan.name,
        seed=seed,
        url=url,
        tasks=len(records),
        starts=timeline.starts,
        fired={fault: timeline.fired(fault) for fault in plan.faults},
        restarts=trial.restarts,
        states=dict(
            Counter(f"{record.state}{f' ({record.reason})' * bool(record.reason)}" for record in records.values())
        ),
        violations=check(Evidence(timeline, records, max_attempts)),
        complaints=trial.complaints + _complaints(plan, timeline, processes),
        seconds=time.monotonic() - began,
    )
    print(report, flush=True)
    return report


def _complaints(plan: Plan, timeline: Timeline, processes: Processes) -> list[str]:
    """A trial that did not happen, and log lines that no worker may write."""
    complaints = [f"{fault} never fired" for fault in plan.faults if not timeline.fired(fault)]
    if timeline.starts < plan.tasks // 2:
        complaints.append(f"only {timeline.starts} bodies ran; wanted {plan.tasks // 2}")
    if plan.leases_hold:
        complaints += [f"a lease of {story.id} lapsed" for story in timeline.stories.values() if story.has_lapsed]
    if plan.runs_once:
        complaints += [
            f"{story.id} ran again for no reason"
            for story in timeline.stories.values()
            if story.ran_again and not story.was_extended_slowly
        ]
    suspicious = [text for text in SUSPICIOUS if text not in plan.may_say]
    for process in processes.started:
        output = process.output()
        complaints += [
            f"{process.log.name} has {text!r}:\n{_around(output, text)}" for text in suspicious if text in output
        ]
    return complaints


def _around(output: str, text: str) -> str:
    place = output.index(text)
    return output[max(0, place - 300) : place + 1500]


class _Trial:
    def __init__(
        self, plan: Plan, seed: int, url: str, folder: Path, mutant: str | None, proxy: TcpProxy | None
    ) -> None:
        self.plan = plan
        self.seed = seed
        self._url = "?".join(filter(None, (url, plan.url_options)))
        self.folder = folder
        self._proxy = proxy
        self._mutant = {} if mutant is None else {"TORTURE_MUTANT": mutant}
        self.histories = folder / "histories"
        self.histories.mkdir()
        (folder / PAGES_FILE).write_text(str(NO_LIMIT))
        self.complaints: list[str] = []
        self.restarts = 0
        self._processes: Processes

    async def run(self, processes: Processes, driver: Driver) -> None:
        plan = self.plan
        self._processes = processes
        fleet = Fleet(self._start_worker, plan.workers)
        fleet.start()
        producers = [self._start_producer(number) for number in range(plan.producers)]
        scene = Scene(
            fleet,
            self.folder,
            random.Random(self.seed),
            History(self.histories),
            plan.lease,
            plan.grace,
            self.complaints,
            self._proxy,
        )
        async with anyio.create_task_group() as care:
            care.start_soon(fleet.look_after)
            await self._under_fire(scene, producers)
            await self._until_quiet(driver)
            care.cancel_scope.cancel()
        self.restarts = fleet.restarts
        await self._end(fleet)

    async def _under_fire(self, scene: Scene, producers: Sequence[Process]) -> None:
        async with anyio.create_task_group() as faults:
            for fault in self.plan.faults.values():
                faults.start_soon(fault, scene)
            await anyio.sleep(self.plan.seconds)
            with anyio.move_on_after(self.plan.seconds * 3):
                for producer in producers:
                    await eventually(lambda producer=producer: not producer.is_alive, within=3600, what="a producer")
            faults.cancel_scope.cancel()
        for producer in producers:
            if producer.is_alive or producer.popen.returncode:
                self.complaints.append(f"a producer did not come to its end:\n{producer.output()[-2000:]}")

    async def _until_quiet(self, driver: Driver) -> None:
        """Nothing waits and nothing runs."""
        deadline = time.monotonic() + self.plan.quiet_within
        while True:
            stats = (await driver.queue_stats(["default"]))["default"]
            if not stats.ready + stats.scheduled + stats.leased:
                return
            if time.monotonic() > deadline:
                self.complaints.append(f"it is not quiet after {self.plan.quiet_within:g} s: {stats}")
                return
            await anyio.sleep(0.1)

    async def _end(self, fleet: Fleet) -> None:
        for worker in fleet.workers.values():
            worker.popen.terminate()
        for worker in fleet.workers.values():
            try:
                await worker.wait_until_ended(within=self.plan.grace + 8.0)
            except AssertionError as error:
                self.complaints.append(f"at the end: {error}")
        for process in self._processes.started:
            try:
                await eventually(lambda process=process: not process.has_children, within=5.0, what="its children")
            except AssertionError:
                self.complaints.append(f"{process.log.name} left processes behind")

    def _start_worker(self, place: int) -> Process:
        plan = self.plan
        apps = ["tests.torture.application", *(["tests.torture.process_tasks"] if "process" in plan.kinds else [])]
        return self._processes.start_worker(
            *[word for app in apps for word in ("--app", app)],
            *("--url", self._url, "--concurrency", str(plan.concurrency), "--process-pool-size", "1"),
            *("--lease", str(plan.lease), "--grace", str(plan.grace)),
            **self._environment(),
            **self._mutant,
            **plan.environments[place % len(plan.environments)],
        )

    def _start_producer(self, number: int) -> Process:
        plan = self.plan
        long_task = plan.long_task or 2.5 * plan.lease
        arguments = (self._url, self.seed, plan.tasks // plan.producers, plan.seconds, long_task, f"p{number}")
        kinds = ",".join(kind for kind in plan.kinds if kind != "crash" or number == 0)
        command = [sys.executable, "-m", "tests.torture.producer", *map(str, arguments), kinds]
        return self._processes.start(command, name="producer", **self._environment())

    def _environment(self) -> dict[str, str]:
        pages = {"TORTURE_PAGES": str(self.folder / PAGES_FILE)} if self.plan.limits_pages else {}
        return {"TORTURE_HISTORY": str(self.histories)} | pages


async def all_records(driver: Driver) -> list[TaskRecord]:
    """Everything that is stored."""
    records: list[TaskRecord] = []
    after: str | None = None
    while True:
        page = await driver.list_tasks(
            queue=None, state=None, name=None, correlation_id=None, older_than=None, limit=1000, after=after
        )
        records += page.tasks
        after = page.after
        if after is None:
            return records


def fresh_seed() -> int:
    """The seed of a trial that was not told one."""
    return int(os.environ.get("TORTURE_SEED") or random.SystemRandom().randrange(1_000_000))
