"""The worker's promises P1 to P12, one by one, kept by real worker processes on one SQLite file.

Seconds that are asserted are the contract's own, with `SLACK` for a busy machine; everything else is waited for.
"""

import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from asynctasq import dispatch_many
from asynctasq.driver_api import NewTask, TaskState
from tests.acceptance import promise_process_tasks as processes
from tests.acceptance import promise_tasks as tasks
from tests.torture.stage import PATIENCE, SLACK, Stage, open_stage
from tests.torture.worker_fleet import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LEASE = 1.0


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A store and its workers."""
    async with open_stage("tests.acceptance.promise_tasks", tmp_path) as opened:
        yield opened


async def test_p1_acknowledged_tasks_survive_a_killed_worker(stage: Stage) -> None:
    """P1: SIGKILL in the middle of work loses nothing, and what was running begins again within the lease + 1 s."""
    worker = await stage.start_ready_worker("--concurrency", "5")
    ids = await dispatch_many([tasks.long_at_first(seconds=600) for _ in range(5)])
    ids += await dispatch_many([tasks.sleep(seconds=0) for _ in range(200)])
    for task in ids[:5]:
        await stage.wait_for_start(task)
    other = await stage.start_ready_worker("--concurrency", "50")
    worker.send(signal.SIGKILL)
    killed_at = time.monotonic()
    records = await stage.wait_for_end(*ids)
    assert {record.state for record in records} == {TaskState.COMPLETED}
    for task in ids[:5]:
        first, second = stage.starts(task)
        assert (first.attempt, second.attempt) == (1, 2)
        assert second.at - killed_at < LEASE + 1.0 + SLACK
    assert other.is_alive


async def test_p2_never_both_completed_and_dead(stage: Stage) -> None:
    """P2: a zombie that completes a task which was buried meanwhile changes nothing: it is dead, and only dead."""
    zombie = await stage.start_ready_worker()
    task = await tasks.sleep_in_thread(seconds=0.5).max_attempts(1).dispatch()
    await stage.wait_for_start(task)
    zombie.send(signal.SIGSTOP)
    stage.start_worker()
    (record,) = await stage.wait_for_end(task)
    zombie.send(signal.SIGCONT)
    await eventually(lambda: bool(stage.ends(task, of=zombie)), within=PATIENCE, what=stage.what_happened)
    zombie.send(signal.SIGTERM)
    assert await zombie.wait_until_ended(within=PATIENCE) == 0
    assert (record.state, record.reason) == (TaskState.DEAD, "attempts_exhausted")
    assert await stage.record(task) == record
    stats = await stage.stats()
    assert (stats.total_completed, stats.total_dead) == (0, 1)


@pytest.mark.parametrize("kind", [tasks.sleep, tasks.sleep_in_thread, tasks.block], ids=["async", "thread", "blocking"])
async def test_p3_no_second_delivery_while_the_lease_is_live(stage: Stage, kind: tasks.AnyTask) -> None:
    """P3: a task that runs for three leases runs once, though idle workers wait for it; also one that blocks the event
    loop, of which the log then shows the stack."""
    lease = 2.0  # so that a machine that stands still for a second costs none
    workers = [await stage.start_ready_worker(lease=lease), stage.start_worker(lease=lease)]
    task = await kind(seconds=3 * lease).dispatch()
    (record,) = await stage.wait_for_end(task)
    assert (record.state, record.attempts) == (TaskState.COMPLETED, 1)
    assert len(stage.starts(task)) == 1
    output = "".join(worker.output() for worker in workers)
    assert "LeaseLost" not in output
    if kind is tasks.block:
        assert "the event loop has been blocked" in output
        assert "time.sleep(seconds)" in output


async def test_p4_a_zombie_learns_that_it_lost_its_lease(stage: Stage) -> None:
    """P4: a worker that was stopped for longer than its lease finds its task cancelled within 1 s of going on; whatever
    it still sends is STALE, and the other worker's run stands."""
    zombie = await stage.start_ready_worker()
    task = await tasks.long_at_first(seconds=600).dispatch()
    await stage.wait_for_start(task)
    zombie.send(signal.SIGSTOP)
    stage.start_worker()
    (record,) = await stage.wait_for_end(task)
    zombie.send(signal.SIGCONT)
    continued_at = time.monotonic()
    await eventually(lambda: bool(stage.ends(task, of=zombie)), within=PATIENCE, what=stage.what_happened)
    (end,) = stage.ends(task, of=zombie)
    assert end.how == "CancelledError"
    assert end.at - continued_at < 1.0 + SLACK
    assert "LeaseLost" in zombie.output()
    again = await tasks.sleep(seconds=0).dispatch()
    await stage.wait_for_end(again)
    assert await stage.record(task) == record
    assert (record.state, record.attempts) == (TaskState.COMPLETED, 2)
    assert (await stage.stats()).total_completed == 2


async def test_p4_a_stale_completion_changes_nothing(stage: Stage) -> None:
    """P4: a thread can't be cancelled, so a zombie's thread ends its work; its Complete is STALE, and does not end the
    run of the worker that has the task now."""
    zombie = await stage.start_ready_worker()
    task = await tasks.sleep_in_thread(seconds=4 * LEASE).dispatch()
    await stage.wait_for_start(task)
    zombie.send(signal.SIGSTOP)
    other = await stage.start_ready_worker()
    await stage.wait_for_start(task, 2)
    zombie.send(signal.SIGCONT)
    await eventually(lambda: bool(stage.ends(task, of=zombie)), within=PATIENCE, what=stage.what_happened)
    (record,) = await stage.wait_for_end(task)
    second = stage.starts(task)[1]
    assert (record.worker, record.attempts) == (second.worker, 2)
    assert [start.worker for start in stage.starts(task, of=other)] == [second.worker]
    assert (await stage.stats()).total_completed == 1


async def test_p5_poison_is_dead_after_exactly_max_attempts(stage: Stage) -> None:
    """P5: a body that takes its worker with it begins `max_attempts` times and is then buried without running, with
    `failed()` called once; a neighbour loses one attempt per crash."""
    task = await tasks.LeaveProcess().dispatch()
    neighbour = await tasks.sleep(seconds=600).max_attempts(100).dispatch()

    async def restarted() -> bool:
        if not stage.processes.started or not stage.processes.started[-1].is_alive:
            stage.start_worker()
        return (await stage.record(task)).state is TaskState.DEAD

    await eventually(restarted, within=PATIENCE, what=stage.what_happened)
    record = await stage.record(task)
    assert len(stage.starts(task)) == 3
    assert (record.reason, record.attempts) == ("attempts_exhausted", 4)
    assert [failure.type for failure in record.failures] == ["asynctasq.errors.AttemptsExhausted"]
    await eventually(lambda: bool(stage.ends(task)), within=PATIENCE, what=stage.what_happened)
    assert [end.how for end in stage.ends(task)] == ["AttemptsExhausted"]
    assert len(stage.processes.started) == 4
    assert (await stage.record(neighbour)).attempts <= 4
    await stage.wait_for_start(neighbour)
    assert stage.processes.started[-1].is_alive


async def test_p6_order(stage: Stage) -> None:
    """P6: one consumer begins tasks by priority, and equal ones in the order of enqueueing."""
    calls = [tasks.sleep(seconds=0).priority(number % 3).task_id(f"t{number}") for number in range(60)]
    for first in range(0, 60, 20):
        await dispatch_many(calls[first : first + 20])
    await stage.start_ready_worker("--concurrency", "1")
    await stage.wait_for_end(*[f"t{number}" for number in range(60)])
    expected = sorted(range(60), key=lambda number: (-(number % 3), number))
    assert [start.task for start in stage.starts()] == [f"t{number}" for number in expected]


async def test_p7_never_before_due(stage: Stage) -> None:
    """P7: delayed tasks and retries never begin before they are due."""
    await stage.start_ready_worker("--poll-interval", "0.05")
    asked_at = time.monotonic()
    delays = [number / 10 for number in range(20)]
    ids = await dispatch_many([tasks.sleep(seconds=0).delay(delay) for delay in delays])
    retried = await tasks.fail_once().dispatch()
    await stage.wait_for_end(*ids, retried)
    for task, delay in zip(ids, delays, strict=True):
        (start,) = stage.starts(task)
        assert start.at >= asked_at + delay - 0.01
    first, second = stage.starts(retried)
    assert second.at >= first.at + 0.9


async def test_p8_lost_wake_ups_cost_only_the_poll_interval(stage: Stage) -> None:
    """P8: with every wake-up lost, an idle worker begins a due task within its poll interval + 1 s."""
    deaf = f"{stage.url}?watch_files=false&poll_interval=60"
    await stage.start_ready_worker("--poll-interval", "1", url=deaf)
    for _ in range(3):
        sent_at = time.monotonic()
        task = await tasks.sleep(seconds=0).dispatch()
        await stage.wait_for_end(task)
        assert stage.starts(task)[0].at - sent_at < 1.0 + 1.0 + SLACK


async def test_p8_wake_ups_begin_tasks_at_once(stage: Stage) -> None:
    """P8: with wake-ups an idle worker does not wait for its next poll, also for a task of another process."""
    await stage.start_ready_worker("--poll-interval", "300")
    for _ in range(5):
        sent_at = time.monotonic()
        task = await tasks.sleep(seconds=0).dispatch()
        await stage.wait_for_end(task)
        assert stage.starts(task)[0].at - sent_at < SLACK


async def test_p9_the_same_id_runs_once(stage: Stage) -> None:
    """P9: an id that was enqueued again and again, before, while and after it ran, runs once."""
    call = tasks.sleep(seconds=0.3).task_id("once")
    outcomes: list[bool] = []

    async def dispatch() -> None:
        outcomes.append((await call.dispatch()).accepted)

    async with anyio.create_task_group() as clients:
        for _ in range(20):
            clients.start_soon(dispatch)
    await stage.start_ready_worker()
    await stage.wait_for_start("once")
    await dispatch()
    await stage.wait_for_end("once")
    await dispatch()
    assert outcomes.count(True) == 1
    await stage.wait_for_end(await tasks.sleep(seconds=0).dispatch())
    assert len(stage.starts("once")) == 1


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
async def test_p10_memory_and_files_are_bounded(stage: Stage) -> None:
    """P10: neither a backlog of thousands of tasks nor having run them costs memory or open files."""
    worker = await stage.start_ready_worker("--concurrency", "20")

    async def run_many(count: int) -> tuple[int, float]:
        already = (await stage.stats()).total_completed
        calls = [tasks.touch(text="x" * 1000) for _ in range(count)]
        for first in range(0, count, 1000):
            await dispatch_many(calls[first : first + 1000])

        async def all_done() -> bool:
            return (await stage.stats()).total_completed == already + count

        await eventually(all_done, within=2 * PATIENCE, what=stage.what_happened)
        return worker.open_files, worker.resident_mebibytes

    files, memory = await run_many(2000)
    for _ in range(3):
        files_now, memory_now = await run_many(4000)
    assert files_now <= files + 5
    assert memory_now < memory + 30


async def test_p11_the_worker_outlives_its_tasks(stage: Stage) -> None:
    """P11: no body ends the worker, whatever it raises; no other body is hurt."""
    worker = await stage.start_ready_worker()
    poisons = [tasks.say_exit, tasks.say_exit_in_thread, tasks.ruin, tasks.interrupt, tasks.cancel_itself]
    calm = await tasks.sleep(seconds=2).dispatch()
    await stage.wait_for_start(calm)
    ids = [await poison().dispatch() for poison in poisons]
    for record in await stage.wait_for_end(*ids):
        assert (record.state, record.reason, record.attempts) == (TaskState.DEAD, "failed", 2)
        assert len(stage.starts(record.id)) == 2
    (record,) = await stage.wait_for_end(calm)
    assert (record.state, record.attempts) == (TaskState.COMPLETED, 1)
    assert worker.is_alive


async def test_p11_the_worker_outlives_payloads(stage: Stage) -> None:
    """P11: rows that are no payloads are buried after one delivery, and hold nothing up."""
    worker = await stage.start_ready_worker()
    payloads = [
        b"",
        b"\x00",
        b"\x01",
        b"\x01\x00\xff\xff\x00",
        b"\x80\x04\x95",
        b"{}",
        bytes(1000),
        b"\x01\x00\x00\x00\x00\xc1",
    ]
    rows = [
        NewTask(id=f"bad-{number}", queue="default", name=tasks.sleep.name, payload=payload)
        for number, payload in enumerate(payloads)
    ]
    await stage.driver.enqueue_many(rows)
    good = await tasks.sleep(seconds=0).dispatch()
    for record in await stage.wait_for_end(*[row.id for row in rows]):
        assert (record.state, record.reason, record.attempts) == (TaskState.DEAD, "undecodable", 1)
    await stage.wait_for_end(good)
    assert worker.is_alive


async def test_p11_the_worker_outlives_the_broker(stage: Stage) -> None:
    """P11: a store that does not answer for longer than every time-out is waited for; then work goes on."""
    impatient = f"{stage.url}?busy_timeout=0.3&command_timeout=0.5"
    worker = await stage.start_ready_worker(url=impatient)
    running = await tasks.sleep(seconds=0.5).dispatch()
    await stage.wait_for_start(running)
    with closing(sqlite3.connect(stage.folder / "store.db", isolation_level=None)) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        await worker.wait_for_output("trying again", within=PATIENCE)
        await worker.wait_for_output("unanswered and will be sent again", within=PATIENCE)
        blocker.execute("ROLLBACK")
    later = await tasks.sleep(seconds=0).dispatch()
    for record in await stage.wait_for_end(running, later):
        assert record.state is TaskState.COMPLETED
    assert worker.is_alive


@pytest.mark.parametrize(
    "kind", [tasks.sleep, tasks.sleep_in_thread, tasks.stubborn], ids=["async", "thread", "stubborn"]
)
async def test_p12_grace(stage: Stage, kind: tasks.AnyTask) -> None:
    """P12: after SIGTERM the worker exits within its grace + 2 s; what did not end is ready again at once, and its
    attempt does not count, whatever kind of body it is."""
    worker = await stage.start_ready_worker("--grace", "2")
    short, long = await dispatch_many([kind(seconds=0.8), kind(seconds=600)])
    await stage.wait_for_start(short)
    await stage.wait_for_start(long)
    worker.send(signal.SIGTERM)
    assert await worker.wait_until_ended(within=2.0 + 2.0 + SLACK) in (0, 1)
    assert (await stage.record(short)).state is TaskState.COMPLETED
    record = await stage.record(long)
    assert (record.state, record.attempts) == (TaskState.READY, 0)


async def test_p12_grace_of_a_child_process(stage: Stage) -> None:
    """P12: a process task that does not end within the grace is killed and released, and no child is left."""
    worker = await stage.start_ready_worker("--app", processes.__name__, "--process-pool-size", "2", "--grace", "2")
    short, long = await dispatch_many(
        [processes.sleep_in_process(seconds=0.5), processes.sleep_in_process(seconds=600)]
    )
    await stage.wait_for_start(short)
    await stage.wait_for_start(long)
    worker.send(signal.SIGTERM)
    assert await worker.wait_until_ended(within=2.0 + 2.0 + SLACK) == 0
    assert (await stage.record(short)).state is TaskState.COMPLETED
    record = await stage.record(long)
    assert (record.state, record.attempts) == (TaskState.READY, 0)
    await eventually(lambda: not worker.has_children, within=SLACK, what="the end of all children")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_p12_a_second_signal_cancels_and_releases(stage: Stage, number: signal.Signals) -> None:
    """P12: the second SIGTERM or SIGINT cancels and releases within 2 s, and another worker goes on at once."""
    worker = await stage.start_ready_worker("--grace", "300", lease=60.0)
    task = await tasks.long_at_first(seconds=600).dispatch()
    await stage.wait_for_start(task)
    worker.send(number)
    await worker.wait_for_output(f"{number.name}: finishing", within=PATIENCE)
    worker.send(number)
    assert await worker.wait_until_ended(within=2.0 + SLACK) == 128 + number
    assert [end.how for end in stage.ends(task)] == ["CancelledError"]
    record = await stage.record(task)
    assert (record.state, record.attempts) == (TaskState.READY, 0)
    await stage.start_ready_worker()
    await stage.wait_for_start(task, 2)
    assert [start.attempt for start in stage.starts(task)] == [1, 1]


@pytest.mark.parametrize(
    ("kind", "number"), [(tasks.stubborn, signal.SIGTERM), (tasks.block, signal.SIGINT)], ids=["stubborn", "blocking"]
)
async def test_p12_a_third_signal_ends_it_now(stage: Stage, kind: tasks.AnyTask, number: signal.Signals) -> None:
    """P12: the third signal ends the process at once, even while a body blocks its event loop or refuses to end."""
    worker = await stage.start_ready_worker("--grace", "300")
    task = await kind(seconds=600).dispatch()
    await stage.wait_for_start(task)
    for _ in range(3):
        worker.send(number)
        await anyio.sleep(0.2)  # signals of one kind that wait to be handled are one
    assert await worker.wait_until_ended(within=SLACK) == 128 + number


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_p12_impatient_signals(stage: Stage, number: signal.Signals) -> None:
    """P12: signals that come while the worker is ending already end it, without a traceback."""
    worker = await stage.start_ready_worker(lease=60.0)
    task = await tasks.sleep(seconds=600).dispatch()
    await stage.wait_for_start(task)
    worker.send(number)
    await worker.wait_for_output(f"{number.name}: finishing", within=PATIENCE)
    worker.send(number)
    await worker.wait_for_output("cancelling and releasing", within=PATIENCE)
    await eventually(lambda: bool(stage.ends(task)), within=PATIENCE, what=stage.what_happened)
    while worker.is_alive:
        worker.send(number)
        await anyio.lowlevel.checkpoint()
    assert worker.popen.returncode == 128 + number, worker.output()
    assert "Traceback" not in worker.output()


async def test_p12_buffered_tasks_are_released_at_once(stage: Stage) -> None:
    """P12: what a worker took ahead and has not begun is ready for others as soon as it is asked to end."""
    worker = await stage.start_ready_worker("--concurrency", "1", "--grace", "4", lease=60.0)
    ids = await dispatch_many([tasks.sleep(seconds=0) for _ in range(500)])
    long = await tasks.sleep(seconds=600).dispatch()
    ids += await dispatch_many([tasks.sleep(seconds=0) for _ in range(50)])
    await stage.wait_for_start(long)
    worker.send(signal.SIGTERM)
    other = await stage.start_ready_worker()
    rest = await stage.wait_for_end(*ids[-50:])
    assert {record.attempts for record in rest} == {1}
    assert await worker.wait_until_ended(within=4.0 + 2.0 + SLACK) == 0
    await stage.wait_for_start(long, 2)
    assert [start.attempt for start in stage.starts(long, of=other)] == [1]
