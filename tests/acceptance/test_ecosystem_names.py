"""Names and call shapes of existing applications: one test for each of them, here and in `test_ecosystem_names_*.py`.

Still to come, with what they need: the hooks and session factories of ORMs (`register_orm_hooks`, `SqlalchemyOrmHook`,
`DjangoOrmHook`, `TortoiseOrmHook`, `create_worker_session_factory`, `Base._asynctasq_session_factory`,
`validate_session_factory`, `check_pool_health`) with the ORM integrations; `AsyncTasQIntegration` with FastAPI's.
"""

import inspect
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

import asynctasq
from asynctasq import (
    AsyncProcessTask,
    AsyncTask,
    BaseTask,
    Config,
    Dispatcher,
    DriverFactory,
    EventsConfig,
    EventType,
    FunctionTask,
    MsgspecSerializer,
    ProcessPoolConfig,
    RepositoryConfig,
    SyncProcessTask,
    SyncTask,
    TaskConfig,
    TaskDefaultsConfig,
    TaskFunction,
    cleanup,
    init,
    run,
    task,
)
from asynctasq.app import application
from asynctasq.errors import ConfigurationError, RunningEventLoop
from asynctasq.testing import drain
from tests.acceptance.recording_emitter import Recording
from tests.acceptance.workers import until
from tests.backend_urls import own_namespace

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]


@task
async def double(number: int) -> int:
    return 2 * number


class Triple(AsyncTask[int]):
    config: TaskConfig = {"queue": "numbers", "max_attempts": 5}

    def __init__(self, number: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number = number

    async def execute(self) -> int:
        return 3 * self.number


def redis_settings(config: Config) -> asynctasq.RedisConfig:
    settings = config.driver_settings()
    assert isinstance(settings, asynctasq.RedisConfig)
    return settings


# -- configuration


async def test_init(memory_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`init(config_overrides, event_emitters, tortoise_config)` with every override key, and `init(driver=...)`."""
    assert list(inspect.signature(init).parameters)[:3] == ["config_overrides", "event_emitters", "tortoise_config"]
    monkeypatch.setenv("ASYNCTASQ_TASK_DEFAULTS_MAX_ATTEMPTS", "9")
    emitter, engine, tortoise = Recording(), object(), {"apps": {}}
    config = init(
        {
            "driver": "memory",
            "redis": asynctasq.RedisConfig(url="redis://nowhere:1/0"),
            "postgres": {"dsn": "postgresql://nowhere/x"},
            "mysql": {"dsn": "mysql://nowhere/x"},
            "events": EventsConfig(channel="mine"),
            "task_defaults": {"queue": "partial"},
            "process_pool": ProcessPoolConfig(size=3),
            "repository": RepositoryConfig(keep_completed_tasks=True),
            "sqlalchemy_engine": engine,
            "tortoise_orm": tortoise,
        },
        [emitter],
    )
    assert (config.driver, config.events.channel, config.process_pool.size) == ("memory", "mine", 3)
    assert (config.task_defaults.queue, config.task_defaults.max_attempts) == ("partial", 9)
    assert (application().sqlalchemy_engine, application().tortoise_config) == (engine, tortoise)
    assert init(driver="redis", redis=asynctasq.RedisConfig(db=3)).driver == "redis"
    assert redis_settings(Config.get()).db == 3
    assert init({"driver": "memory"}, None, {"apps": 1}).driver == "memory"
    assert application().tortoise_config == {"apps": 1}


def test_run_and_cleanup(memory_url: str) -> None:
    """`run(coro)` cleans up, disposes the engine, and refuses to nest; `await cleanup()` may be called at any time."""
    disposed: list[str] = []

    class Engine:
        async def dispose(self) -> None:
            disposed.append("engine")

    async def main() -> int:
        await double(1).dispatch()
        with pytest.raises(RunningEventLoop):
            run(double(1).dispatch())
        return 5

    init({"url": memory_url, "sqlalchemy_engine": Engine()})
    assert run(main()) == 5
    assert disposed == ["engine"]
    anyio.run(cleanup)


async def test_config() -> None:
    """`Config`, `Config.set(**kw)`, `Config.get()`."""
    Config.set(driver="memory", task_defaults={"queue": "set"})
    assert (Config.get().driver, Config.get().task_defaults.queue) == ("memory", "set")
    with pytest.raises(ConfigurationError, match="did you mean"):
        Config.set(drivr="memory")


async def test_redis_config() -> None:
    """`RedisConfig` with its defaults; a database that does not exist is refused; the older interval is accepted."""
    config = asynctasq.RedisConfig()
    assert (config.password, config.db, config.max_connections, config.warmup_connections) == (None, 0, 100, 0)
    asynctasq.RedisConfig(url="redis://h", password="p", db=15, max_connections=5, warmup_connections=1)
    with pytest.raises((ConfigurationError, ValueError), match="16"):
        init(driver="redis", redis=asynctasq.RedisConfig(db=16)).driver_settings()
    assert init(driver="redis", redis={"delayed_task_interval": 1.0}).driver == "redis"


@pytest.mark.parametrize("name", ["PostgresConfig", "MySQLConfig"])
async def test_sql_configs(name: str) -> None:
    """`PostgresConfig`, `MySQLConfig`: tables and pool sizes under their names and with their defaults."""
    made = getattr(asynctasq, name)()
    assert (made.queue_table, made.min_pool_size, made.max_pool_size) == ("task_queue", 10, 10)
    given = getattr(asynctasq, name)(dsn="x://h/d", dead_letter_table="dead_letter_queue", warmup_connections=1)
    assert given.dead_letter_table == "dead_letter_queue"  # accepted: dead letters stand beside the other tasks


async def test_events_config() -> None:
    """`EventsConfig`: one switch is enough."""
    assert EventsConfig().channel == "asynctasq:events"
    assert EventsConfig(redis_url="redis://h", enable_event_emitter_redis=True).enabled_sinks == ("redis",)
    assert EventsConfig(enable_all=True).enabled_sinks == ("logging", "redis")


async def test_the_other_groups() -> None:
    """`TaskDefaultsConfig`, `ProcessPoolConfig`, `RepositoryConfig` with their defaults."""
    defaults = TaskDefaultsConfig()
    assert (defaults.queue, defaults.max_attempts, defaults.retry_strategy, defaults.retry_delay) == (
        "default", 3, "exponential", 60,
    )  # fmt: skip
    assert (defaults.timeout, defaults.visibility_timeout) == (None, 3600)
    assert ProcessPoolConfig(size=2, max_tasks_per_child=10).max_tasks_per_child == 10
    assert RepositoryConfig().keep_completed_tasks is False


@pytest.mark.parametrize("name", ["SQSConfig", "RabbitMQConfig"])
async def test_drivers_that_are_not_there(name: str) -> None:
    """`SQSConfig` and `RabbitMQConfig` say that there is no such driver, and how to write one."""
    with pytest.raises(ImportError, match=r"there is no driver for .*asynctasq\.driver_api"):
        exec(f"from asynctasq import {name}")


async def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ASYNCTASQ_DRIVER`, `ASYNCTASQ_<GROUP>_<FIELD>`."""
    monkeypatch.setenv("ASYNCTASQ_DRIVER", "redis")
    monkeypatch.setenv("ASYNCTASQ_REDIS_DB", "7")
    monkeypatch.setenv("ASYNCTASQ_PROCESS_POOL_SIZE", "2")
    config = Config.get()
    assert (config.driver, redis_settings(config).db, config.process_pool.size) == ("redis", 7, 2)


# -- tasks


async def test_the_decorator(memory_url: str) -> None:
    """`@task` with each of its options, `retry_strategy` included."""
    init(url=memory_url)

    @task(
        queue="q", max_attempts=2, retry_delay=3, timeout=4, visibility_timeout=50, driver="memory", process=False,
        retry_strategy="fixed",
    )  # fmt: skip
    def everything(number: int) -> int:
        return number

    record = await (await everything(1).dispatch()).record()
    assert (record.queue, record.max_attempts, record.retry_delay) == ("q", 2, 3)
    assert (record.timeout, record.visibility_timeout, record.retry_strategy) == (4, 50, "fixed")

    @task(process=True)
    def in_child() -> None: ...

    assert in_child.definition.kind.value == "process"


async def test_task_classes(memory_url: str) -> None:
    """The four kinds and `BaseTask`: keywords become attributes, with and without `[T]`; what a running one knows."""
    init(url=memory_url)
    seen: list[Any] = []

    class Plain(AsyncTask):
        async def execute(self) -> None:
            seen.append((self.user, self._task_id, self._current_attempt, self.current_attempt))  # type: ignore[attr-defined]
            assert isinstance(self._dispatched_at, datetime)
            assert self._dispatched_at.tzinfo is not None

    class Direct(BaseTask[int]):
        def execute(self) -> int:
            return 1

    handle = await Plain(user=3).dispatch()
    await Direct().dispatch()
    assert all(outcome.completed for outcome in await drain())
    assert seen == [(3, handle, 1, 1)]
    for kind in (AsyncTask, SyncTask, AsyncProcessTask, SyncProcessTask):
        assert issubclass(kind, BaseTask)
        assert kind[bool] is not None  # type: ignore[index]
    triple = Triple(number=2)
    assert (triple.number, triple._task_id, triple.config["max_attempts"]) == (2, None, 5)
    assert callable(triple.failed)
    assert triple.should_retry(ValueError()) is True


async def test_function_tasks() -> None:
    """`FunctionTask` is what calling a `TaskFunction` gives; `TaskConfig` is the type of a class's options."""
    assert isinstance(double, TaskFunction)
    assert isinstance(double(1), FunctionTask)
    assert {"queue", "max_attempts", "timeout"} <= set(TaskConfig.__annotations__)


async def test_the_chain(memory_url: str) -> None:
    """`.on_queue .delay .retry_after .max_attempts .timeout .visibility_timeout`, `await .dispatch()`: a `str`."""
    init(url=memory_url)
    chain = double(1).on_queue("q").delay(60).retry_after(5).max_attempts(7).timeout(8).visibility_timeout(90)
    handle = await chain.dispatch()
    assert isinstance(handle, str)
    record = await handle.record()
    assert (record.queue, record.state, record.retry_delay, record.max_attempts) == ("q", "scheduled", 5, 7)
    assert (record.timeout, record.visibility_timeout) == (8, 90)
    triple = await Triple(number=1).on_queue("other").max_attempts(1).dispatch()
    assert (await triple.record()).max_attempts == 1


async def test_dispatcher(memory_url: str) -> None:
    """`Dispatcher(driver, serializer, event_emitter).dispatch(task, queue, delay)`, and `get_dispatcher`."""
    from asynctasq.core.dispatcher import Dispatcher as OlderPath
    from asynctasq.core.dispatcher import get_dispatcher

    assert OlderPath is Dispatcher
    init(url=memory_url)
    async with DriverFactory.create(memory_url) as driver:
        handle = await Dispatcher(driver, serializer=MsgspecSerializer()).dispatch(double(1), queue="q", delay=30)
        assert [(await handle.record()).queue, await handle.status()] == ["q", "scheduled"]
        heard = Recording()
        await Dispatcher(driver, None, heard).dispatch(double(1))
        await until(lambda: [event.event_type for event in heard.events] == [EventType.TASK_ENQUEUED])
        assert str(await get_dispatcher().dispatch(double(1))) in await driver.get_tasks(
            [record.id for record in (await driver.list_tasks()).tasks]
        )


# -- drivers


async def test_driver_factory(tmp_path: Path) -> None:
    """`DriverFactory.create(type, config)` is synchronous, and gives a driver that is not connected."""
    driver = DriverFactory.create("sqlite", asynctasq.SQLiteConfig(path=str(tmp_path / "x.db")))
    with pytest.raises(asynctasq.AsyncTasqError, match="not connected"):
        await driver.now()


@pytest.mark.parametrize(
    ("name", "group", "field"),
    [("redis", "RedisConfig", "url"), ("postgres", "PostgresConfig", "dsn"), ("mysql", "MySQLConfig", "dsn")],
)
async def test_servers_by_name_and_group(monkeypatch: pytest.MonkeyPatch, name: str, group: str, field: str) -> None:
    """`DriverFactory.create(name, XConfig(...))`, `init({"driver": ..., name: {...}})` and `ASYNCTASQ_DRIVER` with
    `ASYNCTASQ_<GROUP>_<FIELD>`: each reaches the same namespace of a real server, and a task runs there."""
    async with own_namespace(name, prefix="acceptance") as url:
        place, _, namespace = url.partition("?namespace=")
        init({"driver": name, name: {field: place, "namespace": namespace}})
        by_code = await double(4).dispatch()
        await cleanup()
        monkeypatch.setenv("ASYNCTASQ_DRIVER", name)
        monkeypatch.setenv(f"ASYNCTASQ_{name.upper()}_{field.upper()}", place)
        monkeypatch.setenv(f"ASYNCTASQ_{name.upper()}_NAMESPACE", namespace)
        init()
        by_environment = await double(5).dispatch()
        driver = DriverFactory.create(name, getattr(asynctasq, group)(**{field: place, "namespace": namespace}))
        await driver.connect()
        assert set(await driver.get_tasks([by_code, by_environment])) == {by_code, by_environment}
        await driver.disconnect()
        await drain()
        assert [await handle.result(timeout=1) for handle in (by_code, by_environment)] == [8, 10]


@pytest.mark.parametrize(
    ("older", "instead"),
    [
        ("enqueue", "enqueue_many"),
        ("dequeue", "reserve"),
        ("ack", "settle_many with Complete"),
        ("nack", "settle_many with Retry or Release"),
        ("mark_failed", "settle_many with Bury"),
        ("get_queue_size", "queue_stats"),
        ("get_all_queue_names", "queue_stats"),
        ("get_task_by_id", "get_tasks"),
        ("get_worker_stats", "worker_reports"),
        ("retry_task", "replay_many"),
        ("delete_task", "delete_many"),
    ],
)
async def test_driver_methods(memory_url: str, older: str, instead: str) -> None:
    """`connect()` and `disconnect()` work; each older method is refused with the contract's."""
    driver = DriverFactory.create(memory_url)
    await driver.connect()
    with pytest.raises(AttributeError, match=rf"no attribute '{older}': drivers have {instead}"):
        getattr(driver, older)
    with pytest.raises(AttributeError, match=r"no attribute 'nonsense'$"):
        driver.nonsense  # type: ignore[attr-defined]  # noqa: B018
    await driver.disconnect()


# -- the terminal


def test_rich_names() -> None:
    """`console print Console Table Panel Syntax` are rich's, and are loaded when they are asked for."""
    program = """
import sys, asynctasq
assert "rich" not in sys.modules
from asynctasq import console, print, Console, Table, Panel, Syntax
import rich, rich.console, rich.table, rich.panel, rich.syntax
assert isinstance(console, Console)
assert (print, Console, Table, Panel, Syntax) == (
    rich.print, rich.console.Console, rich.table.Table, rich.panel.Panel, rich.syntax.Syntax)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_command_line(tmp_path: Path) -> None:
    """`worker --queues --concurrency --driver`, `migrate --driver --dry-run --force`, `publish --output-dir`."""

    def typed(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "asynctasq", *arguments],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    shown = typed("worker", "--help").stdout
    assert all(flag in shown for flag in ("--queues", "--concurrency", "--driver"))
    dry = typed("migrate", "--driver", "sqlite", "--dry-run", "--force")
    assert dry.returncode == 0, dry.stderr
    assert typed("publish", "--output-dir", "here", "--force").returncode == 0
    assert (tmp_path / "here" / ".env.example").exists()
