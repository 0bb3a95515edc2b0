"""The best-practices document that this project is built from, line by line.

A test is named for its line: `test_line_20_...`. Here are the lines about queues and the examples of code; those about
tasks, errors, performance and production stand beside it, in `test_best_practices_*.py`. `seed_lines` has every line
that says something, those that are advice and nothing else, and what a line needs that is not there yet. The run ends
with a table of them.
"""

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from asynctasq import (
    AsyncTask,
    Config,
    DriverFactory,
    EventType,
    TaskConfig,
    TaskDefaultsConfig,
    TaskFailed,
    TaskState,
    dispatch_many,
    init,
)
from asynctasq.errors import DefinitionError
from asynctasq.testing import drain
from tests.acceptance.best_practice_application import (
    Collector,
    ProcessPayment,
    charge,
    send_email,
)
from tests.acceptance.notes import notes
from tests.acceptance.seed_lines import ADVICE, SEED, STILL_TO_COME
from tests.acceptance.workers import until, work

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]

_TEST_OF_LINE = re.compile(r"^(?:async )?def test_line_(\d+)_", re.MULTILINE)


def test_every_line_is_accounted_for() -> None:
    """Each line of the document has a test here, is advice alone, or says what it waits for."""
    files = Path(__file__).parent.glob("test_best_practices*.py")
    tested = {int(line) for file in files for line in _TEST_OF_LINE.findall(file.read_text())}
    assert not tested & ADVICE.keys()
    assert not tested & STILL_TO_COME.keys()
    assert not ADVICE.keys() & STILL_TO_COME.keys()
    assert tested | ADVICE.keys() | STILL_TO_COME.keys() == SEED.keys()


# -- queues


async def test_line_43_queues_by_priority(url: str) -> None:
    """43: Use separate queues for different priorities: a worker of high, default and low serves them in that order."""
    init(url=url)
    for queue in ("low", "default", "high"):
        await dispatch_many([charge(number).on_queue(queue) for number in range(3)])
    await work("high,default,low", concurrency=1, prefetch=False)
    assert notes == [0, 1, 2] * 3
    heard = Collector()
    init(url=url, event_sinks=[heard])
    for queue in ("low", "high"):
        await dispatch_many([charge(number).on_queue(queue) for number in range(3)])
    await work("high,low", concurrency=1)
    assert [event.queue for event in heard.of_tasks(EventType.TASK_STARTED)] == ["high"] * 3 + ["low"] * 3


async def test_line_44_slow_queues(url: str) -> None:
    """44: Isolate slow tasks in dedicated queues: a worker takes from its own queues, and from no other."""
    init(url=url)
    slow = await charge(1).on_queue("slow").dispatch()
    quick = await charge(2).dispatch()
    await work("default")
    assert (notes, await slow.status(), await quick.result(timeout=1)) == ([2], TaskState.READY, 2)


class BuildReport(AsyncTask[None]):
    config: TaskConfig = {"queue": "reports"}

    async def execute(self) -> None: ...


async def test_line_45_grouping(url: str) -> None:
    """45: Group related tasks by queue: by decorator, class and chain, and counted by queue."""
    init(url=url, task_defaults=TaskDefaultsConfig(queue="notifications"))
    await send_email("a").dispatch()
    await BuildReport().dispatch()
    await charge(1).dispatch()
    await send_email("b").on_queue("newsletters").dispatch()
    async with Config.get().open_driver() as driver:
        stats = await driver.queue_stats()
    assert {queue: each.ready for queue, each in stats.items()} == {
        "emails": 1, "reports": 1, "notifications": 1, "newsletters": 1,
    }  # fmt: skip


def test_line_47_queue_names() -> None:
    """47: Use descriptive queue names: up to 64 letters, digits, dots, dashes and underscores; others are refused."""
    assert charge(1).on_queue("low-priority.emails_2026")
    for name in ("", "with space", "x" * 65, "a,b"):
        with pytest.raises(DefinitionError, match="queue is"):
            charge(1).on_queue(name)


TASKS_FILE = """
from asynctasq import task

@task
async def touch(name: str) -> str:
    return name
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with an application in `tasks.py`."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "tasks.py").write_text(TASKS_FILE)
    return folder


def _start(folder: Path, line: str) -> "subprocess.Popen[str]":
    arguments = [sys.executable if word == "python" else word for word in line.split()]
    return subprocess.Popen(arguments, cwd=folder, stderr=subprocess.PIPE, text=True)


async def _serves(folder: Path, line: str, queues: list[str]) -> str:
    """Type a line into a shell in the application's folder: it serves these queues, and ends in peace; what it said."""
    program = "import sys, tasks\nfor q in sys.argv[1:]: tasks.touch(name=q).on_queue(q).task_id(q).dispatch_sync()"
    await anyio.run_process([sys.executable, "-c", program, *queues, "elsewhere"], cwd=folder)
    worker = _start(folder, line)
    try:
        async with DriverFactory.create(f"sqlite:///{folder}/asynctasq.db") as driver:

            async def done() -> bool:
                return {r.state for r in (await driver.get_tasks(queues)).values()} == {TaskState.COMPLETED}

            await until(done)
            assert (await driver.get_tasks(["elsewhere"]))["elsewhere"].state is TaskState.READY
    finally:
        worker.send_signal(signal.SIGTERM)
        _, said = await anyio.to_thread.run_sync(worker.communicate)
    assert worker.returncode == 0, said
    return said


@pytest.mark.slow
async def test_line_53_critical_worker(shop: Path) -> None:
    """53: `python -m asynctasq worker --queues critical --concurrency 20`, as written."""
    said = await _serves(shop, "python -m asynctasq worker --queues critical --concurrency 20", ["critical"])
    assert "serves critical with concurrency 20" in said


@pytest.mark.slow
async def test_line_56_default_worker(shop: Path) -> None:
    """56: `python -m asynctasq worker --queues default --concurrency 10`, as written."""
    said = await _serves(shop, "python -m asynctasq worker --queues default --concurrency 10", ["default"])
    assert "serves default with concurrency 10" in said


@pytest.mark.slow
async def test_line_59_background_worker(shop: Path) -> None:
    """59: `python -m asynctasq worker --queues low-priority,batch --concurrency 5`, as written; without an application
    it says what it tried."""
    line = "python -m asynctasq worker --queues low-priority,batch --concurrency 5"
    assert "serves low-priority, batch with concurrency 5" in await _serves(shop, line, ["low-priority", "batch"])
    (shop / "tasks.py").unlink()
    lost = await anyio.run_process([sys.executable, *line.split()[1:]], cwd=shop, check=False)
    assert lost.returncode == 4
    assert all(name in lost.stderr.decode() for name in ("tasks.py", "app.py", "main.py", "--app"))


# -- examples


async def test_line_72_the_payment_example(url: str) -> None:
    """72: `class ProcessPayment(AsyncTask[bool])` with a `failed()` alone may be defined; without `execute` there is
    nothing to dispatch, and with it `failed()` runs once after the last attempt."""

    class AsPrinted(AsyncTask[bool]):
        async def failed(self, exception: Exception) -> None: ...

    with pytest.raises(DefinitionError, match=r"AsPrinted has no execute\(\)"):
        AsPrinted()
    init(url=url)
    handle = await ProcessPayment(user_id=3, amount=9.5).dispatch()
    await drain()
    assert notes == [("admin", "the bank does not answer")]
    with pytest.raises(TaskFailed, match="after 2 attempts: ConnectionError"):
        await handle.result(timeout=1)


EXAMPLE = """
from asynctasq import (
    init, RedisConfig, TaskDefaultsConfig, EventsConfig, ProcessPoolConfig, Worker, DriverFactory, Config
)

# Configuration - See configuration.md for complete options
init()  # Loads from .env file (recommended) or environment variables
"""


def test_line_123_production_example(tmp_path: Path) -> None:
    """123: The production set-up: it reads `.env`; without asynctasq-redis it says what to install."""
    (tmp_path / ".env").write_text("ASYNCTASQ_REDIS_URL=redis://cache:6379/3\n")
    program = EXAMPLE + "print(Config.get().driver, Config.get().driver_settings().db)"
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.startswith("redis "), done.stderr
    without = os.environ | {"ASYNCTASQ_DISABLE_PLUGINS": "redis"}
    refused = subprocess.run(command, env=without, capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode != 0
    assert "ImportError: RedisConfig is not available" in refused.stderr
