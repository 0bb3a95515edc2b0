"""Hostile payloads and rows, put into the store behind a real worker's back: it lives on, and so do its other tasks."""

import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import anyio
import anyio.to_thread
import pytest

from asynctasq.driver_api import NewTask, TaskState
from tests.security import application
from tests.security.hostile import NAMING, NESTED, WRONG_HEADERS, arguments, frame
from tests.security.test_decoding import GOOD
from tests.torture.stage import Stage
from tests.torture.worker_fleet import Process, clean_environment

TASK = '"asynctasq:asynctasq:task"'
"""The SQLite driver's table of tasks."""

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def row(task_id: str, payload: bytes, name: str = application.echo.name) -> NewTask:
    """A task as somebody stores it who writes to the store directly."""
    return NewTask(id=task_id, queue="default", name=name, payload=payload, keep_for=3600)


async def typed(stage: Stage, *command: str) -> "subprocess.CompletedProcess[str]":
    """What a command of `asynctasq` says."""

    def run() -> "subprocess.CompletedProcess[str]":
        words = [sys.executable, "-m", "asynctasq", *command, "--url", stage.url]
        return subprocess.run(
            words, cwd=stage.folder, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
        )

    return await anyio.to_thread.run_sync(run)


async def check_alive(stage: Stage, worker: Process) -> None:
    """The worker still is the same process, runs tasks, and has imported nothing."""
    assert await (await application.wrongly_imported().dispatch()).result(timeout=30) == []
    assert worker.is_alive


@contextmanager
def behind_the_back(stage: Stage) -> Iterator[sqlite3.Connection]:
    """The file itself."""
    with closing(sqlite3.connect(stage.folder / "store.db", timeout=10)) as connection:
        yield connection
        connection.commit()


async def test_what_can_not_be_decoded_is_buried_after_one_delivery(stage: Stage) -> None:
    """Nested a hundred thousand deep, or with headers that no worker can go by: dead at once, the worker lives."""
    worker = await stage.start_ready_worker()
    payloads = list((NESTED | WRONG_HEADERS).values())
    rows = [row(f"h{number}", payload) for number, payload in enumerate(payloads)]
    await stage.driver.enqueue_many(rows)
    for record in await stage.wait_for_end(*[one.id for one in rows]):
        assert (record.state, record.reason, record.attempts) == (TaskState.DEAD, "undecodable", 1)
        assert [failure.type for failure in record.failures] == ["asynctasq.errors.DeserializationError"]
    await check_alive(stage, worker)


async def test_names_in_payloads_are_not_imported(stage: Stage) -> None:
    """Whatever modules and functions a payload or a task's name names, the worker's process imports none of them."""
    worker = await stage.start_ready_worker()
    names = ["this:zen", "antigravity", "antigravity:open", "os:system", "turtledemo.clock:main", "__import__('this')"]
    rows = [row(f"p{number}", payload) for number, payload in enumerate(NAMING.values())]
    rows += [row(f"n{number}", frame(arguments(value="x"), max_attempts=1), name) for number, name in enumerate(names)]
    await stage.driver.enqueue_many(rows)
    for record in await stage.wait_for_end(*[one.id for one in rows if one.id.startswith("n")]):
        assert (record.state, record.reason, record.attempts) == (TaskState.DEAD, "unknown_task", 1)
    await check_alive(stage, worker)


async def test_unknown_task_names_wait_and_count(stage: Stage) -> None:
    """A name that nobody registered waits for a minute, which costs an attempt: another worker may know it."""
    worker = await stage.start_ready_worker()
    await stage.driver.enqueue_many([row("unknown", frame(arguments(value=1), max_attempts=2), "elsewhere:task")])
    await check_alive(stage, worker)
    record = await stage.record("unknown")
    assert (record.state, record.attempts) == (TaskState.SCHEDULED, 1)
    assert "elsewhere:task" in record.failures[0].message
    assert 50 < (record.available_at - await stage.driver.now()).total_seconds() <= 60


async def test_oversized_rows_are_refused_by_their_length(stage: Stage) -> None:
    """64 MiB behind the driver's back: dead after one delivery, without having been decoded; memory comes back."""
    rows = [row(f"big{number}", frame(arguments(value="x"))) for number in range(3)]
    await stage.driver.enqueue_many(rows)
    with behind_the_back(stage) as connection:
        connection.execute(f"UPDATE {TASK} SET payload = zeroblob(?) WHERE id LIKE 'big%'", (64 * 2**20,))
    worker = await stage.start_ready_worker()
    for record in await stage.wait_for_end(*[one.id for one in rows]):
        assert (record.state, record.reason, record.attempts) == (TaskState.DEAD, "undecodable", 1)
        assert "67108864 bytes" in record.failures[0].message
    await check_alive(stage, worker)


async def test_rows_that_are_no_text(stage: Stage) -> None:
    """A task whose name or correlation id is no UTF-8 any more does not keep the others of its queue waiting."""
    rows = [row(f"bad{number}", frame(arguments(value="x"), max_attempts=1)) for number in range(2)]
    await stage.driver.enqueue_many(rows)
    with behind_the_back(stage) as connection:
        connection.execute(f"UPDATE {TASK} SET name = CAST(x'61ff62' AS TEXT) WHERE id = 'bad0'")
        connection.execute(f"UPDATE {TASK} SET correlation_id = CAST(x'ff' AS TEXT) WHERE id = 'bad1'")
    worker = await stage.start_ready_worker()
    await check_alive(stage, worker)
    records = await stage.wait_for_end(*[one.id for one in rows])
    assert {record.id: record.state in (TaskState.COMPLETED, TaskState.DEAD) for record in records} == {
        "bad0": True,
        "bad1": True,
    }


async def test_three_hundred_mutilated_payloads(stage: Stage) -> None:
    """Bits flipped, cut off: each one ends or waits for a worker that may know it, and nothing is left running."""
    worker = await stage.start_ready_worker()
    chooser = random.Random(7)
    rows: list[NewTask] = []
    for number in range(300):
        payload = bytearray(GOOD)
        if number % 3:
            for _ in range(chooser.randint(1, 4)):
                payload[chooser.randrange(len(payload))] ^= 1 << chooser.randrange(8)
        else:
            del payload[chooser.randrange(len(payload)) :]
        rows.append(row(f"m{number}", bytes(payload), application.typed.name))
    await stage.driver.enqueue_many(rows)
    await check_alive(stage, worker)
    stats = await stage.stats()
    assert (stats.ready, stats.leased) == (0, 0)
    assert stats.dead > 50
    assert worker.output().count("Traceback") == 0


@pytest.mark.parametrize("command", [["tasks", "list"], ["dead", "list"], ["queues", "list"]], ids=" ".join)
async def test_lists_show_hostile_rows(stage: Stage, command: list[str]) -> None:
    """An operator can look at a store that is full of hostile rows: as text, and as JSON."""
    payloads = list((NESTED | WRONG_HEADERS | NAMING).values())
    await stage.driver.enqueue_many([row(f"h{number}", payload) for number, payload in enumerate(payloads)])
    worker = stage.start_worker("--burst")
    await worker.wait_until_ended(within=60)
    for more in ([], ["--json"]):
        done = await typed(stage, *command, *more)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert not more or json.loads(done.stdout) is not None


async def test_one_hostile_row_can_be_shown(stage: Stage) -> None:
    """`tasks show` of each of them says what it can."""
    payloads = list((NESTED | WRONG_HEADERS | NAMING).values())
    rows = [row(f"h{number}", payload) for number, payload in enumerate(payloads)]
    await stage.driver.enqueue_many(rows)
    done = await typed(stage, "tasks", "show", *[one.id for one in rows], "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [task["id"] for task in json.loads(done.stdout)] == [one.id for one in rows]
