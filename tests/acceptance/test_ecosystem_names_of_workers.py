"""Names and call shapes of existing applications: workers, pools, monitoring and events."""

import inspect
import os
import subprocess
import sys
from datetime import UTC, datetime

import anyio
import pytest

import asynctasq
from asynctasq import (
    DriverFactory,
    EventRegistry,
    EventType,
    LoggingEventEmitter,
    MonitoringService,
    MsgspecSerializer,
    ProcessPoolManager,
    QueueStats,
    TaskEvent,
    TaskInfo,
    Worker,
    WorkerEvent,
    WorkerInfo,
    init,
    set_default_manager,
    task,
)
from asynctasq.errors import ConfigurationError
from asynctasq.testing import drain
from tests.acceptance.recording_emitter import Recording
from tests.acceptance.workers import work

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]


@task
async def double(number: int) -> int:
    return 2 * number


# -- workers


async def test_worker(memory_url: str) -> None:
    """`Worker` with all arguments in their places, `start()`, exact `max_tasks`, and `get_health_status()`."""
    init(url=memory_url)
    for number in range(5):
        await double(number).dispatch()
    emitter = Recording()
    driver = DriverFactory.create(memory_url)
    worker = Worker(driver, ["default"], 2, 3, MsgspecSerializer(), emitter, "worker-7", 60.0, 1, 10)
    with anyio.fail_after(10):
        await worker.start()
    status = worker.get_health_status()
    assert {
        "worker_id",
        "hostname",
        "uptime_seconds",
        "tasks_processed",
        "active_tasks",
        "queues",
        "process_pool",
    } <= set(status)
    assert (status["worker_id"], status["tasks_processed"], status["queues"]) == ("worker-7", 3, ["default"])
    assert status["process_pool"]["size"] == 1
    async with driver:
        assert (await driver.queue_stats(["default"]))["default"].ready == 2
    assert [event.event_type for event in emitter.events].count(EventType.TASK_COMPLETED) == 3


async def test_process_pool_manager(memory_url: str) -> None:
    """`ProcessPoolManager` and `set_default_manager` size the pools of workers, and show them."""
    init(url=memory_url)
    manager = ProcessPoolManager(
        sync_max_workers=1, async_max_workers=2, sync_max_tasks_per_child=10, async_max_tasks_per_child=5,
        mp_context=None,
    )  # fmt: skip
    assert not manager.is_initialized()
    assert manager.get_stats()["sync"] == {"status": "not_initialized", "pool_size": 1, "max_tasks_per_child": 10}
    set_default_manager(manager)
    try:
        async with manager:
            assert manager.is_initialized()
            worker = await work()
            pool = worker.get_health_status()["process_pool"]
            assert (pool["size"], pool["max_tasks_per_child"]) == (3, 5)
            assert manager.get_stats()["pools"]["0"]["size"] == 3
            explicit = await work(process_pool_size=1)
            assert explicit.get_health_status()["process_pool"]["size"] == 1
        await manager.initialize()
        await manager.shutdown()
        assert not manager.is_initialized()
    finally:
        set_default_manager(None)
    with pytest.raises(ConfigurationError, match="sync_max_workers is 0"):
        ProcessPoolManager(sync_max_workers=0)


@pytest.mark.parametrize("name", ["TaskExecutor", "TaskSerializer", "TaskRepository"])
async def test_internals(name: str) -> None:
    """Internals of the older package are refused, each naming what replaces it."""
    with pytest.raises(ImportError, match=rf"asynctasq has no {name}: .*(Worker|Serializer|TaskHandle)"):
        exec(f"from asynctasq import {name}")


# -- monitoring


async def test_monitoring(every_url: str) -> None:
    """`MonitoringService(driver, serializer)` with each of its methods; `TaskInfo`, `QueueStats`, `WorkerInfo`."""
    init(url=every_url)
    await double(1).task_id("a").dispatch()
    await double(2).task_id("b").on_queue("other").dispatch()
    await drain("default")
    monitoring = MonitoringService(DriverFactory.create(every_url), serializer=MsgspecSerializer())
    stats = await monitoring.get_queue_stats("default")
    assert isinstance(stats, QueueStats)
    assert set(QueueStats.__struct_fields__) == {
        "name", "depth", "processing", "completed_total", "failed_total", "avg_duration_ms", "throughput_per_minute",
    }  # fmt: skip
    assert [each.name for each in await monitoring.get_all_queue_stats()] == await monitoring.get_all_queue_names()
    assert {"pending", "running", "completed", "failed", "total"} <= set(await monitoring.get_global_stats())
    assert await monitoring.get_running_tasks(limit=50, offset=0) == []
    assert await monitoring.get_running_task_infos() == []
    raw, total = await monitoring.get_tasks(status="pending", queue="other", limit=50, offset=0)
    assert ([queue for _, queue, _ in raw], total) == (["other"], 1)
    infos, total = await monitoring.get_task_infos("completed")
    assert ([info.result for info in infos], total) == ([2], 1)
    assert await monitoring.get_task_by_id("a") is not None
    info = await monitoring.get_task_info_by_id("a")
    assert isinstance(info, TaskInfo)
    assert set(TaskInfo.__struct_fields__) == {
        "id", "name", "queue", "status", "enqueued_at", "started_at", "completed_at", "duration_ms", "worker_id",
        "attempt", "max_attempts", "args", "kwargs", "result", "exception", "traceback", "priority", "timeout_seconds",
        "tags", "correlation_id",
    }  # fmt: skip
    workers = await monitoring.get_worker_stats()
    assert all(isinstance(each, WorkerInfo) and each.status in ("active", "idle", "down") for each in workers)
    assert {
        "worker_id",
        "current_task_id",
        "tasks_processed",
        "uptime_seconds",
        "last_heartbeat",
        "load_percentage",
    } <= set(WorkerInfo.__struct_fields__)
    assert await monitoring.retry_task("a") is False
    assert await monitoring.delete_task("b") is True
    await monitoring._driver.disconnect()


async def test_event_models() -> None:
    """`EventType`, `TaskEvent`, `WorkerEvent` with their fields."""
    assert {
        "TASK_ENQUEUED",
        "TASK_STARTED",
        "TASK_COMPLETED",
        "TASK_FAILED",
        "TASK_REENQUEUED",
        "TASK_CANCELLED",
    } <= set(EventType.__members__)
    assert {"WORKER_ONLINE", "WORKER_HEARTBEAT", "WORKER_OFFLINE"} <= set(EventType.__members__)
    assert set(TaskEvent.__struct_fields__) == {
        "event_type", "task_id", "task_name", "queue", "worker_id", "timestamp", "attempt", "duration_ms", "result",
        "error", "traceback", "correlation_id",
    }  # fmt: skip
    assert set(WorkerEvent.__struct_fields__) == {
        "event_type", "worker_id", "hostname", "timestamp", "freq", "active", "processed", "queues", "sw_ident",
        "sw_ver", "uptime_seconds",
    }  # fmt: skip


async def test_emitters(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """`EventRegistry` (init, add, get_all, emit, emit_nowait, close_all), `EventEmitter` and its kin."""
    event = TaskEvent(
        event_type=EventType.TASK_STARTED, task_id="t", task_name="n", queue="q", timestamp=datetime.now(UTC)
    )
    recording = Recording()
    EventRegistry.init([recording])
    EventRegistry.add(LoggingEventEmitter())
    assert len(EventRegistry.get_all()) == 2
    with caplog.at_level("INFO", "asynctasq.events"):
        await EventRegistry.emit(event)
        EventRegistry.emit_nowait(event)
        await EventRegistry.close_all()
    assert recording.events == [event, event]
    assert recording.closed
    assert "task_started" in caplog.text
    assert EventRegistry.get_all() == set()
    assert list(inspect.signature(asynctasq.RedisEventEmitter).parameters) == ["redis_url", "channel"]


async def test_the_redis_emitter(redis_url: str) -> None:
    """`RedisEventEmitter(redis_url, channel)` publishes; without asynctasq-redis its import says what to install."""
    from asynctasq_redis import RedisEventSubscriber

    event = TaskEvent(
        event_type=EventType.TASK_STARTED, task_id="t", task_name="n", queue="q", timestamp=datetime.now(UTC)
    )
    server, _, channel = redis_url.partition("?namespace=")
    emitter = asynctasq.RedisEventEmitter(redis_url=server, channel=channel)
    async with RedisEventSubscriber(server, channel) as subscriber:
        await emitter.emit(event)
        with anyio.fail_after(5):
            assert await anext(aiter(subscriber)) == event
    await emitter.close()


@pytest.mark.parametrize("name", ["RedisEventEmitter", "RedisConfig"])
def test_what_needs_a_distribution_says_so(name: str) -> None:
    """Without the distribution, the import fails with a sentence that names it."""
    done = subprocess.run(
        [sys.executable, "-c", f"from asynctasq import {name}"],
        env=os.environ | {"ASYNCTASQ_DISABLE_PLUGINS": "redis"},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"ImportError: {name} is not available" in done.stderr
    assert "asynctasq-redis" in done.stderr
