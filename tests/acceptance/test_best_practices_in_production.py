"""The best practices, line by line: production."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from asynctasq import (
    AsyncTask,
    Config,
    EventsConfig,
    EventType,
    MonitoringService,
    ProcessPoolConfig,
    RepositoryConfig,
    ResultNotKept,
    TaskConfig,
    TaskEvent,
    TaskState,
    dispatch_many,
    init,
    task,
)
from asynctasq.errors import ConfigurationError, UnknownTask
from asynctasq.testing import drain, run_task, sandbox
from tests.acceptance import best_practice_tasks
from tests.acceptance.best_practice_application import (
    charge,
    dead_letter,
    send_email,
)
from tests.acceptance.notes import notes
from tests.acceptance.workers import PATIENCE, ended, until, work, working

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]


async def test_line_107_visibility_default(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """107: visibility_timeout is 3600 s unless it is set, by task, by chain or for all; a run past half of it is told
    the formula once."""
    init(url=url)
    assert (await (await charge(1).dispatch()).record()).visibility_timeout == 3600
    assert (await (await charge(1).visibility_timeout(90).dispatch()).record()).visibility_timeout == 90
    init(url=url, task_defaults={"visibility_timeout": 120})
    assert (await (await charge(1).dispatch()).record()).visibility_timeout == 120

    @task(visibility_timeout=1.0)
    async def slow() -> None:
        await anyio.sleep(0.7)

    await dispatch_many([slow(), slow()])
    await work()
    assert caplog.text.count("expected duration x 2, plus a buffer") == 1


async def test_line_108_retry_delays() -> None:
    """108: Configure retry delays: exponential with full jitter and a cap by default, fixed on demand."""

    @task(max_attempts=12, retry_delay=10)
    async def outage() -> None:
        raise ConnectionError

    delays: list[float] = []
    with sandbox(task_defaults={"retry_max_delay": 300}) as box:
        handle = await outage().dispatch()
        while (await box.drain())[-1].event is EventType.TASK_REENQUEUED:
            delays.append(((await handle.record()).available_at - box.now()).total_seconds())
            box.clock.advance(delays[-1])
        assert len(delays) == 11
        assert all(0 <= delay <= min(10 * 2**number, 300) for number, delay in enumerate(delays))
        assert len(set(delays)) > 5
        handle = await outage().max_attempts(2).retry_after(7).dispatch()
        await box.drain()
        assert ((await handle.record()).available_at - box.now()).total_seconds() <= 7

        @task(retry_strategy="fixed", retry_delay=5)
        async def steady() -> None:
            raise ConnectionError

        handle = await steady().dispatch()
        await box.drain()
        assert ((await handle.record()).available_at - box.now()).total_seconds() == pytest.approx(5, abs=0.001)


async def test_line_109_monitoring(every_url: str) -> None:
    """109: Monitor queue sizes, worker health, failed tasks and retry rates: each is a number that can be asked for."""
    init(url=every_url)
    await dead_letter(1)
    handle = await charge(1).dispatch()
    async with working(heartbeat_interval=0.05) as worker, Config.get().open_driver() as driver:
        await ended(handle)
        await until(lambda: worker.get_health_status()["tasks_processed"] == 1)
        health = worker.get_health_status()
        assert health["status"] == "running"
        assert health["last_reserve_seconds_ago"] < PATIENCE
        stats = (await driver.queue_stats(["default"]))["default"]
        assert (stats.total_dead, stats.total_retried, stats.total_completed) == (1, 1, 1)

        async def reported() -> bool:
            infos = {info.worker_id: info for info in await MonitoringService(driver).get_worker_stats()}
            info = infos.get(worker.worker_id)
            return info is not None and (info.status, info.tasks_processed) == ("idle", 1)

        await until(reported)


def test_line_110_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """110: Use environment variables: they configure everything, `.env` too, and no credential shows."""
    (tmp_path / ".env").write_text("ASYNCTASQ_REDIS_PASSWORD=hunter2\nASYNCTASQ_WORKER_CONCURRENCY=7\n")
    monkeypatch.setenv("ASYNCTASQ_REDIS_URL", "redis://user:swordfish@cache:6379/2")
    monkeypatch.setenv("ASYNCTASQ_WORKER_CONCURRENCY", "9")
    config = Config.get()
    assert (config.driver, config.worker.concurrency) == ("redis", 9)
    shown = f"{config!r} {config.driver_settings()!r} {config.shown()!r}"
    assert "hunter2" not in shown
    assert "swordfish" not in shown
    monkeypatch.setenv("ASYNCTASQ_WORKER_CONCURRENCY", "many")
    with pytest.raises(ConfigurationError, match=r"ASYNCTASQ_WORKER_CONCURRENCY.*many"):
        Config.set()


async def test_line_111_several_workers(every_url: str) -> None:
    """111: Deploy multiple workers: they share the queues, each task runs once, and one takes over from another."""
    init(url=every_url)
    await dispatch_many([charge(number) for number in range(200)])
    async with working(concurrency=3) as first, working(concurrency=3) as second:
        await until(lambda: len(notes) == 200)
    assert sorted(notes) == list(range(200))
    processed = [worker.get_health_status()["tasks_processed"] for worker in (first, second)]
    assert sum(processed) == 200
    assert min(processed) > 0


async def test_line_113_dead_letters_come_back(every_url: str) -> None:
    """113: Monitor dead-letter queues: a dead letter stays, with its failures, until it is replayed or deleted."""
    init(url=every_url)
    dead = await dead_letter(1)
    async with Config.get().open_driver() as driver:
        record = (await driver.get_tasks([dead]))[dead]
        assert (record.state, len(record.failures), record.reason) == (TaskState.DEAD, 2, "failed")
        monitoring = MonitoringService(driver)
        assert await monitoring.retry_task(dead)
        await drain()
        assert len((await driver.get_tasks([dead]))[dead].failures) == 4
        assert await monitoring.delete_task(dead)
        assert await driver.get_tasks([dead]) == {}


async def test_line_114_timeout_in_task_config(url: str) -> None:
    """114: Set appropriate timeouts: `timeout` in TaskConfig ends an attempt, which is then retried."""
    init(url=url)

    class Hangs(AsyncTask[int]):
        config: TaskConfig = {"timeout": 0.1, "retry_delay": 0, "retry_strategy": "fixed"}

        async def execute(self) -> int:
            if self._current_attempt == 1:
                await anyio.sleep(600)
            return self._current_attempt

    handle = await Hangs().dispatch()
    await drain()
    assert await handle.result(timeout=1) == 2


async def test_line_115_testing() -> None:
    """115: Test thoroughly: a function is called by itself, an attempt runs without a queue, and an integration test
    needs no server and no sleep."""
    assert await charge.call(order=3) == 3
    assert await run_task(charge(4), attempt=2) == 4
    with sandbox() as box:
        await charge(5).delay(3600).dispatch()
        box.assert_dispatched(charge, args={"order": 5}, scheduled_in=3600)
        box.clock.advance(3600)
        assert [outcome.completed for outcome in await box.drain()] == [True]
    assert notes == [3, 4, 5]


async def test_line_116_structured_logging(url: str, log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    """116: Use structured logging: task_id, worker_id, queue_name and current_attempt are on every line that is logged
    inside a task or about one; what the caller gave as `extra` wins."""
    init(url=url)

    @task
    async def says() -> None:
        logging.getLogger("shop").warning("hello", extra={"order": 7})
        logging.getLogger("shop").warning("mine", extra={"task_id": "own"})

    @task(max_attempts=1)
    def says_in_thread() -> None:
        logging.getLogger("shop").warning("from a thread")
        raise ValueError

    handle = await says().on_queue("q").dispatch()
    failing = await says_in_thread().on_queue("q").dispatch()
    worker = await work("q")
    lines = {line["message"]: line for line in log_lines() if line["logger"] == "shop"}
    hello = lines["hello"]
    assert (hello["task_id"], hello["worker_id"], hello["queue_name"]) == (handle, worker.worker_id, "q")
    assert (hello["current_attempt"], hello["order"], lines["mine"]["task_id"]) == (1, 7, "own")
    assert lines["from a thread"]["queue_name"] == "q"
    (buried,) = [line for line in log_lines() if "is dead after attempt 1" in line["message"]]
    assert (buried["task_id"], buried["queue_name"], buried["current_attempt"]) == (failing, "q", 1)


async def test_line_117_event_streaming(redis_url: str) -> None:
    """117: Enable event streaming (Redis Pub/Sub): one switch, and every event of clients and workers is published."""
    from asynctasq_redis import RedisEventSubscriber

    server, _, channel = redis_url.partition("?namespace=")
    init(
        url=redis_url,
        events=EventsConfig(enable_event_emitter_redis=True, redis_url=server, channel=channel),
    )
    seen: list[str] = []
    async with RedisEventSubscriber(server, channel) as subscriber:
        handle = await charge(1).dispatch()
        await drain()
        with anyio.fail_after(PATIENCE):
            async for event in subscriber:
                if isinstance(event, TaskEvent):
                    assert event.task_id == handle
                    seen.append(event.event_type)
                if len(seen) == 3:
                    break
    assert sorted(seen) == ["task_completed", "task_enqueued", "task_started"]


@pytest.mark.slow
async def test_line_118_process_pools(sqlite_url: str) -> None:
    """118: Configure process pools: `ProcessPoolConfig(size, max_tasks_per_child)` holds: that many children, each
    replaced after that many tasks."""
    init(url=sqlite_url, process_pool=ProcessPoolConfig(size=1, max_tasks_per_child=2))
    handles = [await best_practice_tasks.child_pid().dispatch() for _ in range(3)]
    await drain(concurrency=1)
    first, second, third = [await handle.result(timeout=1) for handle in handles]
    assert first == second != third
    assert os.getpid() not in (first, third)


async def test_line_119_retention(url: str) -> None:
    """119: Set task retention policy: completed tasks are gone by default, but for results that somebody may wait for;
    `keep_completed_tasks=True` keeps them all."""
    init(url=url)
    assert Config.get().repository.keep_completed_tasks is False
    handle = await send_email("a").dispatch()
    await drain()
    with pytest.raises(UnknownTask):
        await handle.status()
    with pytest.raises(ResultNotKept):
        await handle.result(timeout=1)
    init(url=url, repository=RepositoryConfig(keep_completed_tasks=True))
    kept = await send_email("b").dispatch()
    await drain()
    assert await kept.status() is TaskState.COMPLETED
