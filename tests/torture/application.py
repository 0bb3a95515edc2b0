"""The application of a trial: what its workers import with `--app`, and its producers too.

The environment says what is done to the process: `TORTURE_HISTORY` (the folder to write to), `TORTURE_CLOCK` (seconds
that its wall clock is wrong by), `TORTURE_PAGES` (a file that holds a limit of SQLite pages),
`TORTURE_SILENCE` (it hears of no new work), `TORTURE_MUTANT` (a mistake).
"""

import functools
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import anyio

from asynctasq import current_task, task
from tests.torture.history import BodyEnded, BodyStarted, History
from tests.torture.recording import record_driver_calls, record_looks
from tests.torture.worker_mutants import MUTANTS
from tests.torture.wrong_environments import limit_pages, lose_wake_ups, shift_wall_clock

P = ParamSpec("P")
R = TypeVar("R")

MAX_ATTEMPTS = 5
KEPT = 3600
"""Seconds: the records of a trial are all there at its end."""

history = History(Path(os.environ["TORTURE_HISTORY"]))
record_driver_calls(history)
record_looks(history)
if "TORTURE_CLOCK" in os.environ:
    shift_wall_clock(float(os.environ["TORTURE_CLOCK"]))
if "TORTURE_SILENCE" in os.environ:
    lose_wake_ups()
if "TORTURE_PAGES" in os.environ:
    limit_pages(Path(os.environ["TORTURE_PAGES"]))
if "TORTURE_MUTANT" in os.environ:
    MUTANTS[os.environ["TORTURE_MUTANT"]].apply()

torture_task = functools.partial(
    task, max_attempts=MAX_ATTEMPTS, retry_delay=0.05, retry_strategy="fixed", keep_result=KEPT
)


def _started() -> Callable[[str], None]:
    current = current_task()
    history.write(BodyStarted(time.monotonic(), current.id, current.attempt, current.worker_id))

    def ended(how: str) -> None:
        history.write(BodyEnded(time.monotonic(), current.id, current.attempt, current.worker_id, how))

    return ended


def recorded(body: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """An async body that writes its beginning and its end down."""

    @functools.wraps(body)
    async def run(*arguments: P.args, **options: P.kwargs) -> R:
        ended = _started()
        try:
            value = await body(*arguments, **options)
        except anyio.get_cancelled_exc_class():
            ended("cancelled")
            raise
        except BaseException:
            ended("raised")
            raise
        ended("returned")
        return value

    return run


def recorded_thread(body: Callable[P, R]) -> Callable[P, R]:
    """The same for a body in a thread or a child process."""

    @functools.wraps(body)
    def run(*arguments: P.args, **options: P.kwargs) -> R:
        ended = _started()
        try:
            value = body(*arguments, **options)
        except BaseException:
            ended("raised")
            raise
        ended("returned")
        return value

    return run


# -- tasks of every day


@torture_task()
@recorded
async def short(seconds: float) -> float:
    await anyio.sleep(seconds)
    return seconds


@torture_task()
@recorded_thread
def in_thread(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@torture_task()
@recorded
async def fails_once() -> str:
    if current_task().attempt == 1:
        raise ValueError("once")
    return "ended"


@torture_task()
@recorded
async def always_fails() -> None:
    raise ValueError("always")


@torture_task()
@recorded
async def outlasts_lease(seconds: float) -> float:
    await anyio.sleep(seconds)
    return seconds


@torture_task()
@recorded
async def blocks_event_loop(seconds: float) -> float:
    time.sleep(seconds)  # noqa: ASYNC251 - that is the point
    return seconds


@torture_task()
@recorded
async def parent(child_id: str) -> str:
    return str(await short(seconds=0.001).task_id(child_id).dispatch())


# -- poison


@torture_task(max_attempts=2)
@recorded
async def leaves_process() -> None:
    os._exit(9)


@torture_task(max_attempts=2)
@recorded
async def crashes() -> None:
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)


@torture_task(max_attempts=2)
@recorded
async def says_exit() -> None:
    sys.exit(3)


@torture_task(max_attempts=2)
@recorded_thread
def says_exit_in_thread() -> None:
    sys.exit(3)


class Ruin(BaseException):
    """Not an Exception."""


@torture_task(max_attempts=2)
@recorded
async def raises_base_exception() -> None:
    raise Ruin("ruin")


@torture_task(max_attempts=2)
@recorded
async def cancels_itself() -> None:
    raise anyio.get_cancelled_exc_class()("from within")


@torture_task(max_attempts=2)
@recorded
async def returns_what_has_no_encoding() -> Any:
    return object()


POISONS: tuple[Any, ...] = (
    says_exit,
    says_exit_in_thread,
    raises_base_exception,
    cancels_itself,
    returns_what_has_no_encoding,
)
"""Bodies that a worker survives."""

CRASHES: tuple[Any, ...] = (leaves_process, crashes)
"""Bodies that it does not."""
