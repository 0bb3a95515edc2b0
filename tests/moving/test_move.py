"""Moving tasks between stores, with every step interrupted once."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from asynctasq.cli.main import run_command_line
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import Failure, NewTask, TaskState
from asynctasq.contract.settlements import Bury, Complete
from asynctasq.errors import ConfigurationError, DriverUnavailable, TransactionAborted
from asynctasq.moving import turn
from asynctasq.moving.journal import JOURNAL_QUEUE, Journal
from asynctasq.moving.move import Move, Moved
from asynctasq.moving.turn import turn_in
from asynctasq.plugins.driver_factory import DriverFactory
from tests.acceptance.workers import until

pytestmark = pytest.mark.anyio
QUEUES = ["emails", "reports"]
KEPT = ("queue", "name", "payload", "correlation_id", "priority", "dedupe_key", "keep_for", "remember_for")


@asynccontextmanager
async def stores(*urls: str) -> AsyncIterator[list[Driver]]:
    """Connected drivers, each on a namespace of its own."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(DriverFactory.create(url, namespace=f"move-{uuid.uuid4().hex[:8]}"))
            for url in urls
        ]


def new_task(id: str, **fields: Any) -> NewTask:
    return NewTask(**{"id": id, "queue": "emails", "name": "send", "payload": id.encode(), **fields})


async def fill(source: Driver) -> list[NewTask]:
    tasks = [
        *(new_task(f"plain-{number:02}") for number in range(30)),
        new_task("urgent", priority=9, correlation_id="c-1", keep_for=60.0, remember_for=120.0),
        new_task("later", delay=3600.0),
        new_task("unique", dedupe_key="key"),
        new_task("expires", expires_after=3600.0),
        new_task("report", queue="reports"),
    ]
    await source.enqueue_many(tasks)
    return tasks


def quiet(source: Driver, target: Driver, **options: Any) -> Move:
    return Move(source, target, say=lambda _: None, progress=lambda *_: None, **options)


async def paused(driver: Driver) -> frozenset[str]:
    assert driver.pausing is not None
    return await driver.pausing.paused_queues()


async def waiting_ids(driver: Driver) -> set[str]:
    page = await driver.list_tasks(limit=1000)
    assert page.after is None
    return {task.id for task in page.tasks if task.queue in QUEUES}


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'move.db'}"


async def test_ids_and_options_are_kept(sqlite_url: str) -> None:
    """Everything that a task was enqueued with arrives, and the order of equals stays."""
    async with stores("memory://", sqlite_url) as (source, target):
        tasks = await fill(source)
        moved = await quiet(source, target).run(None)
        assert [(each.queue, each.moved, each.kept, each.left) for each in moved] == [
            ("emails", 34, (), 0),
            ("reports", 1, (), 0),
        ]
        assert not await waiting_ids(source)
        stored = await target.get_tasks([task.id for task in tasks])
        for task in tasks:
            record = stored[task.id]
            for field in KEPT:
                assert getattr(record, field) == getattr(task, field)
        assert stored["later"].state is TaskState.SCHEDULED
        assert 3500 < (stored["expires"].expires_after or 0) <= 3600
        assert await paused(source) == frozenset(QUEUES)
        assert not await paused(target)
        first = await target.reserve(["emails"], limit=5, lease=30, worker="w")
        assert [delivery.id for delivery in first] == ["urgent", "plain-00", "plain-01", "plain-02", "plain-03"]


class Fuse:
    """Lets so many calls of a driver's methods through, and fails the next one after it was applied."""

    METHODS = ("enqueue_many", "delete_many", "get_tasks", "list_tasks", "queue_stats", "now")

    def __init__(self, calls: int) -> None:
        self.left = calls
        self.blown = False

    def wrap(self, driver: Driver) -> Driver:
        for name in self.METHODS:
            hook = getattr(driver, f"_{name}")

            async def fused(*arguments: Any, hook: Any = hook, **keywords: Any) -> Any:
                outcome = await hook(*arguments, **keywords)
                self.left -= 1
                if self.left < 0 and not self.blown:
                    self.blown = True
                    raise DriverUnavailable("the reply was lost")
                return outcome

            setattr(driver, f"_{name}", fused)
        return driver


async def test_interrupted_anywhere_it_loses_and_doubles_nothing() -> None:
    """Whichever call's answer is lost, a second run ends with every task in the target, once."""
    for calls in range(60):
        async with stores("memory://", "memory://") as (source, target):
            tasks = {task.id for task in await fill(source)}
            fuse = Fuse(calls)
            fuse.wrap(source)
            fuse.wrap(target)
            try:
                await quiet(source, target).run(None)
            except DriverUnavailable:
                left, arrived = await waiting_ids(source), await waiting_ids(target)
                assert left | arrived == tasks
                if left & arrived:
                    assert not await target.reserve(QUEUES, limit=1, lease=1, worker="w")
                await quiet(source, target).run(None)
            was_blown, fuse.blown = fuse.blown, True
            assert await waiting_ids(target) == tasks
            assert not await waiting_ids(source)
            assert not await paused(target)
            if not was_blown:
                return
    pytest.fail("the move made more than 60 calls")


async def test_what_runs_is_waited_for() -> None:
    """A leased task ends in the source, and the rest moves."""
    async with stores("memory://", "memory://") as (source, target):
        await source.enqueue_many([new_task("running"), new_task("waiting")])
        [delivery] = await source.reserve(["emails"], limit=1, lease=0.3, worker="w")
        moved = await quiet(source, target).run(["emails"])
        assert delivery.id == "running"
        assert moved == [
            Moved(queue="emails", found=2, moved=2, kept=(), gone=0, dead=0, left=0)
        ]  # its lease lapsed meanwhile


@pytest.mark.parametrize("keep_for", [0.0, 60.0])
@pytest.mark.parametrize("moment", ["_enqueue_many", "_get_tasks"])
async def test_what_a_late_delivery_has_run_does_not_arrive(keep_for: float, moment: str) -> None:
    """A reserve that was under way at the pause delivers a task of the batch, and its worker completes it: it leaves
    the target again, and its record and its result stay in the source."""
    async with stores("memory://", "memory://") as (source, target):
        await source.enqueue_many([new_task("late", keep_for=keep_for, priority=9), new_task("other")])
        hook = getattr(target, moment)
        ran: list[str] = []

        async def overtaken(arguments: Any) -> Any:
            outcome = await hook(arguments)
            if not ran and "other" in [getattr(each, "id", each) for each in arguments]:
                await complete_paused(source, "late")
                ran.append("late")
            return outcome

        setattr(target, moment, overtaken)
        [moved] = await quiet(source, target).run(["emails"])
        assert ran == ["late"]
        assert (moved.found, moved.moved, moved.gone) == (2, 1, 1)
        assert set(await target.get_tasks(["late", "other"])) == {"other"}
        kept = await source.get_tasks(["late", "other"])
        assert {id: record.result for id, record in kept.items()} == ({"late": b"result"} if keep_for else {})


async def test_what_is_delivered_just_before_the_delete_leaves_the_target() -> None:
    """Delivered, completed and forgotten after the last look at it: the refused delete shows that it has run."""
    async with stores("memory://", "memory://") as (source, target):
        await source.enqueue_many([new_task("late", priority=9), new_task("other")])
        delete = source._delete_many

        async def overtaken(ids: Any) -> Any:
            if "other" in ids:
                await complete_paused(source, "late")
            return await delete(ids)

        source._delete_many = overtaken
        [moved] = await quiet(source, target).run(["emails"])
        assert (moved.moved, moved.gone) == (1, 1)
        assert set(await target.get_tasks(["late", "other"])) == {"other"}


async def complete_paused(driver: Driver, id: str) -> None:
    """Run the first task of a paused queue, as a reserve does that was under way when it was paused."""
    assert driver.pausing is not None
    await driver.pausing.resume(["emails"])
    [delivery] = await driver.reserve(["emails"], limit=1, lease=30, worker="w")
    await driver.pausing.pause(["emails"])
    assert delivery.id == id
    await driver.settle_many([Complete(receipt=delivery.receipt, result=b"result")])


async def test_a_held_key_keeps_its_task_in_the_source() -> None:
    """A task whose unique key another one holds in the target stays where it is, and is named."""
    async with stores("memory://", "memory://") as (source, target):
        await source.enqueue_many([new_task("mine", dedupe_key="key"), new_task("other")])
        await target.enqueue_many([new_task("theirs", dedupe_key="key")])
        [moved] = await quiet(source, target).run(["emails"])
        assert (moved.moved, moved.kept) == (1, ("mine",))
        assert await waiting_ids(source) == {"mine"}


async def test_dead_letters_arrive_ready() -> None:
    """With the dead taken along, a dead letter waits in the target with no attempts."""
    async with stores("memory://", "memory://") as (source, target):
        await source.enqueue_many([new_task("dead")])
        [delivery] = await source.reserve(["emails"], limit=1, lease=30, worker="w")
        await source.settle_many([Bury(receipt=delivery.receipt, failure=Failure(type="E", message="m"))])
        await quiet(source, target).run(["emails"])
        assert not await waiting_ids(target)
        await quiet(source, target, with_dead=True).run(["emails"])
        record = (await target.get_tasks(["dead"]))["dead"]
        assert (record.state, record.attempts) == (TaskState.READY, 0)
        assert not await source.get_tasks(["dead"])


async def test_one_store_is_refused(sqlite_url: str) -> None:
    """A store is not moved into itself, however its URLs are spelt, and is left as it was."""
    async with (
        DriverFactory.create(sqlite_url) as source,
        DriverFactory.create(f"{sqlite_url}?synchronous=full") as same,
    ):
        await fill(source)
        before = await waiting_ids(source)
        with pytest.raises(ConfigurationError, match="same store"):
            await quiet(source, same).run(None)
        assert await waiting_ids(source) == before
        assert (await source.list_tasks(queue="asynctasq-move", limit=10)).tasks == ()


async def test_the_probe_of_another_move_is_no_interrupted_queue() -> None:
    """The entry with which a move looks whether its stores are two is never taken for a queue to move or to resume."""
    async with stores("memory://", "memory://") as (source, target):
        await fill(source)
        list_tasks = source._list_tasks

        async def with_the_probe(**filters: Any) -> Any:
            if filters["queue"] == JOURNAL_QUEUE:
                await Journal(source, target).note_paused([JOURNAL_QUEUE])
            return await list_tasks(**filters)

        source._list_tasks = with_the_probe
        moved = await quiet(source, target).run(None)
        assert [each.queue for each in moved] == QUEUES
        assert await paused(source) == frozenset(QUEUES)
        assert not await paused(target)


async def test_nothing_is_written_before_the_turn() -> None:
    """A move that waits for another one leaves no trace among the other's notes."""
    said: list[str] = []
    async with stores("memory://", "memory://") as (source, target):
        await fill(source)
        looked: list[Any] = []
        get_tasks = target._get_tasks

        async def counted(ids: Any) -> Any:
            looked.append(ids)
            return await get_tasks(ids)

        target._get_tasks = counted
        async with anyio.create_task_group() as group, turn_in(source, said.append):
            group.start_soon(Move(source, target, say=said.append, progress=lambda *_: None).run, None)
            await until(lambda: bool(said))
            assert not looked
            assert (await source.list_tasks(queue=JOURNAL_QUEUE, limit=10)).tasks == ()
        assert looked
        assert not await paused(target)


async def test_a_turn_is_kept_when_a_heartbeat_is_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadlock in the source under the turn's heartbeat ends no move: the next one keeps the turn."""
    monkeypatch.setattr(turn, "LEASE", 0.6)
    async with stores("memory://") as (source,):
        extend = source._extend_many
        calls: list[float] = []

        async def aborted_once(receipts: Any, *, lease: float) -> Any:
            calls.append(lease)
            if len(calls) == 1:
                raise TransactionAborted("deadlock")
            return await extend(receipts, lease=lease)

        source._extend_many = aborted_once
        async with turn_in(source, lambda _: None):
            await until(lambda: len(calls) == 3)
        assert (await source.list_tasks(queue=turn.TURN_QUEUE, limit=10)).tasks == ()


async def test_a_driver_that_cannot_pause_is_refused() -> None:
    """Without pausing, tasks could run while they move: an error names the driver."""
    async with stores("memory://", "memory://") as (source, target):
        source.pausing = None
        with pytest.raises(ConfigurationError, match="can't pause"):
            quiet(source, target)


def test_the_command_moves_between_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`asynctasq move` says how many tasks of each queue moved."""
    urls = [f"sqlite:///{tmp_path / name}" for name in ("from.db", "to.db")]

    async def enqueue() -> None:
        async with DriverFactory.create(urls[0]) as source:
            await fill(source)

    anyio.run(enqueue)
    assert run_command_line(["move", "--from", urls[0], "--to", urls[1]]) == 0
    assert capsys.readouterr().out.splitlines() == ["emails: 34 of 34 tasks moved", "reports: 1 of 1 tasks moved"]
