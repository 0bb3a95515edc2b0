"""A drain with enqueues beside it, minute by minute: does a store get slower by what it has done?

    python benchmarks/steady.py [URL ...] [--minutes N] [--remember-for SECONDS] [--backlog N] [--no-uvloop]

One loop reserves and settles 100 plain tasks at a time, one enqueues 100 at a time as long as less than the backlog
waits, and one maintains the store as a worker does. Ids are remembered for a minute, as by default, so that from the
second minute on as many are forgotten as come. Only the ratios to the first minute carry over between machines.
"""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

import anyio
from measuring import BATCH, heading, opened, run, urls

from asynctasq.driver_api import Complete, Driver, NewTask, SettleOutcome
from asynctasq.runtime.housekeeping import maintain
from asynctasq.tasks.task_ids import new_task_id

QUEUE = "default"
PAYLOAD = b"x" * 100
LEASE = 60.0


class Drain:
    """One store under a steady load, and the count of what it has done."""

    def __init__(self, driver: Driver, *, backlog: int, remember_for: float) -> None:
        self._driver = driver
        self._backlog = backlog
        self._remember_for = remember_for
        self._has_room = anyio.Event()
        self.enqueued = 0
        self.completed = 0

    @property
    def waiting(self) -> int:
        """How many tasks are enqueued and not yet completed."""
        return self.enqueued - self.completed

    async def fill(self) -> None:
        """Enqueue the backlog that the drain begins with."""
        while self.waiting < self._backlog:
            await self._enqueue()

    async def produce(self) -> None:
        """Keep the backlog at its size, until cancelled."""
        while True:
            if self.waiting < self._backlog:
                await self._enqueue()
            else:
                self._has_room = anyio.Event()
                await self._has_room.wait()

    async def consume(self) -> None:
        """Reserve and complete, until cancelled."""
        while True:
            deliveries = await self._driver.reserve([QUEUE], limit=BATCH, lease=LEASE, worker="steady")
            outcomes = await self._driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
            assert all(outcome is SettleOutcome.APPLIED for outcome in outcomes), "a live lease was lost"
            self.completed += len(deliveries)
            self._has_room.set()

    async def _enqueue(self) -> None:
        await self._driver.enqueue_many(
            [
                NewTask(id=new_task_id(), queue=QUEUE, name="n", payload=PAYLOAD, remember_for=self._remember_for)
                for _ in range(BATCH)
            ]
        )
        self.enqueued += BATCH


async def rates(drain: Drain, driver: Driver, minutes: int, minute: float) -> list[float]:
    """Completed tasks per second, for each minute; a line is printed at the end of each."""
    found: list[float] = []
    async with anyio.create_task_group() as loops:
        loops.start_soon(drain.produce)
        loops.start_soon(drain.consume)
        loops.start_soon(maintain, driver)
        began, completed = anyio.current_time(), drain.completed
        for number in range(1, minutes + 1):
            await anyio.sleep(minute)
            now, so_far = anyio.current_time(), drain.completed
            found.append((so_far - completed) / (now - began))
            began, completed = now, so_far
            show(
                f"minute {number}",
                f"{found[-1]:>12,.0f}/s   {found[-1] / found[0]:5.2f} of the first   {drain.waiting:>8,} waiting",
            )
        loops.cancel_scope.cancel()
    return found


def show(what: str, figures: str) -> None:
    """One line."""
    sys.stdout.write(f"  {what:<16}{figures}\n")
    sys.stdout.flush()


async def main(options: argparse.Namespace) -> None:
    """Drain every store for so many minutes."""
    with tempfile.TemporaryDirectory() as folder:
        for url in urls(options, Path(folder)):
            heading(url)
            async with opened(url) as driver:
                drain = Drain(driver, backlog=options.backlog, remember_for=options.remember_for)
                await drain.fill()
                found = await rates(drain, driver, options.minutes, options.minute)
            show("last / first", f"{found[-1] / found[0]:12.2f}")
            show("worst / first", f"{min(found) / found[0]:12.2f}")


def arguments() -> argparse.Namespace:
    """The arguments of this benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("urls", nargs="*", metavar="URL", help="default: memory:// and a SQLite file")
    parser.add_argument("--minutes", type=int, default=10, help="for each store (default: %(default)s)")
    parser.add_argument("--minute", type=float, default=60.0, help="seconds of a minute (default: %(default)s)")
    parser.add_argument("--backlog", type=int, default=10_000, help="tasks that wait (default: %(default)s)")
    parser.add_argument(
        "--remember-for", type=float, default=60.0, help="seconds that finished ids stay known (default: %(default)s)"
    )
    parser.add_argument("--no-uvloop", action="store_true", help="use the standard event loop")
    return parser.parse_args()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    run(main, arguments())
