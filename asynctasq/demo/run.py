"""The demonstration from its start to its report."""

import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import msgspec
from msgspec import Struct

from asynctasq.app import cleanup, init
from asynctasq.contract.driver import Driver
from asynctasq.demo.findings import read_findings
from asynctasq.demo.independent_walk import Expected
from asynctasq.demo.report import Run, lines, verdict
from asynctasq.demo.source_files import (
    BROKEN_FILES,
    EVERYTHING,
    default_roots,
    rank,
    sample_bound,
    walk,
    write_broken_files,
)
from asynctasq.demo.tasks import FILES, FOLDERS, QUEUES, task_id, walk_folder
from asynctasq.demo.workers import check_running, kill_a_busy_one, worker_processes
from asynctasq.errors import AsyncTasqError, ConfigurationError
from asynctasq.plugins.driver_factory import DriverFactory

AT_MOST = 3_000
WORKERS = ("demo-1", "demo-2")
POLL = 0.1
PATIENCE = 60.0
"""Seconds without any progress after which the demonstration gives up."""

Progress = Callable[[int, int], None]
"""Called with the files that ended and the files there are."""


class Options(Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    paths: tuple[str, ...] = ()
    url: str | None = None
    everything: bool = False
    keep: Path | None = None
    """A folder in which the store and the broken files stay, so that `check` can read them again."""
    check: bool = False
    """Run nothing: read the store of an earlier run in `keep`, and compare again."""


class Plan(Struct, frozen=True, kw_only=True):
    """What is indexed, and where the tasks are stored."""

    bounds: dict[str, int]
    """Each folder, and the bound under which the ranks of its sampled files lie."""
    files: int
    url: str
    added: int
    """Broken files that the demonstration adds itself."""


async def demonstrate(options: Options, say: Callable[[str], None], progress: Progress) -> int:
    """Run the demonstration; the exit code.

    Raises:
        ConfigurationError: a path is not a folder, or `check` finds no earlier run.
    """
    with _folder(options) as folder:
        plan = _read_plan(folder) if options.check else _make_plan(options, folder)
        if plan.added:
            say(f"{plan.added} broken files were added, which must end as dead letters: {', '.join(BROKEN_FILES)}")
        say(f"indexing {plan.files:,} files below {', '.join(plan.bounds)}")
        async with _connected(plan.url) as driver:
            run, expected = await _run_and_expect(plan, driver, progress, check=options.check)
            findings = await read_findings(driver, expected)
            if options.keep is None:
                await driver.purge(QUEUES)
    for line in lines(findings, run):
        say(line)
    return verdict(findings, run)


# -- the plan


@contextmanager
def _folder(options: Options) -> Generator[Path]:
    """The folder of the run: kept where the user said, or temporary."""
    if options.keep is not None:
        if not options.check:
            options.keep.mkdir(parents=True, exist_ok=True)
        yield options.keep.resolve()
        return
    if options.check:
        raise ConfigurationError("--check reads an earlier run: say where it was kept, with --keep FOLDER")
    with tempfile.TemporaryDirectory(prefix="asynctasq-demo-") as folder:
        yield Path(folder).resolve()


def _make_plan(options: Options, folder: Path) -> Plan:
    for path in options.paths:
        if not Path(path).is_dir():
            raise ConfigurationError(f"{path} is not a folder; wanted folders with Python source in them")
    added = folder / "broken"
    write_broken_files(added)
    roots = [str(Path(path).resolve()) for path in options.paths] or default_roots()
    files = list(walk(roots))
    bound = sample_bound(files, None if options.everything else AT_MOST - len(BROKEN_FILES))
    plan = Plan(
        bounds={**dict.fromkeys(roots, bound), str(added): EVERYTHING},
        files=sum(rank(path) < bound for path in files) + len(BROKEN_FILES),
        url=_with_namespace(options.url or f"sqlite:///{folder / 'demo.db'}", f"demo-{time.time_ns():x}"),
        added=len(BROKEN_FILES),
    )
    (folder / "plan.json").write_bytes(msgspec.json.encode(plan))
    return plan


def _read_plan(folder: Path) -> Plan:
    try:
        return msgspec.json.decode((folder / "plan.json").read_bytes(), type=Plan)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigurationError(f"{folder} holds no earlier run: {error}") from error


def _with_namespace(url: str, namespace: str) -> str:
    return url if "namespace=" in url else f"{url}{'&' if '?' in url else '?'}namespace={namespace}"


# -- the run


@asynccontextmanager
async def _connected(url: str) -> AsyncGenerator[Driver]:
    init(url=url)
    driver = DriverFactory.create(url)
    try:
        await driver.prepare_storage()
        async with driver:
            yield driver
    finally:
        await cleanup()


async def _run_and_expect(
    plan: Plan, driver: Driver, progress: Progress, *, check: bool
) -> tuple[Run | None, Expected]:
    """The run and the independent walk, side by side."""
    expected: list[Expected] = []
    run: Run | None = None

    async def expect() -> None:
        walk_process = [sys.executable, "-m", "asynctasq.demo.independent_walk"]
        bounds = msgspec.json.encode(plan.bounds)
        # In a session of its own, as the workers are: Ctrl-C ends this process, which then ends the others.
        done = await anyio.run_process(walk_process, input=bounds, stderr=None, start_new_session=True)
        expected.append(msgspec.json.decode(done.stdout, type=Expected))

    async with anyio.create_task_group() as together:
        together.start_soon(expect)
        if not check:
            run = await _run(plan, driver, progress)
    return run, expected[0]


async def _run(plan: Plan, driver: Driver, progress: Progress) -> Run:
    started = time.monotonic()
    for root, bound in plan.bounds.items():
        await walk_folder(root, bound).task_id(task_id("folder", root)).dispatch()
    killed: str | None = None
    last_change, last_ended = started, -1
    async with worker_processes(plan.url, WORKERS) as workers:
        while True:
            ended, live, files = await _ended(driver)
            progress(files, plan.files)
            if not live:
                break
            if killed is None and files * 3 >= plan.files:
                killed = await kill_a_busy_one(driver, workers)
            check_running(workers, except_for=killed)
            if ended != last_ended:
                last_change, last_ended = time.monotonic(), ended
            elif time.monotonic() - last_change > PATIENCE:
                raise AsyncTasqError(f"nothing ended for {PATIENCE:.0f} seconds, with {live} tasks waiting or running")
            await anyio.sleep(POLL)
        seconds = time.monotonic() - started
    return Run(seconds=seconds, tasks=ended, killed=killed, added=plan.added)


async def _ended(driver: Driver) -> tuple[int, int, int]:
    """Tasks that ended, tasks that have not, and files among those that ended."""
    # Folders first: once none of them is live, no file can come after the look at the files.
    stats = {**await driver.queue_stats([FOLDERS]), **await driver.queue_stats([FILES])}
    ended = {queue: found.total_completed + found.total_dead for queue, found in stats.items()}
    live = sum(found.ready + found.scheduled + found.leased for found in stats.values())
    return sum(ended.values()), live, ended[FILES]
