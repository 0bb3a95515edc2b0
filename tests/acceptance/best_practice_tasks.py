"""Process tasks of `test_best_practices.py` and `test_life_of_a_task.py`: children of a pool import them from here."""

import asyncio
import os
import time

from asynctasq import AsyncProcessTask, SyncProcessTask, TaskConfig, task


class Square(SyncProcessTask[int]):
    config: TaskConfig = {"queue": "compute"}
    number: int

    def execute(self) -> int:
        return self.number**2


class WhichLoop(AsyncProcessTask[tuple[int, int]]):
    config: TaskConfig = {"queue": "compute"}

    async def execute(self) -> tuple[int, int]:
        await asyncio.sleep(0)
        return os.getpid(), id(asyncio.get_running_loop())


@task(process=True, queue="compute")
def child_pid() -> int:
    return os.getpid()


@task(process=True, queue="compute", timeout=0.3, visibility_timeout=60, max_attempts=1, keep_result=60)
def hang_in_child() -> None:
    time.sleep(600)
