"""Moving between real stores of different kinds, with the command killed half-way."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import Failure, NewTask, TaskState
from asynctasq.contract.settlements import Bury
from asynctasq.errors import AsyncTasqError
from asynctasq.moving.move import Move
from asynctasq.moving.turn import TURN_QUEUE, turn_in
from asynctasq.plugins.driver_factory import DriverFactory
from tests.acceptance.workers import PATIENCE, until
from tests.backend_urls import own_namespace

pytestmark = pytest.mark.anyio
PAIRS = [("sqlite", "redis"), ("redis", "postgres"), ("postgres", "mysql"), ("mysql", "sqlite")]
KEPT = ("queue", "name", "payload", "correlation_id", "priority", "dedupe_key", "keep_for", "remember_for")


@pytest.fixture(params=PAIRS, ids="-to-".join)
async def urls(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    """Source and target, each a store of its own."""
    source, target = request.param
    sqlite = f"sqlite:///{tmp_path / 'tasks.db'}"
    if source == "sqlite":
        async with own_namespace(target, prefix="move") as url:
            yield sqlite, url
    elif target == "sqlite":
        async with own_namespace(source, prefix="move") as url:
            yield url, sqlite
    else:
        async with own_namespace(source, prefix="move") as one, own_namespace(target, prefix="move") as other:
            yield one, other


def new_task(id: str, **fields: Any) -> NewTask:
    return NewTask(id=id, queue="emails", name="send", payload=b"\x00\xff" + id.encode(), **fields)


async def ids_in(driver: Driver, queue: str = "emails") -> list[str]:
    """Every task of a queue, as often as the store has it."""
    found: list[str] = []
    after: str | None = None
    while True:
        page = await driver.list_tasks(queue=queue, limit=500, after=after)
        found += [task.id for task in page.tasks]
        if (after := page.after) is None:
            return found


async def bury_one(driver: Driver, id: str) -> None:
    await driver.enqueue_many([new_task(id)])
    [delivery] = await driver.reserve(["emails"], limit=1, lease=60, worker="w")
    await driver.settle_many([Bury(receipt=delivery.receipt, failure=Failure(type="E", message="m"))])


def quiet(source: Driver, target: Driver, *, with_dead: bool = False) -> Move:
    return Move(source, target, say=lambda _: None, progress=lambda *_: None, with_dead=with_dead)


async def test_ids_options_and_order_are_kept(urls: tuple[str, str]) -> None:
    """Whatever the two stores are: all that a task was enqueued with arrives, in the order of delivery, dead letters
    only on demand, and the counts of both stores agree."""
    async with DriverFactory.create(urls[0]) as source, DriverFactory.create(urls[1]) as target:
        await bury_one(source, "dead")
        tasks = [
            *(new_task(f"plain-{number:02}") for number in range(20)),
            new_task("urgent", priority=9, correlation_id="c-1", keep_for=60.0, remember_for=120.0),
            new_task("later", delay=3600.0),
            new_task("unique", dedupe_key="key"),
            new_task("expires", expires_after=3600.0),
        ]
        await source.enqueue_many(tasks)
        [moved] = await quiet(source, target).run(["emails"])
        assert (moved.found, moved.moved, moved.kept, moved.dead, moved.left) == (24, 24, (), 1, 0)
        assert await ids_in(source) == ["dead"]
        stored = await target.get_tasks([task.id for task in tasks])
        for task in tasks:
            assert [getattr(stored[task.id], field) for field in KEPT] == [getattr(task, field) for field in KEPT]
        assert stored["later"].state is TaskState.SCHEDULED
        assert 3500 < (stored["expires"].expires_after or 0) <= 3600
        stats = (await target.queue_stats(["emails"]))["emails"]
        assert (stats.ready, stats.scheduled, stats.dead) == (23, 1, 0)
        deliveries = await target.reserve(["emails"], limit=3, lease=60, worker="w")
        assert [delivery.id for delivery in deliveries] == ["urgent", "plain-00", "plain-01"]

        [moved] = await quiet(source, target, with_dead=True).run(["emails"])
        assert (moved.moved, moved.dead) == (1, 0)
        assert await ids_in(source) == []
        replayed = (await target.get_tasks(["dead"]))["dead"]
        assert (replayed.state, replayed.attempts, replayed.failures) == (TaskState.READY, 0, ())


@pytest.mark.slow
async def test_killed_half_way_and_run_again(urls: tuple[str, str]) -> None:
    """SIGKILL of the command in the middle: every task is in one store or in both, none can run twice, and a second
    command ends with each in the target, once."""
    command = [sys.executable, "-m", "asynctasq", "move", "--from", urls[0], "--to", urls[1]]
    expected = [f"task-{number:04}" for number in range(4000)]
    async with DriverFactory.create(urls[0]) as source, DriverFactory.create(urls[1]) as target:

        async def some_arrived() -> bool:
            return (await target.queue_stats(["emails"]))["emails"].ready > 0

        for start in range(0, len(expected), 500):
            await source.enqueue_many([new_task(id) for id in expected[start : start + 500]])
        async with await anyio.open_process(command, stdout=None, stderr=None) as process:
            await until(some_arrived)
            process.kill()
        left, arrived = await ids_in(source), await ids_in(target)
        assert sorted({*left, *arrived}) == expected
        for driver in (source, target):
            assert driver.pausing is not None
            assert "emails" in await driver.pausing.paused_queues()
            assert await driver.reserve(["emails"], limit=1, lease=1, worker="w") == []
        done = await anyio.run_process(command, check=False)
        assert done.returncode == 0, done.stderr.decode()
        assert f"emails: {len(left)} of {len(left)} tasks moved" in done.stdout.decode()
        assert await ids_in(source) == []
        assert sorted(await ids_in(target)) == expected
        assert target.pausing is not None
        assert not await target.pausing.paused_queues()


async def test_a_second_move_waits_for_its_turn(urls: tuple[str, str]) -> None:
    """Two moves out of one source do not mix: the second says that it waits, and finds nothing left to do."""
    said: list[str] = []
    counts: list[int] = []
    async with DriverFactory.create(urls[0]) as source, DriverFactory.create(urls[1]) as target:
        await source.enqueue_many([new_task(f"task-{number}") for number in range(50)])

        async def second() -> None:
            moved = await Move(source, target, say=said.append, progress=lambda *_: None).run(["emails"])
            counts.append(moved[0].moved)

        async with anyio.create_task_group() as group, turn_in(source, said.append):
            group.start_soon(second)
            await until(lambda: bool(said))
            assert len(await ids_in(source)) == 50
        assert counts == [50]
        assert "waiting for another move" in said[0]
        assert await ids_in(source, TURN_QUEUE) == []


@pytest.mark.slow
async def test_a_lost_turn_ends_the_move(tmp_path: Path) -> None:
    """A move whose turn has ended under it does not go on beside the next one."""
    async with DriverFactory.create(f"sqlite:///{tmp_path / 'tasks.db'}") as source:

        async def lose_it() -> None:
            async with turn_in(source, lambda _: None):
                await source.purge([TURN_QUEUE])
                await anyio.sleep(PATIENCE)

        with pytest.raises(AsyncTasqError, match="another move may have begun"):
            await lose_it()
