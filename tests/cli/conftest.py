"""A command line that is called as a function, in a folder of its own, on a real SQLite file."""

import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest

from asynctasq.cli.main import run_command_line
from asynctasq.config import set_current, set_flags
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import Delivery, Failure, NewTask
from asynctasq.contract.settlements import Bury, Complete
from asynctasq.plugins.driver_factory import DriverFactory
from asynctasq.runtime.frame import Headers, encode_frame, encode_headers
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer


class Typed(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


Type = Callable[..., Typed]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder as the current one, an environment without settings, and no configuration left behind."""
    for variable in [name for name in os.environ if name.startswith("ASYNCTASQ_")]:
        monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    set_flags({})
    yield tmp_path
    set_flags({})
    set_current(None)


@pytest.fixture
def type_command(capfd: pytest.CaptureFixture[str]) -> Type:
    """Types `asynctasq ...` and gives exit code, standard output and standard error."""

    def type_it(*arguments: str) -> Typed:
        capfd.readouterr()
        code = run_command_line(arguments)
        return Typed(code, *capfd.readouterr())

    return type_it


class Store:
    """A SQLite file that commands are pointed at, and that tests fill."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'tasks.db'}"

    def fill(self, fill: Callable[[Driver], Awaitable[object]]) -> None:
        """Run an async function with a connected driver."""

        async def run() -> None:
            async with DriverFactory.create(self.url) as driver:
                await fill(driver)

        anyio.run(run)

    def enqueue(self, *tasks: NewTask) -> None:
        """Store tasks."""
        self.fill(lambda driver: driver.enqueue_many(tasks))

    def bury(self, *tasks: NewTask, error: Failure | None = None) -> None:
        """Store tasks that are dead letters."""
        failure = error or Failure(type="ValueError", message="no such user", traceback="Traceback: here")

        async def run(driver: Driver) -> None:
            for delivery in await self._delivered(driver, tasks):
                await driver.settle_many([Bury(receipt=delivery.receipt, failure=failure)])

        self.fill(run)

    def complete(self, task: NewTask, result: object) -> None:
        """Store a task that is completed, with its result."""

        async def run(driver: Driver) -> None:
            (delivery,) = await self._delivered(driver, [task])
            await driver.settle_many([Complete(receipt=delivery.receipt, result=MsgpackSerializer().encode(result))])

        self.fill(run)

    def lease(self, task: NewTask) -> None:
        """Store a task that runs somewhere."""
        self.fill(lambda driver: self._delivered(driver, [task]))

    @staticmethod
    async def _delivered(driver: Driver, tasks: "tuple[NewTask, ...] | list[NewTask]") -> list[Delivery]:
        await driver.enqueue_many(tasks)
        queues = list(dict.fromkeys(task.queue for task in tasks))
        return await driver.reserve(queues, limit=len(tasks), lease=60, worker="w1")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path)


def new_task(task_id: str, *, queue: str = "mail", name: str = "app:send", **fields: Any) -> NewTask:
    """A task with one argument, as the core frames it."""
    headers = encode_headers(Headers(max_attempts=5, timeout=12.5))
    payload = encode_frame(headers, MsgpackSerializer().encode({"to": "a@b.c"}))
    return NewTask(id=task_id, queue=queue, name=name, payload=payload, **fields)
