"""Process tasks for the tests: imported by the worker and by the children of its pool."""

import asyncio
import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, cast

import anyio

from asynctasq.contract.serializer import Serializer
from asynctasq.errors import Discard, RetryLater
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer
from asynctasq.serializers.type_hooks import AsyncTypeHook
from asynctasq.tasks.current_task import current_task
from asynctasq.tasks.function_task import task
from asynctasq.tasks.task_kinds import AsyncProcessTask, SyncProcessTask


@task(name="process.pid", process=True, keep_result=300)
def pid() -> int:
    print("what a task prints does not disturb the protocol")
    return os.getpid()


@task(name="process.loop", process=True, keep_result=300)
async def loop() -> tuple[int, int]:
    await asyncio.sleep(0)
    return os.getpid(), id(asyncio.get_running_loop())


@task(name="process.anyio_loop", process=True, keep_result=300)
async def anyio_in_child(seconds: float) -> str:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, seconds)
    return current_task().id


@task(name="process.busy", process=True, keep_result=300)
def busy(seconds: float) -> tuple[float, float]:
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        pass
    return started, time.monotonic()


@task(name="process.meet", process=True, keep_result=300)
def meet(folder: str, name: str, others: int) -> int:
    """Leaves a mark, and computes until that many others have left theirs: it ends only if they run meanwhile."""
    marks = Path(folder)
    (marks / name).touch()
    give_up_at = time.monotonic() + 45.0
    while len(list(marks.iterdir())) <= others:
        if time.monotonic() > give_up_at:
            raise TimeoutError("nobody else came while this one ran")
    return os.getpid()


@task(name="process.end", process=True, keep_result=300)
def end(how: str) -> Any:
    match how:
        case "exit":
            os._exit(7)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "sys.exit":
            sys.exit(3)
        case "value":
            error = ValueError("no good \ud800")
            error.add_note("order 4711")
            raise error
        case "later":
            raise RetryLater(120.0)
        case "later, immeasurably":
            raise RetryLater(10**400)
        case "discard":
            raise Discard("not needed")
        case "discard, hostile":
            discard = Discard()
            discard.reason = cast("str", Unspeakable())
            raise discard
        case "large":
            return bytes(1_000_000)
        case "unencodable":
            return object()
        case _:
            return how
    return None


@task(name="process.end_async", process=True)
async def end_async(how: str) -> None:
    await asyncio.sleep(0)
    if how == "cancelled":
        raise asyncio.CancelledError
    if how == "interrupt":
        raise KeyboardInterrupt
    raise SystemExit(4)


class Unspeakable:
    def __str__(self) -> str:
        raise ValueError("no words")


class Choosy(SyncProcessTask[None]):
    config = {"name": "process.Choosy"}

    path: str

    def execute(self) -> None:
        raise PermissionError("never again")

    def should_retry(self, exception: Exception) -> bool:
        note(self.path, "should_retry", type(exception).__name__)
        return not isinstance(exception, PermissionError)

    def failed(self, exception: Exception) -> None:
        note(self.path, "failed", type(exception).__name__, str(exception))


class Sleeper(AsyncProcessTask[None]):
    config = {"name": "process.Sleeper"}

    path: str
    seconds: float

    async def execute(self) -> None:
        note(self.path, "start", self._current_attempt)
        await asyncio.sleep(self.seconds)
        note(self.path, "end", self._current_attempt)


@task(name="process.block", process=True)
def block(path: str, seconds: float) -> None:
    note(path, "start", current_task().attempt)
    time.sleep(seconds)
    note(path, "end", current_task().attempt)


class Plate:
    """What a process task gets, and its child has to fetch first."""

    def __init__(self, path: str) -> None:
        self.path = path


class PlateHook(AsyncTypeHook[Plate]):
    """The first fetch is slow."""

    type_key = "test-plate"

    def can_encode(self, obj: object) -> bool:
        return isinstance(obj, Plate)

    def encode(self, obj: Plate) -> str:
        return obj.path

    async def decode_async(self, data: Any) -> Plate:
        note(data, "load", current_task().attempt)
        if current_task().attempt == 1:
            await asyncio.sleep(1.5)
        return Plate(data)


@task(name="process.eat", process=True)
def eat(plate: Plate) -> None:
    note(plate.path, "start", current_task().attempt)


def serializers_with_plates() -> dict[str, Serializer]:
    """For children."""
    serializer = MsgpackSerializer()
    serializer.registry.register(PlateHook())
    return {serializer.content_type: serializer}


def note(path: str, *what: object) -> None:
    """Append a line, with the process that wrote it."""
    with open(path, "a") as file:
        file.write(" ".join(str(part) for part in (os.getpid(), *what)) + "\n")


def notes(path: str) -> list[list[str]]:
    """The lines so far."""
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [line.split() for line in file]
