"""What a driver makes of its store: enqueueing and draining plain tasks without a worker, beside the raw store.

    python benchmarks/store.py [URL ...] [--batch N ...] [--tasks N] [--rounds N] [--no-uvloop]

One caller at a time: `enqueue_many` beside a raw insert, then `reserve` and `settle_many` beside a raw claim and
delete, in batches of 10, 100 and 1,000. Raw and driver take turns, and each share is the median of the rounds' own
shares, so that a busy minute weighs on both. The last columns are the processor time of this process for each task:
the driver and its client library, and the whole store where it is embedded. Figures carry over between machines as
ratios only.
"""

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from measuring import heading, opened, parser, raw, run, urls
from raw_stores import RawStore

from asynctasq.driver_api import Complete, Driver, NewTask, SettleOutcome
from asynctasq.tasks.task_ids import new_task_id

BATCHES = (10, 100, 1_000)
FILL = 1_000
LEASE = 60.0
PAYLOAD = b"x" * 100
QUEUE = "default"


class Figures(NamedTuple):
    """One measurement."""

    rate: float
    """Tasks per second."""
    processor: float
    """Microseconds of this process's own processor time per task."""


async def timed(tasks: int, work: Callable[[], Awaitable[None]]) -> Figures:
    """Run the work once."""
    started, used = time.perf_counter(), time.process_time()
    await work()
    return Figures(tasks / (time.perf_counter() - started), (time.process_time() - used) / tasks * 1e6)


def plain_tasks(count: int) -> list[NewTask]:
    """Tasks without anything that a plain task's path must not pay for."""
    return [NewTask(id=new_task_id(), queue=QUEUE, name="benchmark.nothing", payload=PAYLOAD) for _ in range(count)]


async def raw_figures(url: str, tasks: int, batch: int) -> tuple[Figures, Figures]:
    """Inserting, and claiming and deleting, in the raw store."""
    async with raw(url) as store:

        async def enqueue() -> None:
            payloads = [PAYLOAD] * batch
            for _ in range(tasks // batch):
                await store.insert(payloads)

        enqueued = await timed(tasks, enqueue)
    async with raw(url) as store:
        await fill_raw(store, tasks)

        async def drain() -> None:
            await store.drain(batch)

        return enqueued, await timed(tasks, drain)


async def fill_raw(store: RawStore, tasks: int) -> None:
    """What the drain begins with."""
    payloads = [PAYLOAD] * FILL
    for _ in range(tasks // FILL):
        await store.insert(payloads)


async def driver_figures(url: str, tasks: int, batch: int) -> tuple[Figures, Figures]:
    """Enqueueing, and reserving and completing, through the driver."""
    async with opened(url) as driver:
        batches = [plain_tasks(batch) for _ in range(tasks // batch)]

        async def enqueue() -> None:
            for each in batches:
                await driver.enqueue_many(each)

        enqueued = await timed(tasks, enqueue)
    async with opened(url) as driver:
        for _ in range(tasks // FILL):
            await driver.enqueue_many(plain_tasks(FILL))
        return enqueued, await timed(tasks, lambda: drain_driver(driver, tasks, batch))


async def drain_driver(driver: Driver, tasks: int, batch: int) -> None:
    """Reserve and complete everything, `batch` at a time."""
    completed = 0
    while completed < tasks:
        deliveries = await driver.reserve([QUEUE], limit=batch, lease=LEASE, worker="benchmark")
        outcomes = await driver.settle_many([Complete(receipt=delivery.receipt) for delivery in deliveries])
        assert all(outcome is SettleOutcome.APPLIED for outcome in outcomes), "a live lease was lost"
        completed += len(deliveries)


def show(what: str, ceilings: list[Figures], found: list[Figures]) -> None:
    """One line: the medians of both, and the median share."""
    share = statistics.median(mine.rate / ceiling.rate for mine, ceiling in zip(found, ceilings, strict=True))
    rates = (f"{statistics.median(each.rate for each in figures):>11,.0f}/s" for figures in (found, ceilings))
    processor = (f"{statistics.median(each.processor for each in figures):>8.1f}" for figures in (found, ceilings))
    sys.stdout.write(f"  {what:<24}{''.join(rates)}{share:>8.2f}{''.join(processor)}\n")
    sys.stdout.flush()


async def main(options: argparse.Namespace) -> None:
    """Measure every store."""
    sys.stdout.write(f"  {'':<24}{'driver':>13}{'raw':>13}{'share':>8}{'its us':>8}{'raw us':>8}\n")
    with tempfile.TemporaryDirectory() as folder:
        for url in urls(options, Path(folder)):
            heading(url)
            for batch in options.batch:
                tasks = max(FILL, (options.tasks if batch > BATCHES[0] else options.tasks // 4) // FILL * FILL)
                ceilings, found = [], []
                for _ in range(options.rounds):
                    ceilings.append(await raw_figures(url, tasks, batch))
                    found.append(await driver_figures(url, tasks, batch))
                for number, what in enumerate(("enqueue", "drain")):
                    show(
                        f"{what}, {batch:,} at a time", *([each[number] for each in side] for side in (ceilings, found))
                    )


def arguments() -> argparse.Namespace:
    """The arguments of this benchmark."""
    every = parser(__doc__, tasks=20_000)
    every.add_argument(
        "--batch", type=int, nargs="+", default=BATCHES, help="tasks in a call: divisors of 1,000 (default: all three)"
    )
    return every.parse_args()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    run(main, arguments())
