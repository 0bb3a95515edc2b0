"""What the benchmarks share: arguments, an event loop, a store per run, and how figures are printed."""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from raw_stores import RawStore, raw_store

from asynctasq import DriverFactory
from asynctasq.contract.driver import Driver

BATCH = 100


def arguments(description: str | None, *, tasks: int) -> argparse.Namespace:
    """The arguments that every benchmark takes, parsed."""
    return parser(description, tasks=tasks).parse_args()


def parser(description: str | None, *, tasks: int) -> argparse.ArgumentParser:
    """The arguments that every benchmark takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("urls", nargs="*", metavar="URL", help="default: memory:// and a SQLite file")
    parser.add_argument("--tasks", type=int, default=tasks, help="per measurement (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many (default: %(default)s)")
    parser.add_argument("--no-uvloop", action="store_true", help="use the standard event loop")
    return parser


def run(main: Callable[[argparse.Namespace], Coroutine[Any, Any, None]], options: argparse.Namespace) -> None:
    """Run a benchmark on uvloop, or on the standard loop if asked to."""
    if options.no_uvloop:
        asyncio.run(main(options))
        return
    import uvloop

    uvloop.run(main(options))


def urls(options: argparse.Namespace, folder: Path) -> list[str]:
    """The stores to measure."""
    return options.urls or ["memory://", f"sqlite:///{folder / 'benchmark.db'}"]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Driver]:
    """A driver on a namespace of its own, which is purged at the end."""
    namespace = f"benchmark-{uuid.uuid4().hex[:12]}"
    driver = DriverFactory.create(url, namespace=namespace)
    await driver.prepare_storage()
    async with driver:
        yield driver
        await driver.purge(["default"])


@asynccontextmanager
async def raw(url: str) -> AsyncIterator[RawStore]:
    """The raw store behind a URL, closed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        store = raw_store(url, Path(folder))
        await store.open()
        try:
            yield store
        finally:
            await store.close()


async def median(rounds: int, measure: Callable[[], Awaitable[float]]) -> float:
    """The median of several measurements of a rate."""
    return statistics.median([await measure() for _ in range(rounds)])


def show(what: str, rate: float, ceiling: float | None = None) -> None:
    """One line: a rate, and its share of the ceiling."""
    share = "" if ceiling is None else f"   {rate / ceiling:5.2f} of raw"
    sys.stdout.write(f"  {what:<44}{rate:>12,.0f}/s{share}\n")
    sys.stdout.flush()


def heading(url: str) -> None:
    """Which store the next lines are about."""
    sys.stdout.write(f"{url.split('://')[0]}\n")


def rate(count: int, started: float) -> float:
    """How many per second since `started`."""
    return count / (time.perf_counter() - started)
