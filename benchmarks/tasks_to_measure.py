"""The tasks of the benchmarks: one that does nothing, and one that sleeps."""

import anyio

from asynctasq import task


@task(name="benchmark.nothing")
async def nothing(number: int) -> None:
    """The cheapest task there is, with one argument."""


@task(name="benchmark.sleep")
async def sleep(seconds: float) -> None:
    """A task that waits for something."""
    await anyio.sleep(seconds)
