"""`MonitoringService`: what dashboards and scripts ask for, on a real SQLite file."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import Delivery, Failure, NewTask
from asynctasq.contract.settlements import Bury, Complete
from asynctasq.errors import InvalidArgument
from asynctasq.monitoring import MonitoringService, TaskStatus
from asynctasq.plugins.driver_factory import DriverFactory
from asynctasq.runtime.frame import Headers, encode_frame, encode_headers
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[Driver]:
    """A driver that is not connected."""
    driver = DriverFactory.create(f"sqlite:///{tmp_path / 'tasks.db'}")
    yield driver
    await driver.disconnect()


@pytest.fixture
def monitoring(driver: Driver) -> MonitoringService:
    """The service on it."""
    return MonitoringService(driver)


def new_task(task_id: str, *, queue: str = "mail", **fields: Any) -> NewTask:
    """A task as the core frames it."""
    headers = encode_headers(Headers(max_attempts=5, timeout=12.5))
    body = MsgpackSerializer().encode({"to": "a@b.c"})
    return NewTask(id=task_id, queue=queue, name="nowhere:send", payload=encode_frame(headers, body), **fields)


async def delivered(driver: Driver, *tasks: NewTask) -> list[Delivery]:
    """Enqueue tasks and take them."""
    await driver.connect()
    await driver.enqueue_many(tasks)
    return await driver.reserve([tasks[0].queue], limit=len(tasks), lease=60, worker="w1")


async def fill(driver: Driver) -> None:
    """One task of every status."""
    done, dead, _ = await delivered(driver, new_task("done", keep_for=60), new_task("dead"), new_task("running"))
    failure = Failure(type="ValueError", message="no such user", traceback="here")
    await driver.settle_many(
        [
            Complete(receipt=done.receipt, result=MsgpackSerializer().encode({"sent": True})),
            Bury(receipt=dead.receipt, failure=failure),
        ]
    )
    await driver.enqueue_many([new_task("ready", queue="other"), new_task("later", queue="other", delay=100)])
    await driver.enqueue_many([new_task("cancelled", queue="other")])
    await driver.cancel_many(["cancelled"])


async def test_a_driver_is_connected_on_first_use(monitoring: MonitoringService) -> None:
    """`MonitoringService(DriverFactory.create(...))` may be asked at once; an unknown queue has zeros."""
    stats = await monitoring.get_queue_stats("mail")
    assert (stats.name, stats.depth, stats.processing, stats.avg_duration_ms) == ("mail", 0, 0, None)


async def test_queue_and_global_stats(driver: Driver, monitoring: MonitoringService) -> None:
    """Depth is what waits, later tasks included; totals are what ended."""
    await fill(driver)
    mail, other = await monitoring.get_all_queue_stats()
    assert (mail.depth, mail.processing, mail.completed_total, mail.failed_total) == (0, 1, 1, 1)
    assert mail.avg_duration_ms is not None
    assert mail.throughput_per_minute is None
    assert other.depth == 2
    assert await monitoring.get_all_queue_names() == ["mail", "other"]
    stats = await monitoring.get_global_stats()
    assert stats == {
        "pending": 2, "running": 1, "failed": 1, "completed": 1, "cancelled": 1, "retried": 0, "failed_total": 1,
        "total": 4,
    }  # fmt: skip


async def test_throughput_is_what_was_completed_since_the_last_look(
    driver: Driver, monitoring: MonitoringService
) -> None:
    """The second look knows how many tasks were completed since the first."""
    await fill(driver)
    await monitoring.get_queue_stats("mail")
    (delivery,) = await delivered(driver, new_task("one more"[:3]))
    await driver.settle_many([Complete(receipt=delivery.receipt)])
    throughput = (await monitoring.get_queue_stats("mail")).throughput_per_minute
    assert throughput is not None
    assert throughput > 0


@pytest.mark.parametrize(
    ("status", "ids"),
    [
        ("pending", {"ready", "later"}),
        ("running", {"running"}),
        ("completed", {"done"}),
        ("failed", {"dead"}),
        ("cancelled", {"cancelled"}),
        ("dead", {"dead"}),
        (TaskStatus.RUNNING, {"running"}),
        (None, {"ready", "later", "running", "done", "dead", "cancelled"}),
    ],
)
async def test_lists_by_status(
    driver: Driver, monitoring: MonitoringService, status: str | None, ids: set[str]
) -> None:
    """Every status of a dashboard, and every state of the contract, is a filter; the total fits."""
    await fill(driver)
    infos, total = await monitoring.get_task_infos(status=status)
    assert {info.id for info in infos} == ids
    assert total == len(ids)
    raw, _ = await monitoring.get_tasks(status=status)
    assert len(raw) == len(ids)


async def test_pages(driver: Driver, monitoring: MonitoringService) -> None:
    """limit and offset page through a list; the total is that of the whole list."""
    await driver.connect()
    await driver.enqueue_many([new_task(f"t{number}") for number in range(7)])
    seen: list[str] = []
    for offset in range(0, 9, 3):
        infos, total = await monitoring.get_task_infos("pending", "mail", limit=3, offset=offset)
        assert total == 7
        seen += [info.id for info in infos]
    assert sorted(seen) == [f"t{number}" for number in range(7)]


async def test_an_unknown_status_is_refused(monitoring: MonitoringService) -> None:
    """A misspelt status is an error, not an empty list."""
    with pytest.raises(InvalidArgument, match="wanted one of pending, running"):
        await monitoring.get_task_infos(status="runing")


async def test_one_task_in_full(driver: Driver, monitoring: MonitoringService) -> None:
    """A task is found by its own id, with its options, arguments, result, and what made it fail."""
    await fill(driver)
    done = await monitoring.get_task_info_by_id("done")
    assert done is not None
    assert (done.status, done.attempt, done.max_attempts, done.timeout_seconds) == ("completed", 1, 5, 12.5)
    assert (done.kwargs, done.result, done.worker_id) == ({"to": "a@b.c"}, {"sent": True}, "w1")
    assert done.duration_ms is not None
    dead = await monitoring.get_task_info_by_id("dead")
    assert dead is not None
    assert (dead.exception, dead.traceback) == ("ValueError: no such user", "here")
    raw = await monitoring.get_task_by_id("running")
    assert raw is not None
    assert raw[1:] == ("mail", "running")
    assert await monitoring.get_task_info_by_id("nobody") is None
    assert [info.id for info in await monitoring.get_running_task_infos()] == ["running"]
    assert [queue for _, queue in await monitoring.get_running_tasks()] == ["mail"]


async def test_a_foreign_payload_is_shown_all_the_same(driver: Driver, monitoring: MonitoringService) -> None:
    """What can't be decoded is a sentence, never an error."""
    await driver.connect()
    await driver.enqueue_many([NewTask(id="x", queue="q", name="n", payload=b"\xff\x00junk")])
    info = await monitoring.get_task_info_by_id("x")
    assert info is not None
    assert "6 bytes" in info.kwargs["payload"]


async def test_retry_and_delete(driver: Driver, monitoring: MonitoringService) -> None:
    """A dead letter runs again; a task that runs can't be deleted."""
    await fill(driver)
    assert await monitoring.retry_task("dead")
    assert not await monitoring.retry_task("dead")
    assert not await monitoring.delete_task("running")
    assert await monitoring.delete_task("done")
    assert await monitoring.get_task_by_id("done") is None


async def test_workers_by_their_own_account(driver: Driver, monitoring: MonitoringService) -> None:
    """What a worker reports is shown, and a report that is none does not raise."""
    await driver.connect()
    assert driver.worker_reports is not None
    report = b'{"active_tasks": 5, "concurrency": 10, "tasks_processed": 7, "uptime_seconds": 2.5, "queues": ["mail"],'
    report += b'"hostname": "h", "running": [{"id": "t1"}]}'
    await driver.worker_reports.report("w1", report, ttl=60)
    await driver.worker_reports.report("w2", b'{"running": [1], "queues": 3, "active_tasks": "x"}', ttl=60)
    await driver.worker_reports.report("w3", b"junk", ttl=60)
    first, *others = await monitoring.get_worker_stats()
    assert (first.status, first.current_task_id, first.load_percentage) == ("active", "t1", 50.0)
    assert (first.tasks_processed, first.uptime_seconds, first.queues) == (7, 2.5, ("mail",))
    assert [worker.status for worker in others] == ["idle", "idle"]
