"""No-op tasks per second through one worker, beside the raw cycle of the same store in the same run.

    python benchmarks/drain.py [URL ...] [--tasks N] [--rounds N] [--no-uvloop]

The raw cycle claims and deletes 100 rows at a time and promises nothing: no fencing, no remembered ids, no statistics.
The loop alone runs the same decoded no-op tasks without any store. Figures carry over between machines as ratios only.
"""

import argparse
import logging
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from measuring import BATCH, arguments, heading, median, opened, raw, run, show, urls
from measuring import rate as per_second
from tasks_to_measure import nothing

from asynctasq import Worker
from asynctasq.contract.driver import Driver
from asynctasq.runtime.dispatcher import Dispatcher
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer
from asynctasq.tasks.current_task import CurrentTask
from asynctasq.tasks.invocation import call_of

FILL = 1_000


async def fill(driver: Driver, tasks: int) -> None:
    """Enqueue so many no-op tasks, in large batches."""
    dispatcher = Dispatcher(driver)
    for start in range(0, tasks, FILL):
        calls = [call_of(nothing(number=number)) for number in range(start, min(start + FILL, tasks))]
        await dispatcher.dispatch_calls(calls)


async def drain(url: str, tasks: int, concurrency: int) -> float:
    """Tasks per second of one worker in this process, from its start to the last settlement."""
    async with opened(url) as driver:
        await fill(driver, tasks)
        worker = Worker(driver, concurrency=concurrency, burst=True, handle_signals=False)
        started = time.perf_counter()
        await worker.start()
        found = per_second(tasks, started)
        settled = (await driver.queue_stats(["default"]))["default"]
        assert settled.total_completed == tasks, settled
        return found


async def raw_cycle(url: str, tasks: int) -> float:
    """Rows per second of the raw cycle."""
    async with raw(url) as store:
        for _ in range(0, tasks, FILL):
            await store.insert([b"x" * 100] * FILL)
        return tasks / await store.drain(BATCH)


async def loop_alone(tasks: int) -> float:
    """The same tasks, decoded and awaited in a loop, without any store."""
    serializer = MsgpackSerializer()
    body = serializer.encode({"number": 1})
    definition = nothing.definition
    current = CurrentTask(
        id="1",
        name=definition.name,
        queue="default",
        attempt=1,
        max_attempts=3,
        worker_id="none",
        correlation_id=None,
        enqueued_at=datetime.now(UTC),
    )
    started = time.perf_counter()
    for _ in range(tasks):
        arguments = definition.decode_arguments(serializer, body)
        await definition.new_instance(arguments, current).execute()  # type: ignore[misc]
    return per_second(tasks, started)


async def main(options: argparse.Namespace) -> None:
    """Measure every store."""
    tasks, rounds = options.tasks, options.rounds
    show("the event loop alone, decoding and awaiting", await median(rounds, lambda: loop_alone(tasks)))
    with tempfile.TemporaryDirectory() as folder:
        for url in urls(options, Path(folder)):
            heading(url)
            ceiling = await median(rounds, lambda url=url: raw_cycle(url, tasks))
            show(f"raw cycle, {BATCH} at a time", ceiling)
            for concurrency in (10, 100):
                found = await median(rounds, lambda url=url, n=concurrency: drain(url, tasks, n))
                show(f"worker, concurrency {concurrency}", found, ceiling)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    run(main, arguments(__doc__, tasks=20_000))
