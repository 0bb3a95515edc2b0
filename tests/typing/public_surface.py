"""What type checkers make of the public names. Read by pyright and mypy, both strict; never run.

A line that ends in an ignore comment has to be an error: both checkers refuse an ignore that ignores nothing.
"""

from collections.abc import Coroutine
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any, assert_type

from asynctasq import (
    AsyncProcessTask,
    AsyncTask,
    Config,
    Discard,
    DriverFactory,
    FunctionTask,
    RetryLater,
    SyncProcessTask,
    SyncTask,
    TaskConfig,
    TaskHandle,
    TaskState,
    Worker,
    cleanup,
    current_task,
    dispatch_many,
    init,
    run,
    task,
    transaction,
)


@task
async def send_email(to: str, copies: int = 1) -> str:
    return to * copies


@task(queue="low", max_attempts=3, retry_delay=timedelta(seconds=1), timeout=None, unique=True, process=True)
def resize(path: str) -> bytes:
    return path.encode()


@task(queue="high")
async def tuned(n: int) -> None:
    raise RetryLater(n)


class Payment(AsyncTask[bool]):
    config: TaskConfig = {"queue": "payments", "max_attempts": 5, "retry_delay": 30}

    def __init__(self, user_id: int, amount: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user_id = user_id
        self.amount = amount

    async def execute(self) -> bool:
        assert_type(self.current_attempt, int)
        return self.user_id > 0

    async def failed(self, exception: Exception) -> None:
        print(self._task_id, self._current_attempt, exception)

    def should_retry(self, exception: Exception) -> bool:
        return not isinstance(exception, ValueError)


class Report(SyncTask[int]):
    config: TaskConfig = {"queue": "reports"}
    day: datetime
    formats: list[str] = field(default_factory=list[str])

    def execute(self) -> int:
        return len(self.formats)


class Bare(AsyncTask):
    async def execute(self) -> Any:
        raise Discard("not today")


class Crunch(SyncProcessTask[float]):
    n: int

    def execute(self) -> float:
        return self.n / 2


class Warm(AsyncProcessTask[None]):
    async def execute(self) -> None: ...


async def calls() -> None:
    invocation = send_email(to="a", copies=2)
    assert_type(invocation, FunctionTask[str])
    assert_type(invocation.delay(60).on_queue("emails"), FunctionTask[str])
    handle = await send_email("a").delay(timedelta(minutes=1)).priority(9).dispatch()
    assert_type(handle, TaskHandle[str])
    assert_type(await handle.result(timeout=5), str)
    assert_type(await handle.status(), TaskState)
    assert_type(handle.accepted, bool)
    plain: str = handle
    coroutine: Coroutine[Any, Any, str] = send_email.call("a")
    assert_type(await coroutine, str)
    assert_type(await send_email.call(to="a"), str)
    assert_type(resize.call("x"), bytes)
    assert_type(await (await resize("x").dispatch()).result(), bytes)
    assert_type(await (await tuned(3).dispatch()).result(), None)
    assert_type(await Payment(1, amount=2.0).unique("k").dispatch(), TaskHandle[bool])
    assert_type(Payment(1, 2.0, note="x").on_queue("q"), Payment)
    assert_type(await (await Report(day=datetime.now()).dispatch()).result(), int)
    assert_type(await Crunch(n=3).dispatch(), TaskHandle[float])
    assert_type(await Bare().dispatch(), TaskHandle[Any])
    assert_type(await Warm().dispatch(), TaskHandle[None])
    handles = await dispatch_many([send_email("a"), Payment(1, 2.0)])
    assert_type(handles, list[TaskHandle[Any]])
    async for chunk in dispatch_many((send_email("a") for _ in range(9)), chunk_size=3):
        assert_type(chunk, list[TaskHandle[Any]])
    async with transaction(object()):
        await send_email("a").dispatch(on=object())
    assert_type(current_task().attempt, int)
    await cleanup()
    print(plain)


def synchronous() -> None:
    assert_type(init({"driver": "memory"}, url="memory://", task_defaults={"queue": "q"}), Config)
    assert_type(run(send_email.call("a")), str)
    assert_type(resize("x").dispatch_sync(), TaskHandle[bytes])
    worker = Worker(DriverFactory.create("memory"), queues=["a"], concurrency=3)
    print(worker)


def wrong() -> None:
    send_email()  # type: ignore[call-arg]
    send_email(to=1)  # type: ignore[arg-type]
    send_email("a", nobody=1)  # type: ignore[call-arg]
    resize("x").delay("soon")  # type: ignore[arg-type]
    Report()  # type: ignore[call-arg]
    Report(day="monday")  # type: ignore[arg-type]
    Crunch(3)  # type: ignore[call-arg]
    task(quue="x")  # type: ignore[call-overload]
    task(queue=3)  # type: ignore[call-overload]
