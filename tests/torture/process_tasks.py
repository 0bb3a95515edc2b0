"""Tasks that run in child processes; a second `--app`, because their pool costs every worker two more processes."""

import os
import time

from tests.torture.application import recorded_thread, torture_task


@torture_task(process=True)
@recorded_thread
def in_process(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@torture_task(process=True, max_attempts=2)
@recorded_thread
def child_leaves() -> None:
    os._exit(9)


@torture_task(process=True, max_attempts=2, timeout=0.5)
@recorded_thread
def endless() -> None:
    while True:
        pass
