"""The application of `test_promises.py`. Bodies write down when they begin and how they end, into the folder that
`TORTURE_HISTORY` names."""

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import anyio

from asynctasq import AsyncTask, RetryLater, TaskConfig, current_task, task
from tests.torture.history import BodyEnded, BodyStarted, History

KEPT = 3600

AnyTask = Any
"""A function that was made a task."""

_seen: list[bool] = []


@cache
def history() -> History:
    """Of this process."""
    return History(Path(os.environ["TORTURE_HISTORY"]))


@contextmanager
def written_down() -> Generator[int]:
    """Around a body; gives the attempt."""
    current = current_task()
    history().write(BodyStarted(time.monotonic(), current.id, current.attempt, current.worker_id))
    how = "raised"
    try:
        yield current.attempt
        how = "returned"
    except BaseException as error:
        how = type(error).__name__
        raise
    finally:
        history().write(BodyEnded(time.monotonic(), current.id, current.attempt, current.worker_id, how))


@task(keep_result=KEPT, retry_delay=0)
async def sleep(seconds: float) -> str:
    with written_down():
        await anyio.sleep(seconds)
    return current_task().worker_id


@task(keep_result=KEPT, retry_delay=0)
def sleep_in_thread(seconds: float) -> str:
    with written_down():
        time.sleep(seconds)
    return current_task().worker_id


@task(keep_result=KEPT, retry_delay=0)
async def block(seconds: float) -> str:
    with written_down():
        time.sleep(seconds)  # noqa: ASYNC251 - that is the point
    return current_task().worker_id


@task(keep_result=KEPT, retry_delay=0)
async def long_at_first(seconds: float) -> str:
    """Long in the first attempt, short in every other."""
    with written_down() as attempt:
        await anyio.sleep(seconds if attempt == 1 else 0.01)
    return current_task().worker_id


@task(keep_result=KEPT, retry_delay=0)
async def fail_once() -> None:
    """Asks for its second attempt in a second."""
    with written_down():
        if len(_seen) == 0:
            _seen.append(True)
            raise RetryLater(1.0)


@task(keep_result=0)
async def touch(text: str) -> None:
    """Nothing at all."""


@task(keep_result=KEPT, retry_delay=0)
async def stubborn(seconds: float) -> str:
    """Swallows every cancellation."""
    end = time.monotonic() + seconds
    with written_down():
        while time.monotonic() < end:
            try:
                await anyio.sleep(end - time.monotonic())
            except BaseException:
                continue
    return current_task().worker_id


class LeaveProcess(AsyncTask[None]):
    config: TaskConfig = {"max_attempts": 3, "retry_delay": 0}

    async def execute(self) -> None:
        with written_down():
            os._exit(9)

    async def failed(self, exception: Exception) -> None:
        history().write(BodyEnded(time.monotonic(), self._task_id, 0, self._worker_id, type(exception).__name__))


class Ruin(BaseException):
    """Not an Exception."""


@task(max_attempts=2, retry_delay=0)
async def say_exit() -> None:
    with written_down():
        sys.exit(3)


@task(max_attempts=2, retry_delay=0)
def say_exit_in_thread() -> None:
    with written_down():
        sys.exit(3)


@task(max_attempts=2, retry_delay=0)
async def ruin() -> None:
    with written_down():
        raise Ruin("ruin")


@task(max_attempts=2, retry_delay=0)
async def interrupt() -> None:
    with written_down():
        raise KeyboardInterrupt


@task(max_attempts=2, retry_delay=0)
async def cancel_itself() -> None:
    with written_down():
        raise anyio.get_cancelled_exc_class()("from within")
