"""What applications test with: the sandbox, draining, single attempts, assertions, the pytest fixtures."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from asynctasq import (
    AsyncTask,
    RetryLater,
    TaskConfig,
    TaskState,
    current_task,
    dispatch_many,
    get_dispatcher,
    init,
    task,
)
from asynctasq.config import Config, set_current
from asynctasq.contract.events import EventType
from asynctasq.errors import SerializationError
from asynctasq.testing import Sandbox, assert_dispatched, drain, run_task, sandbox

pytestmark = pytest.mark.anyio

pytest_plugins = ["pytester"]


@task(name="testing.greet")
async def greet(name: str, times: int = 1) -> str:
    return name * times


@task(name="testing.greet_all")
async def greet_all(names: list[str]) -> int:
    for name in names:
        await greet(name).dispatch()
    return len(names)


@task(name="testing.flaky", retry_delay=60, retry_strategy="fixed")
async def flaky() -> int:
    if current_task().attempt < 3:
        raise ValueError("not yet")
    return current_task().attempt


class Welcome(AsyncTask[str]):
    config: TaskConfig = {"name": "testing.Welcome", "queue": "mail"}
    user: int

    async def execute(self) -> str:
        return f"{self.user} {self._current_attempt}"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return request.param


async def test_draining_runs_what_is_due_and_what_that_dispatches(asynctasq_sandbox: Sandbox) -> None:
    """drain() runs due tasks of every queue until nothing is due, and tells how each attempt ended."""
    handle = await greet_all(["a", "b"]).on_queue("other").dispatch()
    await greet("later").delay(60).dispatch()
    outcomes = await asynctasq_sandbox.drain()
    assert sorted(outcome.name for outcome in outcomes) == ["testing.greet", "testing.greet", "testing.greet_all"]
    assert all(outcome.completed for outcome in outcomes)
    assert await handle.result(timeout=1) == 2


async def test_time_is_moved_not_slept(asynctasq_sandbox: Sandbox) -> None:
    """Delays and retries come due when the test moves the clock, or by themselves `with_later`."""
    handle = await flaky().dispatch()
    (first,) = await asynctasq_sandbox.drain()
    assert (first.event, first.error) == (EventType.TASK_REENQUEUED, "ValueError: not yet")
    assert await asynctasq_sandbox.drain() == []
    asynctasq_sandbox.clock.advance(60)
    assert [outcome.attempt for outcome in await asynctasq_sandbox.drain()] == [2]
    assert [outcome.attempt for outcome in await asynctasq_sandbox.drain(with_later=True)] == [3]
    assert await handle.result(timeout=1) == 3


async def test_an_endless_task_is_noticed(asynctasq_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that asks for later for ever fails the test, rather than keeping it busy for ever."""

    @task
    async def never() -> None:
        raise RetryLater(10)

    monkeypatch.setattr("asynctasq.testing.sandboxes._MOST_ROUNDS", 3)
    await never().dispatch()
    with pytest.raises(AssertionError, match="still ask for later"):
        await asynctasq_sandbox.drain(with_later=True)


async def test_assertions_on_what_was_dispatched(asynctasq_sandbox: Sandbox) -> None:
    """By function, class or name, by some of the arguments, queue, delay and number."""
    await greet("a", times=2).delay(timedelta(minutes=1)).dispatch()
    await dispatch_many([Welcome(user=1), Welcome(user=2).on_queue("other")])
    await get_dispatcher().dispatch(greet("c"))
    await greet("d").at(datetime.fromtimestamp(asynctasq_sandbox.clock() + 5, UTC)).task_id("d").dispatch()
    await greet("d").task_id("d").dispatch()
    (found,) = asynctasq_sandbox.assert_dispatched(greet, args={"name": "a"}, queue="default", scheduled_in=60, count=1)
    assert (found.args, await found.handle.status()) == ({"name": "a", "times": 2}, TaskState.SCHEDULED)
    assert_dispatched(Welcome, count=2)
    assert_dispatched("testing.Welcome", args={"user": 2}, queue="other", scheduled_in=0)
    assert_dispatched(greet, args={"name": "d"}, scheduled_in=timedelta(seconds=5), count=1)
    assert_dispatched(flaky, count=0)


async def test_a_failed_assertion_shows_the_nearest(asynctasq_sandbox: Sandbox) -> None:
    """The message is a diff against what was dispatched, the nearest first."""
    with pytest.raises(AssertionError, match="nothing was dispatched"):
        assert_dispatched(greet)
    await Welcome(user=7).dispatch()
    await greet("a").dispatch()
    with pytest.raises(AssertionError) as caught:
        assert_dispatched(greet, args={"name": "b"})
    message = str(caught.value)
    assert "testing.greet should have been dispatched at least once, and was 0 times; 2 dispatched" in message
    assert message.index("-   name = 'b'") < message.index("+   name = 'a'") < message.index("testing.Welcome")
    with pytest.raises(TypeError, match="is no task"):
        assert_dispatched(3)  # type: ignore[arg-type]


async def test_single_attempts() -> None:
    """run_task() runs one attempt of any kind, any number, with what travels as in a worker."""
    with sandbox():
        assert await run_task(greet("a", times=3)) == "aaa"
        assert await run_task(Welcome(user=4), attempt=3) == "4 3"
        with pytest.raises(ValueError, match="not yet"):
            await run_task(flaky(), attempt=2)
        assert await run_task(flaky(), attempt=3) == 3

        @task
        def in_thread(values: set[int]) -> tuple[set[int], str]:
            return values, current_task().queue

        assert await run_task(in_thread({1, 2}), queue="q") == ({1, 2}, "q")
        with pytest.raises(SerializationError):
            await run_task(greet(object()))  # type: ignore[arg-type]


async def test_inline(asynctasq_inline: Sandbox) -> None:
    """Inline, a task has run when dispatch() returns: with its children and its retries, by a moved clock."""
    started = asynctasq_inline.clock()
    assert await (await greet_all(["a", "b"]).dispatch()).result(timeout=0) == 2
    assert_dispatched(greet, count=2)
    assert await (await flaky().dispatch()).result(timeout=0) == 3
    assert asynctasq_inline.clock() - started == pytest.approx(120, abs=1)
    waiting = await greet("x").delay(10).dispatch()
    assert await waiting.status() is TaskState.SCHEDULED


def test_inline_from_synchronous_code() -> None:
    """The same with dispatch_sync()."""
    with sandbox(inline=True):
        handle = greet("a").dispatch_sync()

        async def result() -> str:
            return await handle.result(timeout=0)

        assert anyio.run(result) == "a"


def test_nothing_is_left_behind() -> None:
    """After a sandbox nothing of it holds, and outside of one there is nothing to assert on."""
    with sandbox(task_defaults={"queue": "inside"}):
        assert Config.get().task_defaults.queue == "inside"
    assert Config.get().task_defaults.queue == "default"
    with pytest.raises(AssertionError, match="no sandbox is open"):
        assert_dispatched(greet)
    set_current(None)


def test_draining_on_any_driver(tmp_path: Path) -> None:
    """drain() runs the tasks of whatever driver is configured."""
    init(url=f"sqlite:///{tmp_path}/x.db")

    async def main() -> str:
        handle = await greet("file").dispatch()
        assert [outcome.completed for outcome in await drain("default")] == [True]
        return await handle.result(timeout=1)

    assert anyio.run(main) == "file"
    set_current(None)


def test_a_test_that_leaves_tasks_running_fails(pytester: pytest.Pytester) -> None:
    """The fixture fails a test at whose end a task of its store is still leased."""
    pytester.makepyfile(
        """
        import anyio

        def test_leaks(asynctasq_sandbox):
            async def leak():
                from asynctasq import task

                @task(name="leaks.forgotten")
                async def forgotten(): ...

                await forgotten().dispatch()
                async with asynctasq_sandbox._driver() as driver:
                    await driver.reserve(["default"], limit=1, lease=30, worker="w")

            anyio.run(leak)
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*1 of its tasks were running: leaks.forgotten*"])
