"""Maintenance, reports, health, and the first connection, in virtual time."""

import logging
from typing import Any

import anyio
import msgspec
import pytest

from asynctasq.errors import ConfigurationError, DriverUnavailable, StorageMissing
from asynctasq.memory import MemoryDriver
from asynctasq.runtime.queue_order import parse_queues
from asynctasq.runtime.worker import Worker
from asynctasq.tasks.function_task import task
from tests.runtime.harness import EPOCH, Bench

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend(virtual_time: Any) -> Any:
    return virtual_time


@task(name="housekeeping.sleep")
async def sleep(seconds: float) -> None:
    await anyio.sleep(seconds)


async def test_a_worker_maintains_every_few_seconds(bench: Bench) -> None:
    """Some maintenance is done every few seconds, and until nothing is left to do."""
    for n in range(5000):
        await bench.enqueue(sleep(0.0), id=f"t{n}", keep_for=0.0, remember_for=20.0)
    async with bench.working(concurrency=50):
        await anyio.sleep(60.0)
        assert 60 / 7.5 <= bench.driver.maintained <= 60 / 2.5 + 10
        assert await bench.driver.get_tasks([f"t{n}" for n in range(5000)]) == {}


async def test_a_worker_reports_itself(bench: Bench) -> None:
    """A worker's report says who, where, since when, and what runs; it is gone a while after the worker."""
    id = await bench.enqueue(sleep(20.0))
    reports = bench.driver.worker_reports
    assert reports is not None
    async with bench.working(concurrency=4, queues="default,other"):
        await anyio.sleep(7.0)
        [report] = await reports.reports()
        data = msgspec.json.decode(report.data)
    assert report.worker == data["worker_id"] == "worker-1"
    assert (data["concurrency"], data["queues"], data["active"]) == (4, ["default", "other"], 1)
    assert data["running"] == [{"id": id, "name": "housekeeping.sleep", "queue": "default"}]
    assert {"hostname", "pid", "started_at", "processed", "version", "status"} <= data.keys()
    await anyio.sleep(20.0)
    assert await reports.reports() == []


async def test_health_is_about_the_backend(bench: Bench) -> None:
    """The health status tells when the backend last answered, not only that the process lives."""
    async with bench.working(poll_interval=1.0) as worker:
        await anyio.sleep(10.0)
        status = worker.get_health_status()
        assert (status["worker_id"], status["status"], status["queues"]) == ("worker-1", "running", ["default"])
        assert {"hostname", "uptime_seconds", "tasks_processed", "active_tasks", "process_pool"} <= status.keys()
        assert status["last_reserve_seconds_ago"] <= 1.1
        bench.driver.reserving.before.extend([DriverUnavailable("away")] * 100)
        await anyio.sleep(30.0)
        assert worker.get_health_status()["last_reserve_seconds_ago"] > 25.0


class Unreachable(MemoryDriver):
    """A driver whose first connections fail."""

    def __init__(self, namespace: str, errors: list[Exception]) -> None:
        super().__init__(namespace, clock=lambda: EPOCH)
        self.errors = errors
        self.tries = 0

    async def _connect(self) -> None:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        await super()._connect()


async def test_at_the_start_the_backend_has_ten_seconds(namespace: str, caplog: pytest.LogCaptureFixture) -> None:
    """A worker tries for ten seconds to reach its backend, one line per attempt, and then gives up."""
    driver = Unreachable(namespace, [DriverUnavailable("refused")] * 1000)
    with caplog.at_level(logging.WARNING), pytest.raises(DriverUnavailable, match="refused"):
        await Worker(driver, handle_signals=False).start()
    assert 8.0 <= anyio.current_time() <= 10.0
    assert 4 <= driver.tries <= 20
    assert caplog.text.count("refused") == driver.tries - 1


async def test_a_backend_that_comes_late_is_found(namespace: str) -> None:
    """A backend that answers within the ten seconds is used, and disconnected at the end."""
    driver = Unreachable(namespace, [DriverUnavailable("refused")] * 3)
    worker = Worker(driver, burst=True, handle_signals=False, blocked_loop_after=None)
    await worker.start()
    assert driver.tries == 4


@pytest.mark.parametrize("error", [ConfigurationError("too old"), StorageMissing("run migrate")])
async def test_what_can_never_work_is_not_tried_again(namespace: str, error: Exception) -> None:
    """A configuration error or a missing schema ends the worker at once."""
    driver = Unreachable(namespace, [error])
    with pytest.raises(type(error)):
        await Worker(driver, handle_signals=False).start()
    assert driver.tries == 1


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0},
        {"concurrency": True},
        {"max_tasks": 0},
        {"lease": 0},
        {"lease": float("inf")},
        {"grace": -1},
        {"poll_interval": "1"},
        {"queues": ["with space"]},
        {"queues": []} | {"queue_weights": {"other": 3}},
        {"queue_weights": {"default": 0}},
        {"worker_id": "x" * 300},
        {"process_pool_size": 0},
        {"serializers": {}},
    ],
)
async def test_settings_that_cannot_work_are_refused(namespace: str, options: dict[str, Any]) -> None:
    """Every wrong setting is one clear error when the worker is made."""
    with pytest.raises(ConfigurationError, match=r"wanted|nothing|serve"):
        Worker(MemoryDriver(namespace), **options)


async def test_an_unknown_option_is_refused_with_the_closest_one(namespace: str) -> None:
    """A misspelt option is an error that names the right one."""
    with pytest.raises(TypeError, match="poll_interval"):
        Worker(MemoryDriver(namespace), pol_interval=3)  # type: ignore[call-arg]


async def test_the_default_queue_is_named_default(namespace: str) -> None:
    """Without queues a worker serves `default`, and a new id each time."""
    one, other = Worker(MemoryDriver(namespace)), Worker(MemoryDriver(namespace))
    assert one.get_health_status()["queues"] == ["default"]
    assert one.worker_id != other.worker_id
    assert parse_queues("default") == {"default": None}
