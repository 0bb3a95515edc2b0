"""Log lines that say which task they belong to."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from asynctasq.runtime.task_logging import TASK_FIELDS, JsonLogFormatter, TaskContextFilter
from asynctasq.tasks.current_task import current_task
from asynctasq.tasks.function_task import task
from tests.runtime.harness import Bench

logger = logging.getLogger("application")


class Lines(logging.Handler):
    """Keeps formatted lines."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(TaskContextFilter())
        self.setFormatter(JsonLogFormatter())
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def lines() -> Any:
    handler = Lines()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.lines
    logger.removeHandler(handler)


@task(name="logging.talk")
async def talk() -> None:
    logger.info("in the loop, attempt %d", current_task().attempt)
    await anyio.lowlevel.checkpoint()
    logger.warning("the caller knows better", extra={"task_id": "mine", "amount": 3})


@task(name="logging.talk_in_thread")
def talk_in_thread() -> None:
    logger.info("in a thread")


@pytest.mark.anyio
async def test_every_line_inside_a_task_names_it(bench: Bench, lines: list[dict[str, Any]]) -> None:
    """Lines logged in a task carry its fields, in threads too, and the caller's own `extra` wins."""
    first = await bench.enqueue(talk(), correlation_id="order-7")
    second = await bench.enqueue(talk_in_thread())
    await bench.work()
    logger.info("outside")
    by_message = {line["message"]: line for line in lines}
    inside = by_message["in the loop, attempt 1"]
    assert {name: inside[name] for name in TASK_FIELDS} == {
        "task_id": first,
        "worker_id": "worker-1",
        "queue_name": "default",
        "current_attempt": 1,
        "task_name": "logging.talk",
        "correlation_id": "order-7",
    }
    better = by_message["the caller knows better"]
    assert (better["task_id"], better["amount"], better["current_attempt"]) == ("mine", 3, 1)
    assert by_message["in a thread"]["task_id"] == second
    assert "task_id" not in by_message["outside"]


def record(**fields: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "n", "levelname": "INFO", "msg": "m", "created": 1.5, **fields})


def test_a_line_is_one_json_object() -> None:
    """Time, level, logger and message, on one line, whatever the message has in it."""
    text = JsonLogFormatter().format(record(msg='two\nlines "quoted" %s', args=("é",)))
    assert "\n" not in text
    line = json.loads(text)
    assert line["message"] == 'two\nlines "quoted" é'
    assert (line["level"], line["logger"]) == ("INFO", "n")
    assert datetime.fromisoformat(line["timestamp"]) == datetime.fromtimestamp(1.5, UTC)


def test_exceptions_are_in_the_line_with_their_notes() -> None:
    """An exception is part of its line, notes and causes included."""
    try:
        raise ValueError("no good")
    except ValueError as error:
        error.add_note("order 4711")
        line = json.loads(JsonLogFormatter().format(record(exc_info=(ValueError, error, error.__traceback__))))
    assert "ValueError: no good" in line["exception"]
    assert "order 4711" in line["exception"]


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no text")

    __str__ = __repr__


@pytest.mark.parametrize(
    "value", [object(), {1: {2: 3}}, "\ud800", float("nan"), 1 << 100, Unprintable(), b"\xff", {1, 2}]
)
def test_no_value_costs_the_line(value: Any) -> None:
    """Whatever is passed as extra, there is a line, and it is JSON."""
    line = json.loads(JsonLogFormatter().format(record(thing=value)))
    assert line["message"] == "m"
    assert "thing" in line


def test_wrong_arguments_of_a_log_call_do_not_cost_the_line() -> None:
    """A log call whose arguments do not fit its message is logged all the same."""
    assert "%d" in json.loads(JsonLogFormatter().format(record(msg="%d", args=("x",))))["message"]


def test_a_format_string_may_name_the_fields_outside_of_tasks() -> None:
    """The filter sets every field, to None where no task runs, so that a plain format string never fails."""
    outside = record()
    assert TaskContextFilter().filter(outside)
    formatter = logging.Formatter("%(task_id)s %(queue_name)s %(current_attempt)s %(message)s")
    assert formatter.format(outside) == "None None None m"
