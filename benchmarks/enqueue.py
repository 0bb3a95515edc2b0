"""Tasks enqueued per second: one by one, 100 at once, in bulk, beside raw inserts of the same store in the same run.

    python benchmarks/enqueue.py [URL ...] [--tasks N] [--rounds N] [--no-uvloop]

"100 at once" is 100 concurrent `dispatch()` calls, which the dispatcher coalesces. Raw inserts go through the same
client library; figures carry over between machines as ratios only.
"""

import argparse
import logging
import tempfile
import time
from pathlib import Path

import anyio
from measuring import BATCH, arguments, heading, median, opened, raw, run, show, urls
from measuring import rate as per_second
from tasks_to_measure import nothing

from asynctasq.runtime.dispatcher import Dispatcher
from asynctasq.tasks.invocation import call_of

BULK = 1_000
PAYLOAD = b"x" * 100


async def one_by_one(url: str, tasks: int) -> float:
    """Each dispatch is awaited before the next one."""
    async with opened(url) as driver:
        dispatcher = Dispatcher(driver)
        started = time.perf_counter()
        for number in range(tasks):
            await dispatcher.dispatch(nothing(number=number))
        return per_second(tasks, started)


async def at_once(url: str, tasks: int) -> float:
    """100 callers, each awaiting its own dispatch before its next one."""
    async with opened(url) as driver:
        dispatcher = Dispatcher(driver)

        async def caller() -> None:
            for number in range(tasks // BATCH):
                await dispatcher.dispatch(nothing(number=number))

        started = time.perf_counter()
        async with anyio.create_task_group() as callers:
            for _ in range(BATCH):
                callers.start_soon(caller)
        return per_second(tasks // BATCH * BATCH, started)


async def in_bulk(url: str, tasks: int) -> float:
    """1,000 tasks in each round trip."""
    async with opened(url) as driver:
        dispatcher = Dispatcher(driver)
        started = time.perf_counter()
        for start in range(0, tasks, BULK):
            await dispatcher.dispatch_calls([call_of(nothing(number=start + number)) for number in range(BULK)])
        return per_second(tasks, started)


async def raw_insert(url: str, tasks: int, batch: int) -> float:
    """Rows per second, `batch` in each round trip."""
    async with raw(url) as store:
        started = time.perf_counter()
        for _ in range(tasks // batch):
            await store.insert([PAYLOAD] * batch)
        return per_second(tasks // batch * batch, started)


async def main(options: argparse.Namespace) -> None:
    """Measure every store."""
    tasks, rounds = options.tasks, options.rounds
    few = max(tasks // 10, BULK)
    with tempfile.TemporaryDirectory() as folder:
        for url in urls(options, Path(folder)):
            heading(url)
            for what, measure, count, batch in (
                ("one by one", one_by_one, few, 1),
                ("100 at once", at_once, tasks, BATCH),
                ("in bulk of 1,000", in_bulk, tasks, BULK),
            ):
                ceiling = await median(rounds, lambda url=url, n=count, b=batch: raw_insert(url, n, b))
                show(f"raw insert, {batch} at a time", ceiling)
                show(what, await median(rounds, lambda url=url, n=count, m=measure: m(url, n)), ceiling)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    run(main, arguments(__doc__, tasks=20_000))
