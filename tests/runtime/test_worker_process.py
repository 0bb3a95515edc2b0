"""Real worker processes on an SQLite file: signals, a blocked event loop, and a process that was frozen."""

import json
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import pytest
from anyio.abc import Process

from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import TaskRecord, TaskState
from asynctasq.plugins.driver_factory import DriverFactory
from asynctasq.runtime.frame import Headers
from tests.runtime import worker_program as program
from tests.runtime.harness import Bench
from tests.runtime.process_tasks import notes

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def anyio_backend() -> Any:
    return "asyncio", {}


class Store(Bench):
    """A bench on a file, whose workers are processes."""

    def __init__(self, driver: Driver, url: str, path: str) -> None:
        super().__init__(driver)  # type: ignore[arg-type]
        self.url = url
        self.path = path
        self.output = ""

    @asynccontextmanager
    async def process(self, **options: Any) -> AsyncGenerator[Process, None]:
        """A worker process; what it has written is in `output` afterwards."""
        options.setdefault("worker_id", "w")
        command = [sys.executable, "-m", "tests.runtime.worker_program", self.url, json.dumps(options)]
        async with await anyio.open_process(command, stdout=None, stderr=PIPE) as process:
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._read, process)
                    yield process
                    with anyio.fail_after(30):
                        await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()

    async def _read(self, process: Process) -> None:
        assert process.stderr is not None
        async for chunk in process.stderr:
            self.output += chunk.decode()

    async def started(self, count: int = 1) -> None:
        await self.eventually(lambda: sum(line[1] == "start" for line in notes(self.path)) >= count)

    def told(self) -> list[tuple[str, str]]:
        return [(line[1], line[2]) for line in notes(self.path)]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store, None]:
    url = f"sqlite:///{tmp_path}/queue.db"
    async with DriverFactory.create(url) as driver:
        yield Store(driver, url, str(tmp_path / "notes"))


@pytest.mark.parametrize("use_uvloop", [True, False])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_worker_exits_at_once(store: Store, number: signal.Signals, use_uvloop: bool) -> None:
    """P12: SIGTERM and Ctrl-C end an idle worker with 0 within 2 s."""
    async with store.process(poll_interval=30.0, use_uvloop=use_uvloop) as worker:
        await store.eventually(lambda: "serves" in store.output)
        await anyio.sleep(0.3)
        at = time.monotonic()
        worker.send_signal(number)
        assert await worker.wait() == 0
    assert time.monotonic() - at < 2.0
    assert "the next signal cancels" in store.output


@pytest.mark.parametrize("use_uvloop", [True, False])
async def test_the_first_signal_drains(store: Store, use_uvloop: bool) -> None:
    """P12: after the first SIGTERM a running task may end; the worker exits with 0."""
    id = await store.enqueue(program.sleep(store.path, 1.0))
    async with store.process(grace=20.0, use_uvloop=use_uvloop) as worker:
        await store.started()
        worker.terminate()
        assert await worker.wait() == 0
    assert (await store.record(id)).state is TaskState.COMPLETED


@pytest.mark.parametrize("use_uvloop", [True, False])
async def test_the_second_signal_cancels_and_releases(store: Store, use_uvloop: bool) -> None:
    """P12: a second SIGTERM cancels and releases within 2 s, without burning an attempt; the exit code is 143."""
    id = await store.enqueue(program.sleep(store.path, 60.0))
    async with store.process(grace=60.0, use_uvloop=use_uvloop) as worker:
        await store.started()
        worker.terminate()
        await store.eventually(lambda: "finishing what runs" in store.output)
        at = time.monotonic()
        worker.terminate()
        assert await worker.wait() == 143
    assert time.monotonic() - at < 2.3
    assert store.told() == [("start", "1"), ("cancelled", "1")]
    await _is_ready_again(store, id)


@pytest.mark.parametrize("use_uvloop", [True, False])
async def test_the_third_signal_exits_now_although_the_loop_is_blocked(store: Store, use_uvloop: bool) -> None:
    """P12: a third signal ends a process whose event loop is blocked, and can no longer be talked to."""
    await store.enqueue(program.block(store.path, 60.0))
    async with store.process(grace=60.0, use_uvloop=use_uvloop) as worker:
        await store.started()
        await anyio.sleep(0.5)  # two signals that arrive before the body sleeps would count as one
        at = time.monotonic()
        for _ in range(3):
            worker.send_signal(signal.SIGINT)
            await anyio.sleep(0.2)
        assert await worker.wait() == 130
    assert time.monotonic() - at < 2.0


@pytest.mark.parametrize("use_uvloop", [True, False])
@pytest.mark.parametrize(("signals", "code"), [(1, 0), (2, 143), (3, 143)])
@pytest.mark.parametrize("moment", ["connecting", "disconnecting"])
async def test_signals_around_the_work(store: Store, moment: str, signals: int, code: int, use_uvloop: bool) -> None:
    """P12: a signal that arrives while the worker connects, or after its last settlement while it disconnects, means
    what it means at any other time: none is met by the default action, and none is waited out."""
    id = await store.enqueue(program.sleep(store.path, 0.0))
    interrupted = (store.url.removeprefix("sqlite:///"), moment, signals)
    async with store.process(burst=True, use_uvloop=use_uvloop, interrupted=interrupted) as worker:
        assert await worker.wait() == code
    expected = TaskState.READY if moment == "connecting" else TaskState.COMPLETED
    assert (await store.record(id)).state is expected
    assert "Traceback" not in store.output


async def test_the_end_of_the_grace_releases(store: Store) -> None:
    """P12: what does not end within the grace is released at once; a thread that can't be stopped does not keep the
    process."""
    ids = [await store.enqueue(program.sleep(store.path, 60.0)), await store.enqueue(program.thread(store.path, 60.0))]
    async with store.process(grace=1.0) as worker:
        await store.started(2)
        at = time.monotonic()
        worker.terminate()
        assert await worker.wait() == 0
    assert time.monotonic() - at < 3.3
    for id in ids:
        await _is_ready_again(store, id)


async def test_a_body_that_refuses_to_end_does_not_keep_the_process(store: Store) -> None:
    """P12: with exit_when_stuck the process ends although a body ignores its cancellation; its task is released."""
    id = await store.enqueue(program.stubborn(store.path))
    async with store.process(grace=0.5, exit_when_stuck=True) as worker:
        await store.started()
        at = time.monotonic()
        worker.terminate()
        await worker.wait()
    assert time.monotonic() - at < 2.8
    await _is_ready_again(store, id)


async def test_a_killed_worker_costs_one_attempt_and_the_lease(store: Store) -> None:
    """P1: what a killed worker held is run again by another one once the lease has ended, and counts an attempt."""
    id = await store.enqueue(program.sleep(store.path, 3.0), headers=Headers(max_attempts=3))
    async with store.process(lease=1.0) as first:
        await store.started()
        first.kill()
    at = time.monotonic()
    async with store.process(lease=1.0, worker_id="w2") as second:
        await store.started(2)
        assert time.monotonic() - at < 1.0 + 1.0 + 1.0
        record = await store.until(id, TaskState.COMPLETED)
        second.terminate()
    assert record.attempts == 2


@pytest.mark.parametrize("use_uvloop", [True, False])
async def test_a_blocked_event_loop_costs_no_lease(store: Store, use_uvloop: bool) -> None:
    """Heartbeats run off the event loop: a body that blocks it for three leases is not run twice, neither are the
    others; a warning has the stack, once."""
    ids = [await store.enqueue(program.sleep(store.path, 4.0)), await store.enqueue(program.block(store.path, 3.3))]
    async with store.process(lease=1.0, concurrency=2, blocked_loop_after=0.5, use_uvloop=use_uvloop) as worker:
        await store.started(2)
        async with DriverFactory.create(store.url) as thief:
            for _ in range(40):
                assert await thief.reserve(["default"], limit=1, lease=1.0, worker="thief") == []
                await anyio.sleep(0.1)
        for id in ids:
            assert (await store.until(id, TaskState.COMPLETED)).attempts == 1
        worker.terminate()
    assert store.output.count("the event loop has been blocked") == 1
    assert "time.sleep(seconds)" in store.output


async def test_a_frozen_worker_learns_that_it_lost_its_tasks(store: Store) -> None:
    """P4: a worker that was stopped for three leases and goes on has lost its task: it is cancelled there within a
    second, and what it would settle has no effect."""
    id = await store.enqueue(program.sleep(store.path, 20.0), headers=Headers(max_attempts=5))
    async with store.process(lease=1.0) as worker:
        await store.started()
        worker.send_signal(signal.SIGSTOP)
        await anyio.sleep(2.0)
        [delivery] = await store.driver.reserve(["default"], limit=1, lease=60.0, worker="thief")
        assert delivery.attempt == 2
        worker.send_signal(signal.SIGCONT)
        await anyio.sleep(1.0)
        assert store.told() == [("start", "1"), ("cancelled", "1")]
        record = await store.record(id)
        assert (record.state, record.worker) == (TaskState.LEASED, "thief")
        worker.terminate()
    assert "LeaseLost" in store.output


async def test_sigusr1_tells_what_is_held_and_sigtstp_takes_nothing_new(store: Store) -> None:
    """SIGUSR1 logs the held tasks and all stacks; after SIGTSTP nothing new is taken, and what runs goes on."""
    first = await store.enqueue(program.sleep(store.path, 1.5))
    async with store.process(concurrency=2) as worker:
        await store.started()
        worker.send_signal(signal.SIGUSR1)
        await store.eventually(lambda: "1 tasks are held here" in store.output)
        assert "program.sleep" in store.output
        worker.send_signal(signal.SIGTSTP)
        await store.eventually(lambda: "nothing new is taken" in store.output)
        second = await store.enqueue(program.sleep(store.path, 0.1))
        await store.until(first, TaskState.COMPLETED)
        await anyio.sleep(0.5)
        assert (await store.record(second)).state is TaskState.READY
        worker.terminate()
        assert await worker.wait() == 0


async def test_sigtstp_while_connecting_is_heeded(store: Store) -> None:
    """SIGTSTP that arrives while the worker connects keeps it from ever taking anything."""
    id = await store.enqueue(program.sleep(store.path, 0.1))
    interrupted = (store.url.removeprefix("sqlite:///"), "connecting, to pause", 0)
    async with store.process(poll_interval=0.1, interrupted=interrupted) as worker:
        await store.eventually(lambda: "serves" in store.output)
        await anyio.sleep(0.5)
        assert (await store.record(id)).state is TaskState.READY
        worker.terminate()
        assert await worker.wait() == 0
    assert "nothing new is taken" in store.output


async def _is_ready_again(store: Store, id: str) -> None:
    record: TaskRecord = await store.record(id)
    assert (record.state, record.attempts, record.failures) == (TaskState.READY, 0, ())
