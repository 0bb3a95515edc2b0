"""A worker process for the tests, on an SQLite file: `python -m tests.runtime.worker_program URL NOTES OPTIONS`."""

import json
import logging
import signal
import sys
import time

import anyio
from anyio.lowlevel import checkpoint
from asynctasq_sqlite import SQLiteConfig, SQLiteDriver

from asynctasq.plugins.driver_factory import DriverFactory
from asynctasq.runtime.shutdown import leave_process
from asynctasq.runtime.worker import Worker
from asynctasq.tasks.current_task import current_task
from asynctasq.tasks.function_task import task
from tests.runtime.process_tasks import note


@task(name="program.sleep")
async def sleep(path: str, seconds: float) -> None:
    note(path, "start", current_task().attempt)
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        note(path, "cancelled", current_task().attempt)
        raise
    note(path, "end", current_task().attempt)


@task(name="program.block")
async def block(path: str, seconds: float) -> None:
    note(path, "start", current_task().attempt)
    time.sleep(seconds)  # noqa: ASYNC251 - that it blocks is the point
    note(path, "end", current_task().attempt)


@task(name="program.thread")
def thread(path: str, seconds: float) -> None:
    note(path, "start", current_task().attempt)
    time.sleep(seconds)
    note(path, "end", current_task().attempt)


@task(name="program.stubborn")
async def stubborn(path: str) -> None:
    note(path, "start", current_task().attempt)
    with anyio.CancelScope(shield=True):
        await anyio.sleep(60)


class InterruptedDriver(SQLiteDriver):
    """Signals arrive while it connects, or while it disconnects."""

    def __init__(self, path: str, moment: str, signals: int) -> None:
        super().__init__(SQLiteConfig(path=path))
        self._moment = moment
        self._signals = signals

    async def _connect(self) -> None:
        if self._moment == "connecting":
            self._interrupt()
            await anyio.sleep_forever()
        if self._moment == "connecting, to pause":
            signal.raise_signal(signal.SIGTSTP)
            await anyio.sleep(0.3)
        await super()._connect()

    async def _disconnect(self) -> None:
        await super()._disconnect()
        if self._moment == "disconnecting":
            self._interrupt()
            await checkpoint()

    def _interrupt(self) -> None:
        for _ in range(self._signals):
            signal.raise_signal(signal.SIGTERM)


def main() -> None:
    """Run a worker to its end, and exit as it says."""
    url, options = sys.argv[1], json.loads(sys.argv[2])
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    use_uvloop = options.pop("use_uvloop", False)
    interrupted = options.pop("interrupted", None)
    driver = DriverFactory.create(url) if interrupted is None else InterruptedDriver(*interrupted)
    worker = Worker(driver, open_heartbeat_driver=lambda: DriverFactory.create(url), **options)
    anyio.run(worker.start, backend_options={"use_uvloop": use_uvloop})
    leave_process(worker.exit_code)


if __name__ == "__main__":
    # The module that has the tasks is the one that tests import, not this script's second life as `__main__`.
    from tests.runtime import worker_program

    worker_program.main()
