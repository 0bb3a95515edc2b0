"""The application: init, connecting on first use, every event loop for itself, cleanup."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import aiosqlite
import anyio
import pytest

import asynctasq
from asynctasq import AsyncTask, TaskConfig, cleanup, dispatch_many, init, run, task, transaction
from asynctasq.app import application, get_dispatcher
from asynctasq.contract.envelopes import TaskState
from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event, EventType
from asynctasq.errors import (
    ConfigurationError,
    DriverUnavailable,
    InvalidArgument,
    RunningEventLoop,
    UnknownTask,
)
from asynctasq.runtime.frame import decode_frame
from asynctasq.tasks.task_handle import TaskHandle
from asynctasq.tasks.task_ids import new_task_id
from asynctasq.worker_application import make_worker


@task
async def hello(name: str) -> str:
    return name


@pytest.fixture
def memory() -> str:
    return f"memory://?namespace={new_task_id()}"


async def dispatched() -> TaskHandle[str]:
    return await hello("you").dispatch()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_dispatching_on_either_event_loop(memory: str, backend: str) -> None:
    """After init a task is dispatched from any event loop that the driver knows."""
    init(url=memory)
    assert anyio.run(dispatched, backend=backend).accepted


def test_dispatching_without_init_reads_the_environment(memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration is loaded as init() would: environment, then `.env`, then the default."""
    monkeypatch.setenv("ASYNCTASQ_URL", memory)
    monkeypatch.setenv("ASYNCTASQ_TASK_DEFAULTS_QUEUE", "from-environment")

    async def main() -> str:
        return (await (await dispatched()).record()).queue

    assert run(main()) == "from-environment"


def test_the_default_is_a_file_in_the_current_folder() -> None:
    """With nothing configured at all a first program runs on SQLite."""
    assert asyncio.run(dispatched()).accepted
    assert Path("asynctasq.db").exists()


def test_init_takes_overrides_and_keywords(memory: str) -> None:
    """The older shape (a dict of overrides) and keywords; keywords win; groups as plain dicts."""
    config = init({"driver": "memory", "task_defaults": {"queue": "a"}}, task_defaults={"queue": "b"})
    assert (config.driver, config.task_defaults.queue) == ("memory", "b")
    engine = object()
    init({"driver": "memory", "sqlalchemy_engine": engine, "tortoise_orm": {"x": 1}})
    assert (application().sqlalchemy_engine, application().tortoise_config) == (engine, {"x": 1})
    with pytest.raises(ConfigurationError, match="quue"):
        init(task_defaults={"quue": "b"})


def test_each_event_loop_has_its_own_connection(memory: str, tmp_path: Path) -> None:
    """A second `asyncio.run` connects anew; one loop reuses its connection; nothing stays open without cleanup()."""
    init(url=f"sqlite:///{tmp_path}/x.db")

    async def main() -> tuple[Any, Any]:
        await dispatched()
        first = application().dispatcher._connections.connected()
        await dispatched()
        return first, application().dispatcher._connections.connected()

    (a, b), (c, d) = asyncio.run(main()), asyncio.run(main())
    assert a is b
    assert c is d
    assert a is not c
    with pytest.raises(asynctasq.AsyncTasqError, match="not connected"):
        a.driver.check_open()


@task(max_attempts=1)
async def spill() -> None:
    raise ValueError("the card 4111-1111 was refused")


def test_redact_cleans_what_is_stored_of_errors(memory: str) -> None:
    """The application's own function sees every text of an error before the store does."""
    init(url=memory, redact=lambda text: text.replace("4111-1111", "[card]"), worker={"burst": True})

    async def main() -> None:
        handle = await spill().dispatch()
        await make_worker(application()).worker.start()
        [failure] = (await handle.record()).failures
        assert failure.message == "the card [card] was refused"
        assert "4111" not in failure.traceback

    asyncio.run(main())
    with pytest.raises(ConfigurationError, match="redact is 3; wanted a function"):
        init(url=memory, redact=3)


def test_a_handle_outlives_its_event_loop(tmp_path: Path) -> None:
    """A handle that was made on one loop asks for its task on another."""
    init(url=f"sqlite:///{tmp_path}/x.db")
    handle = asyncio.run(dispatched())
    assert asyncio.run(handle.status()) is TaskState.READY
    assert asyncio.run(TaskHandle(str(handle)).status()) is TaskState.READY


def test_cleanup_disconnects_and_disposes(memory: str) -> None:
    """After cleanup nothing is connected on this loop, and the engine is disposed; dispatching connects again."""
    disposed: list[bool] = []

    class Engine:
        async def dispose(self) -> None:
            disposed.append(True)

    init({"url": memory, "sqlalchemy_engine": Engine()})

    async def main() -> None:
        await dispatched()
        driver = application().dispatcher._connections.connected().driver  # type: ignore[union-attr]
        await cleanup()
        assert disposed == [True]
        with pytest.raises(asynctasq.AsyncTasqError, match="not connected"):
            driver.check_open()
        await dispatched()

    asyncio.run(main())


def test_run_cleans_up_and_refuses_a_running_loop(memory: str) -> None:
    """`run` gives the result, cleans up even after an error, and never nests event loops."""
    init(url=memory)

    async def failing() -> None:
        await dispatched()
        raise ValueError("mine")

    assert run(dispatched()).accepted
    with pytest.raises(ValueError, match="mine"):
        run(failing())

    async def nested() -> None:
        with pytest.raises(RunningEventLoop, match="await"):
            run(dispatched())

    asyncio.run(nested())
    with pytest.raises(ConfigurationError, match="coroutine"):
        run(dispatched)  # type: ignore[arg-type]


# -- many, several drivers


def test_dispatch_many(memory: str) -> None:
    """A bulk gives its handles; with a chunk size it takes what comes, and tells of every chunk."""
    init(url=memory)

    async def main() -> None:
        handles = await dispatch_many([hello(str(i)) for i in range(10)])
        assert len(set(handles)) == 10
        chunks = [len(chunk) async for chunk in dispatch_many((hello(str(i)) for i in range(25)), chunk_size=10)]
        assert chunks == [10, 10, 5]
        assert len(await dispatch_many((hello(str(i)) for i in range(25)), chunk_size=7)) == 25
        assert await dispatch_many([]) == []
        with pytest.raises(InvalidArgument, match="chunk_size="):
            await dispatch_many(hello("x") for _ in range(100_000))

    run(main())


def test_a_task_may_name_its_own_driver(memory: str, tmp_path: Path) -> None:
    """`driver=` sends a task elsewhere than the application's driver, alone and in bulk, and its handle follows."""
    init(url=memory, sqlite={"path": str(tmp_path / "other.db")})

    class Elsewhere(AsyncTask):
        config: TaskConfig = {"driver": "sqlite"}
        n: int

        async def execute(self) -> None: ...

    async def main() -> None:
        handle = await Elsewhere(n=1).dispatch()
        assert await handle.status() is TaskState.READY
        with pytest.raises(UnknownTask):
            await TaskHandle(str(handle)).status()
        mixed = await dispatch_many([Elsewhere(n=2), hello("a"), Elsewhere(n=3)])
        names = [(await each.record()).name.rpartition(":")[2].rpartition(".")[2] for each in mixed]
        assert names == ["Elsewhere", "hello", "Elsewhere"]

    run(main())


# -- transactions


def test_a_task_exists_if_and_only_if_the_caller_commits(tmp_path: Path) -> None:
    """On the caller's SQLite connection, by `on=` and by `transaction()`, alone and in bulk."""
    path = tmp_path / "app.db"
    init(url=f"sqlite:///{path}")

    async def main() -> None:
        await dispatched()
        async with aiosqlite.connect(path) as connection:
            await connection.execute("begin immediate")
            lost = await hello("a").dispatch(on=connection)
            async with transaction(connection):
                lost_too = await hello("b").dispatch()
                lost_as_well = await dispatch_many([hello("c")])
            await connection.rollback()
            for handle in (lost, lost_too, *lost_as_well):
                with pytest.raises(UnknownTask):
                    await handle.status()
            await connection.execute("begin immediate")
            async with transaction(connection):
                kept = await hello("d").dispatch()
            await connection.commit()
            assert await kept.status() is TaskState.READY
            with pytest.raises(InvalidArgument, match="transaction"):
                await hello("e").dispatch(on=connection)
        outside = await hello("f").dispatch()
        assert await outside.status() is TaskState.READY

    run(main())


def test_a_synchronous_transaction(tmp_path: Path) -> None:
    """The same for a `sqlite3` connection in synchronous code."""
    path = tmp_path / "app.db"
    init(url=f"sqlite:///{path}")
    hello("first").dispatch_sync()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("begin immediate")
    with transaction(connection):
        lost = hello("a").dispatch_sync()
    connection.rollback()
    connection.execute("begin immediate")
    kept = hello("b").dispatch_sync(on=connection)
    connection.commit()
    connection.close()
    assert asyncio.run(kept.status()) is TaskState.READY
    with pytest.raises(UnknownTask):
        asyncio.run(lost.status())


# -- synchronous code


def test_dispatch_sync(tmp_path: Path) -> None:
    """From plain code and from threads, through one connection; never inside a running loop."""
    init(url=f"sqlite:///{tmp_path}/x.db")
    handle = hello("a").dispatch_sync()
    assert asyncio.run(handle.status()) is TaskState.READY

    async def main() -> None:
        with pytest.raises(RunningEventLoop, match=r"await dispatch\(\)"):
            hello("b").dispatch_sync()
        assert (await anyio.to_thread.run_sync(hello("c").dispatch_sync)).accepted

    asyncio.run(main())


def test_dispatch_sync_after_a_fork(tmp_path: Path) -> None:
    """A forked child opens a connection of its own, and the parent's goes on."""
    init(url=f"sqlite:///{tmp_path}/x.db")
    hello("before").dispatch_sync()
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if hello("child").task_id("from-child").dispatch_sync().accepted else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert hello("after").dispatch_sync().accepted
    assert asyncio.run(TaskHandle("from-child").status()) is TaskState.READY


def test_a_program_that_cleans_nothing_up_ends(tmp_path: Path) -> None:
    """Neither the background loop nor an open connection keeps a process alive or makes it complain."""
    (tmp_path / "program.py").write_text(
        textwrap.dedent("""
        import asyncio
        from asynctasq import task, init

        @task
        def hello(): ...

        init(url="sqlite:///x.db")
        print(hello().dispatch_sync().accepted)

        async def main():
            print((await hello().dispatch()).accepted)

        asyncio.run(main())
        """)
    )
    done = subprocess.run(
        [sys.executable, "-W", "default", "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert (done.stdout.split(), done.stderr) == (["True", "True"], "")


# -- a backend that is not there


def test_a_missing_server_is_a_short_error_soon() -> None:
    """At most three lines, within two seconds, that name the backend and hide the password."""
    init(url="redis://:secret@127.0.0.1:1/0")

    async def main() -> None:
        started = anyio.current_time()
        with pytest.raises(DriverUnavailable) as caught:
            await hello("a").dispatch()
        assert anyio.current_time() - started < 2.5
        assert len(str(caught.value).splitlines()) <= 3
        assert "secret" not in str(caught.value)

    run(main())


def test_a_driver_on_the_wrong_event_loop_says_so(tmp_path: Path) -> None:
    """SQLite on trio is refused with a sentence, rather than failing somewhere inside a client library."""
    init(url=f"sqlite:///{tmp_path}/x.db")
    with pytest.raises(ConfigurationError, match="'sqlite' runs on asyncio; this event loop is trio's"):
        anyio.run(dispatched, backend="trio")


# -- events


class Recorder(EventSink):
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed = False

    async def emit_many(self, events: Any) -> None:
        self.events.extend(events)

    async def close(self) -> None:
        self.closed = True


class OlderEmitter:
    def __init__(self) -> None:
        self.events: list[Event] = []

    async def emit(self, event: Event) -> None:
        self.events.append(event)


def test_a_clients_events_reach_its_sinks(memory: str) -> None:
    """Sinks and older emitters given in code hear of every enqueued task, from async and synchronous code."""
    sink, emitter = Recorder(), OlderEmitter()
    init(None, [emitter], url=memory, event_sinks=[sink])

    async def main() -> TaskHandle[str]:
        handle = await dispatched()
        await cleanup()
        return handle

    first = asyncio.run(main())
    assert [(event.event_type, getattr(event, "task_id", None)) for event in sink.events] == [
        (EventType.TASK_ENQUEUED, first)
    ]
    assert sink.closed
    assert emitter.events == sink.events


def test_synchronous_code_and_a_life_after_cleanup_have_events_too(memory: str) -> None:
    """Events flow from `dispatch_sync`, and again once something is dispatched after a cleanup."""
    sink = Recorder()
    init(url=memory, event_sinks=[sink])
    ids: list[str] = []

    async def main() -> None:
        ids.append(await dispatched())
        await cleanup()

    for _ in range(2):
        ids.append(hello("tea").dispatch_sync())
        asyncio.run(main())
    assert [getattr(event, "task_id", None) for event in sink.events] == ids


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_events_of_its_own(tmp_path: Path) -> None:
    """A child that was forked after the parent's sinks were opened opens them for itself."""
    program = tmp_path / "program.py"
    program.write_text(FORKING)
    subprocess.run([sys.executable, str(program)], cwd=tmp_path, check=True, timeout=60)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["correlation_id"] for line in lines] == ["parent", "child"]


FORKING = """
import os
from asynctasq import init, task

init(url="sqlite:///tasks.db", events={"sinks": ("jsonl",), "sink_settings": {"jsonl": {"path": "events.jsonl"}}})


@task
def nothing() -> None: ...


nothing().correlation_id("parent").dispatch_sync()
child = os.fork()
if not child:
    nothing().correlation_id("child").dispatch_sync()
    raise SystemExit(0)
_, status = os.waitpid(child, 0)
raise SystemExit(status)
"""


def test_a_program_that_ends_at_once_loses_no_events(tmp_path: Path) -> None:
    """The last events reach every sink although the program has ended, when no new thread can be started any more."""
    program = tmp_path / "program.py"
    program.write_text(ENDING_AT_ONCE)
    done = subprocess.run([sys.executable, str(program)], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    for name in SINKS:
        lines = (tmp_path / name).read_text().splitlines()
        assert [json.loads(line)["correlation_id"] for line in lines] == ["last"]


SINKS = ("one.jsonl", "two.jsonl", "three.jsonl")
ENDING_AT_ONCE = f"""
from asynctasq import init, task
from asynctasq.event_sinks.jsonl_sink import JsonlSink
from asynctasq.event_sinks.settings import JsonlSinkSettings

sinks = [JsonlSink(JsonlSinkSettings(path=path)) for path in {SINKS}]
init(url="sqlite:///tasks.db", event_sinks=sinks)


@task
def nothing() -> None: ...


nothing().correlation_id("last").dispatch_sync()
"""


def test_something_else_than_a_sink_is_refused(memory: str) -> None:
    """What can't take events is refused when it is given."""
    with pytest.raises(ConfigurationError, match="object is no event sink"):
        init(url=memory, event_sinks=[object()])


def test_the_dispatcher_of_the_application(memory: str) -> None:
    """`get_dispatcher().dispatch(task, queue=)` goes where `task.dispatch()` goes."""
    init(url=memory)

    async def main() -> str:
        return (await (await get_dispatcher().dispatch(hello("a"), queue="q")).record()).queue

    assert run(main()) == "q"


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


class MoneyHook(asynctasq.TypeHook[Money]):
    type_key = "money"

    def can_encode(self, obj: Any) -> bool:
        return isinstance(obj, Money)

    def encode(self, obj: Money) -> int:
        return obj.cents

    def decode(self, data: int) -> Money:
        return Money(data)


def test_the_applications_own_types_travel(memory: str) -> None:
    """Type hooks given to init are those of every serializer of the application."""
    init(url=memory, type_hooks=[MoneyHook()])

    @task
    def pay(amount: Money) -> None: ...

    async def main() -> bytes:
        return (await (await pay(Money(5)).dispatch()).record()).payload

    frame = decode_frame(run(main()))
    arguments = pay.definition.decode_arguments(application().open_serializer(), frame.body)
    assert arguments.by_name["amount"].cents == 5
