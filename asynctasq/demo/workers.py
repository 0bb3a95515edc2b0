"""Two real worker processes, one of which is killed while it holds files."""

import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from subprocess import DEVNULL

import anyio
from anyio.abc import Process

from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import TaskState
from asynctasq.demo.tasks import FILES, QUEUES
from asynctasq.errors import AsyncTasqError

LEASE = 2.0
CONCURRENCY = 8
STOPPING = 0.01
"""Seconds until a signal has reached every thread of a process."""


@asynccontextmanager
async def worker_processes(url: str, worker_ids: Sequence[str]) -> AsyncGenerator[dict[str, Process]]:
    """Start one worker process per id, and stop what still runs at the end."""
    async with AsyncExitStack() as stack:
        processes: dict[str, Process] = {}
        for worker_id in worker_ids:
            process = await anyio.open_process(
                _command(url, worker_id), stdin=DEVNULL, stdout=DEVNULL, stderr=None, start_new_session=True
            )
            stack.push_async_callback(_stop, process)
            processes[worker_id] = process
        yield processes


def check_running(workers: Mapping[str, Process], *, except_for: str | None) -> None:
    """Nobody waits for a worker that has ended by itself.

    Raises:
        AsyncTasqError: one has, other than `except_for`.
    """
    for worker_id, process in workers.items():
        if worker_id != except_for and process.returncode is not None:
            raise AsyncTasqError(f"the worker {worker_id} ended by itself, with the exit code {process.returncode}")


def _command(url: str, worker_id: str) -> list[str]:
    options = {
        "--app": "asynctasq.demo.tasks",
        "--url": url,
        "--queues": ",".join(QUEUES),
        "--concurrency": str(CONCURRENCY),
        "--lease": str(LEASE),
        "--worker-id": worker_id,
        "--log-level": "critical",  # dead letters are expected, and in the report
    }
    return [sys.executable, "-m", "asynctasq", "worker", *(word for pair in options.items() for word in pair)]


async def _stop(process: Process) -> None:
    with anyio.CancelScope(shield=True), anyio.move_on_after(10) as patience:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if patience.cancelled_caught:
        process.kill()
        with anyio.CancelScope(shield=True):
            await process.wait()
    await process.aclose()


async def kill_a_busy_one(driver: Driver, workers: Mapping[str, Process]) -> str:
    """Kill a worker with SIGKILL at a moment when it holds files; which one that was.

    Each is stopped first, so that what it holds can be looked up before it is killed; if it holds none just then, it
    goes on. Once no file is left that any could hold, the first is killed as it is.

    Raises:
        AsyncTasqError: one has ended by itself.
    """
    while await _files_are_left(driver):
        check_running(workers, except_for=None)
        for worker_id, process in workers.items():
            _send_signal(process, signal.SIGSTOP)
            await anyio.sleep(STOPPING)
            if await _holds_tasks(driver, worker_id):
                return await _kill(worker_id, process)
            _send_signal(process, signal.SIGCONT)
    return await _kill(*next(iter(workers.items())))


def _send_signal(process: Process, number: signal.Signals) -> None:
    if process.returncode is None:
        process.send_signal(number)


async def _kill(worker_id: str, process: Process) -> str:
    if process.returncode is None:
        process.kill()
        await process.wait()
    return worker_id


async def _files_are_left(driver: Driver) -> bool:
    stats = await driver.queue_stats(QUEUES)
    return any(found.ready + found.scheduled + found.leased for found in stats.values())


async def _holds_tasks(driver: Driver, worker_id: str) -> bool:
    after: str | None = None
    while True:
        page = await driver.list_tasks(queue=FILES, state=TaskState.LEASED, limit=500, after=after)
        if any(record.worker == worker_id for record in page.tasks):
            return True
        if (after := page.after) is None:
            return False
