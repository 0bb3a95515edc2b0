"""The best practices, line by line: handling errors."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from asynctasq import (
    Config,
    EventType,
    MonitoringService,
    current_task,
    init,
    task,
)
from asynctasq.errors import DefinitionError
from asynctasq.testing import drain
from tests.acceptance.best_practice_application import (
    Collector,
    ProcessPayment,
    dead_letter,
)
from tests.acceptance.notes import note, notes

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]


async def test_line_66_logging_in_failed(url: str, log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    """66: Log errors comprehensively in `failed()`: the line has the caller's fields, the task's, and the traceback."""
    init(url=url)
    handle = await ProcessPayment(user_id=3, amount=9.5).dispatch()
    await drain()
    (line,) = [line for line in log_lines() if line["logger"] == "payments"]
    assert (line["task_id"], line["current_attempt"], line["user_id"], line["amount"]) == (handle, 2, 3, 9.5)
    assert (line["queue_name"], line["level"]) == ("default", "ERROR")
    assert "ConnectionError: the bank does not answer" in line["exception"]


async def test_line_67_retry_limits(url: str) -> None:
    """67: Use retry limits: three attempts unless something else is said; a limit of 0 is refused."""
    init(url=url, task_defaults={"retry_delay": 0})

    @task
    async def never_works() -> None:
        note(current_task().attempt)
        raise ValueError

    await never_works().dispatch()
    await never_works().max_attempts(1).dispatch()
    await drain()
    assert sorted(notes) == [1, 1, 2, 3]
    with pytest.raises(DefinitionError, match="max_attempts is 0"):
        never_works().max_attempts(0)


async def test_line_68_dead_letters(sqlite_url: str, tmp_path: Path) -> None:
    """68: Monitor dead-letter queues: counted by queue, listed with their failures by service and command line."""
    init(url=sqlite_url)
    dead = await dead_letter(1)
    async with Config.get().open_driver() as driver:
        stats = (await driver.queue_stats(["default"]))["default"]
        assert (stats.dead, stats.total_dead) == (1, 1)
        infos, total = await MonitoringService(driver).get_task_infos("failed")
    assert (total, infos[0].id, infos[0].kwargs) == (1, dead, {"user_id": 1, "amount": 1.0})
    listed = await anyio.run_process(
        [sys.executable, "-m", "asynctasq", "dead", "list", "--json", "--url", sqlite_url], cwd=tmp_path
    )
    assert dead in listed.stdout.decode()


async def test_line_69_alerting(url: str) -> None:
    """69: Implement alerting for critical failures: `failed()` may await, and sinks hear of every dead letter."""
    heard = Collector()
    init(url=url, event_sinks=[heard])
    dead = await dead_letter(1)
    assert notes == [("admin", "the bank does not answer")]
    (event,) = heard.of_tasks(EventType.TASK_FAILED)
    assert (event.task_id, event.error) == (dead, "ConnectionError: the bank does not answer")


async def test_line_70_context_in_exceptions(url: str) -> None:
    """70: Add context to exception messages: message, notes and causes are stored with the failure."""
    init(url=url)

    @task(max_attempts=1, keep_result=60)
    async def load(user: int) -> None:
        try:
            raise KeyError(user)
        except KeyError as error:
            wrapped = ValueError(f"user {user} is not in the directory")
            wrapped.add_note("looked in the eastern directory")
            raise wrapped from error

    handle = await load(8).dispatch()
    await drain()
    (failure,) = (await handle.record()).failures
    assert (failure.type, failure.message) == ("ValueError", "user 8 is not in the directory")
    assert "looked in the eastern directory" in failure.traceback
    assert "KeyError: 8" in failure.traceback
