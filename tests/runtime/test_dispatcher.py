"""Dispatching into a connected driver: what is stored, what a handle tells, coalescing, resending."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from asynctasq import AsyncTask, TaskConfig, task
from asynctasq.configuration.groups import TaskDefaultsConfig
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import Delivery, Failure, NewTask, TaskRecord, TaskState
from asynctasq.contract.events import Event, EventType, TaskEvent
from asynctasq.contract.settlements import Bury, Cancel, CancelOutcome, Complete, EnqueueOutcome
from asynctasq.errors import (
    ConfigurationError,
    DefinitionError,
    DriverUnavailable,
    InvalidArgument,
    PayloadTooLarge,
    QueueFull,
    ResultNotKept,
    ResultNotReady,
    SerializationError,
    TaskCancelled,
    TaskFailed,
    UnknownTask,
)
from asynctasq.memory.driver import MemoryDriver
from asynctasq.runtime.dispatcher import Dispatcher
from asynctasq.runtime.frame import decode_frame
from asynctasq.serializers.json_serializer import JsonSerializer
from asynctasq.tasks.current_task import CurrentTask, enter_task
from asynctasq.tasks.invocation import Invocation, call_of
from asynctasq.tasks.task_handle import TaskHandle
from asynctasq.tasks.task_ids import new_task_id

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return request.param


class WatchedDriver(MemoryDriver):
    """A memory driver that counts its batches, and fails or waits as it is told."""

    def __init__(self) -> None:
        super().__init__(new_task_id())
        self.batches: list[Sequence[NewTask]] = []
        self.errors: list[Exception] = []
        self.apply_then_fail = 0
        self.gate: anyio.Event | None = None

    async def _enqueue_many(self, tasks: Sequence[NewTask]) -> list[EnqueueOutcome]:
        self.batches.append(list(tasks))
        if self.gate is not None:
            await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        outcomes = await super()._enqueue_many(tasks)
        if self.apply_then_fail:
            self.apply_then_fail -= 1
            raise DriverUnavailable("no answer")
        return outcomes


@pytest.fixture
async def driver() -> AsyncIterator[WatchedDriver]:
    async with WatchedDriver() as driver:
        yield driver


@pytest.fixture
def dispatcher(driver: WatchedDriver) -> Dispatcher:
    return Dispatcher(driver, resend_for=0.5)


@task
async def email(to: str, copies: int = 1) -> int:
    return copies


@task(queue="low", max_attempts=1, retry_delay=0, retry_strategy="fixed", timeout=5, visibility_timeout=50, priority=1)
def tuned(i: int) -> None: ...


class Payment(AsyncTask[bool]):
    config: TaskConfig = {"queue": "payments", "correlation_id": "house"}
    user_id: int

    async def execute(self) -> bool:
        return True


async def dispatch(dispatcher: Dispatcher, invocation: Invocation[Any]) -> TaskHandle[Any]:
    return await dispatcher.dispatch_call(call_of(invocation))


async def stored(driver: Driver, task_id: str) -> TaskRecord:
    return (await driver.get_tasks([task_id]))[task_id]


async def reserved(driver: Driver, queue: str = "default") -> Delivery:
    return (await driver.reserve([queue], limit=1, lease=30, worker="w"))[0]


# -- what is stored


async def test_options_stand_in_the_frame_and_the_envelope(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """Precedence: chain > decorator or class > configuration > built-in; and record() reads all of it out flat."""
    by_default = await (await dispatch(dispatcher, email("a"))).record()
    assert (by_default.queue, by_default.max_attempts, by_default.retry_delay) == ("default", 3, 60)
    assert (by_default.timeout, by_default.visibility_timeout, by_default.keep_for) == (None, 3600, 300)
    declared = await (await dispatch(dispatcher, tuned(1))).record()
    assert (declared.queue, declared.max_attempts, declared.retry_delay, declared.retry_strategy) == (
        "low",
        1,
        0,
        "fixed",
    )
    assert (declared.timeout, declared.visibility_timeout, declared.priority, declared.keep_for) == (5, 50, 1, 0)
    chained = tuned(1).on_queue("high").max_attempts(9).retry_after(7).timeout(8).visibility_timeout(80).priority(9)
    details = await (await dispatch(dispatcher, chained.correlation_id("c").expires_after(60))).record()
    assert (details.queue, details.max_attempts, details.retry_delay, details.timeout) == ("high", 9, 7, 8)
    assert (details.visibility_timeout, details.priority, details.correlation_id) == (80, 9, "c")
    assert (details.expires_after, details.retry_strategy, details.content_type) == (60, "fixed", "msgpack")
    configured = Dispatcher(driver, task_defaults=TaskDefaultsConfig(queue="other", max_attempts=7, retry_delay=1))
    details = await (await dispatch(configured, email("a"))).record()
    assert (details.queue, details.max_attempts, details.retry_delay) == ("other", 7, 1)
    details = await (await dispatch(configured, tuned(1))).record()
    assert (details.queue, details.max_attempts, details.retry_delay) == ("low", 1, 0)


async def test_the_name_the_arguments_and_the_class_options_travel(
    driver: WatchedDriver, dispatcher: Dispatcher
) -> None:
    """A class goes out under its name with what its caller passed."""
    record = await stored(driver, await dispatch(dispatcher, Payment(user_id=3)))
    assert (record.name, record.queue, record.correlation_id) == (f"{__name__}:Payment", "payments", "house")
    assert decode_frame(record.payload).body == b"\x81\xa7user_id\x03"


async def test_delay_and_at(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """A task with a delay or a moment is scheduled for then."""
    now = await driver.now()
    later = await (await dispatch(dispatcher, email("a").delay(timedelta(minutes=1)))).record()
    assert later.state is TaskState.SCHEDULED
    assert 59 < (later.available_at - now).total_seconds() < 62
    moment = now + timedelta(hours=2)
    exactly = await (await dispatch(dispatcher, email("a").at(moment))).record()
    assert abs(exactly.available_at - moment) < timedelta(seconds=1)
    past = await dispatch(dispatcher, email("a").at(datetime(2020, 1, 1, tzinfo=UTC)))
    assert await past.status() is TaskState.READY


async def test_the_older_call_shape(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """`Dispatcher(driver).dispatch(task, queue=, delay=)` as existing applications call it."""
    handle = await dispatcher.dispatch(email("a"), queue="special", delay=30)
    assert ((await handle.record()).queue, await handle.status()) == ("special", TaskState.SCHEDULED)
    assert await (await dispatcher.dispatch(Payment(user_id=1))).status() is TaskState.READY


async def test_a_child_task_inherits_the_correlation_id(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """What a running task dispatches belongs to the same whole, unless it says otherwise."""

    async def running() -> None:
        enter_task(
            CurrentTask(
                id="i", name="n", queue="q", attempt=1, max_attempts=1, worker_id="w", correlation_id="whole",
                enqueued_at=datetime.now(UTC),
            )
        )  # fmt: skip
        handles = [
            await dispatch(dispatcher, t) for t in (email("a"), Payment(user_id=1), tuned(1).correlation_id("x"))
        ]
        assert [(await handle.record()).correlation_id for handle in handles] == ["whole", "house", "x"]

    async with anyio.create_task_group() as group:
        group.start_soon(running)
    assert (await (await dispatch(dispatcher, email("a"))).record()).correlation_id is None


async def test_what_cannot_be_stored_is_the_callers_error(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """Arguments that can't travel, contradicting options and payloads too large fail at the caller, before any I/O."""
    with pytest.raises(SerializationError, match=r"`\$\.to`"):
        await dispatch(dispatcher, email(object()))  # type: ignore[arg-type]
    with pytest.raises(PayloadTooLarge, match="max_payload_bytes"):
        await dispatch(dispatcher, email("x" * 300_000))
    with pytest.raises(DefinitionError, match="not below visibility_timeout"):
        await dispatch(dispatcher, email("x").timeout(3600))
    assert driver.batches == []


async def test_the_serializer_is_said_in_the_frame(driver: WatchedDriver) -> None:
    """A worker picks the decoder by the content type that travels."""
    record = await stored(driver, await dispatch(Dispatcher(driver, JsonSerializer()), email("a")))
    frame = decode_frame(record.payload)
    assert (frame.headers.content_type, frame.body) == ("json", b'{"to":"a"}')


async def test_keep_completed_tasks_keeps_all(driver: WatchedDriver) -> None:
    """The retention setting wins over what tasks say."""
    handle = await dispatch(Dispatcher(driver, keep_completed_tasks=True), tuned(1))
    assert (await handle.record()).keep_for == driver.traits.limits.max_delay


# -- ids and keys


async def test_a_chosen_id_is_dispatched_once(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """Dispatching a known id gives the handle of the task that is there, and says so."""
    first = await dispatch(dispatcher, email("a").task_id("order-1"))
    second = await dispatch(dispatcher, email("b").task_id("order-1"))
    assert (first, first.accepted, second, second.accepted) == ("order-1", True, "order-1", False)


async def test_equal_arguments_are_equal_in_whatever_order(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """A unique key of the arguments does not depend on how the caller ordered keywords, dicts and sets."""

    @task(unique=True, name="unique.ordered")
    def ordered(filters: dict[str, Any], tags: set[str], **more: int) -> None: ...

    first = await dispatch(dispatcher, ordered({"a": [{"x": 1, "y": 2}], "b": 2}, {"p", "q"}, k=1, l=2))
    second = await dispatch(dispatcher, ordered(l=2, k=1, tags={"q", "p"}, filters={"b": 2, "a": [{"y": 2, "x": 1}]}))
    assert (second, second.accepted) == (first, False)
    assert (await dispatch(dispatcher, ordered({"a": [], "b": 2}, {"p", "q"}, k=1, l=2))).accepted


async def test_unique_keys(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """One key, one waiting task: a key of one's own, one from the arguments, or one per equal arguments."""

    @task(unique="mail-{to}")
    def per_receiver(to: str, text: str) -> None: ...

    @task(unique=True)
    def per_arguments(a: int, b: set[str]) -> None: ...

    first = await dispatch(dispatcher, email("a").unique("k"))
    assert await dispatch(dispatcher, email("b").unique("k")) == first
    one = await dispatch(dispatcher, per_receiver("a", "x"))
    again = await dispatch(dispatcher, per_receiver(text="y", to="a"))
    other = await dispatch(dispatcher, per_receiver("b", "x"))
    assert (again == one, again.accepted, other.accepted) == (True, False, True)
    left = await dispatch(dispatcher, per_arguments(1, {"x", "y"}))
    assert await dispatch(dispatcher, per_arguments(b={"y", "x"}, a=1)) == left
    assert (await dispatch(dispatcher, per_arguments(2, {"x"}))).accepted
    with pytest.raises(DefinitionError, match="unique key"):
        await dispatch(dispatcher, email("a").unique("{nobody}"))


# -- handles


def test_a_handle_is_a_plain_string_everywhere() -> None:
    """It compares, hashes, formats and travels as the id."""
    handle: TaskHandle[int] = TaskHandle("id-1")
    assert (handle, f"{handle}", {handle: 1}["id-1"], type(handle.id)) == ("id-1", "id-1", 1, str)
    assert JsonSerializer().encode([handle]) == b'["id-1"]'


async def test_results(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """A result comes back as its type; an end without one is told apart from one that has not come."""
    handle = await dispatch(dispatcher, email("a"))
    with pytest.raises(ResultNotReady, match="ready"):
        await handle.result(timeout=0)
    delivery = await reserved(driver)
    await driver.settle_many([Complete(receipt=delivery.receipt, result=b"\x07")])
    assert await handle.result() == 7
    assert await handle.status() is TaskState.COMPLETED
    again: TaskHandle[int] = TaskHandle(str(handle), lookup=dispatcher)
    assert await again.result(timeout=1) == 7

    unkept = await dispatch(dispatcher, tuned(1))
    delivery = await reserved(driver, "low")
    await driver.settle_many([Complete(receipt=delivery.receipt)])
    await driver.maintain(limit=100)
    with pytest.raises(ResultNotKept, match="keep_result"):
        await unkept.result(timeout=1)
    with pytest.raises(UnknownTask):
        await TaskHandle("nobody", lookup=dispatcher).status()


async def test_a_handle_waits_for_the_end(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """`result()` polls until the task ends, however it ends."""
    handle = await dispatch(dispatcher, email("a"))

    async def work() -> None:
        delivery = await reserved(driver)
        await driver.settle_many([Complete(receipt=delivery.receipt, result=b"\x01")])

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        with anyio.fail_after(5):
            assert await handle.result() == 1


async def test_failures_and_cancellations_are_raised(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """A dead letter raises TaskFailed with the text of its error; a cancelled task raises TaskCancelled."""
    failed = await dispatch(dispatcher, email("a"))
    failure = Failure(type="ValueError", message="no", traceback="line 1")
    await driver.settle_many([Bury(receipt=(await reserved(driver)).receipt, failure=failure)])
    with pytest.raises(TaskFailed, match="after 1 attempts: ValueError: no") as caught:
        await failed.result()
    assert (caught.value.type_name, caught.value.traceback) == ("ValueError", "line 1")
    cancelled = await dispatch(dispatcher, email("a"))
    assert await cancelled.cancel() is CancelOutcome.CANCELLED
    with pytest.raises(TaskCancelled):
        await cancelled.result()
    discarded = await dispatch(dispatcher, email("a"))
    await driver.settle_many([Cancel(receipt=(await reserved(driver)).receipt, reason="not wanted")])
    with pytest.raises(TaskCancelled, match="not wanted"):
        await discarded.result()


# -- many


async def test_many_in_one_round_trip(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """A bulk is one batch, in order, all or none."""
    handles = await dispatcher.dispatch_calls([call_of(email(str(i))) for i in range(500)])
    assert [len(batch) for batch in driver.batches] == [500]
    assert [task.id for task in driver.batches[0]] == handles
    with pytest.raises(SerializationError):
        await dispatcher.dispatch_calls([call_of(email("a")), call_of(email(object()))])  # type: ignore[arg-type]
    most = driver.traits.limits.max_batch
    with pytest.raises(InvalidArgument, match=f"chunk_size={most}"):
        await dispatcher.dispatch_calls([call_of(email("a"))] * (most + 1))
    assert len(driver.batches) == 1


async def test_concurrent_dispatches_become_few_batches(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """One flush in flight, the next one gathering: a hundred callers, two batches, each its own handle."""
    handles: dict[int, str] = {}

    async def one(i: int) -> None:
        handles[i] = await dispatch(dispatcher, email(str(i)))

    async with anyio.create_task_group() as group:
        for i in range(100):
            group.start_soon(one, i)
    assert len(driver.batches) <= 4
    assert len(set(handles.values())) == 100
    bodies = {task.id: decode_frame(task.payload).body for batch in driver.batches for task in batch}
    assert all(str(i).encode() in bodies[handles[i]] for i in range(100))


async def test_batches_stay_within_the_limit(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """More callers than fit into one batch go in several, in order."""
    most = driver.traits.limits.max_batch
    async with anyio.create_task_group() as group:
        for i in range(most + 50):
            group.start_soon(dispatch, dispatcher, email(str(i)))
    assert sum(map(len, driver.batches)) == most + 50
    assert max(map(len, driver.batches)) <= most


async def test_one_bad_task_costs_the_others_nothing(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """A task that the driver refuses fails for its own caller; the rest of the batch is stored."""
    outcomes: dict[int, object] = {}

    async def one(i: int) -> None:
        try:
            outcomes[i] = await dispatch(dispatcher, email(str(i)).delay(1e12 if i == 5 else 0))
        except InvalidArgument as error:
            outcomes[i] = error

    async with anyio.create_task_group() as group:
        for i in range(10):
            group.start_soon(one, i)
    assert isinstance(outcomes.pop(5), InvalidArgument)
    assert all(isinstance(handle, TaskHandle) and handle.accepted for handle in outcomes.values())
    assert len(await driver.get_tasks([str(handle) for handle in outcomes.values()])) == 9


async def test_a_delay_wins_over_the_moment_of_the_chain(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """`dispatch(task, delay=)` takes the place of `.at()`, as a later `.delay()` does."""
    later = email("a").at(datetime.now(UTC) + timedelta(hours=5))
    record = await (await dispatcher.dispatch(later, delay=60)).record()
    assert 59 < (record.available_at - record.enqueued_at).total_seconds() <= 60


# -- cancellation


@pytest.mark.parametrize("leaver", [0, 1, 2])
async def test_a_cancelled_caller_does_not_hurt_the_others(
    driver: WatchedDriver, dispatcher: Dispatcher, leaver: int
) -> None:
    """Whoever is cancelled, leader of a flush or of the next, or a mere member: everybody else gets an answer."""
    driver.gate = anyio.Event()
    answers: dict[int, str] = {}
    scopes = [anyio.CancelScope() for _ in range(5)]

    async def one(i: int) -> None:
        with scopes[i]:
            answers[i] = await dispatch(dispatcher, email(str(i)))

    async with anyio.create_task_group() as group:
        for i in range(5):
            group.start_soon(one, i)
        await anyio.wait_all_tasks_blocked()
        scopes[leaver].cancel()
        await anyio.wait_all_tasks_blocked()
        driver.gate.set()
    assert sorted(answers) == [i for i in range(5) if i != leaver]
    assert len(await driver.get_tasks(list(answers.values()))) == 4


async def test_everybody_may_leave(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """After a whole line was cancelled, the next dispatch goes out at once."""
    driver.gate = anyio.Event()
    async with anyio.create_task_group() as group:
        for i in range(5):
            group.start_soon(dispatch, dispatcher, email(str(i)))
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    driver.gate = None
    with anyio.fail_after(1):
        assert (await dispatch(dispatcher, email("last"))).accepted
    assert [len(batch) for batch in driver.batches] == [1, 1]


async def test_a_cancelled_leader_is_replaced_while_its_batch_is_in_flight(
    driver: WatchedDriver, dispatcher: Dispatcher
) -> None:
    """The batch is sent again by another member, with the same ids, and without the one that left."""
    driver.gate = anyio.Event()
    answers: list[TaskHandle[Any]] = []
    leader = anyio.CancelScope()

    async def one(i: int) -> None:
        answers.append(await dispatch(dispatcher, email(str(i))))

    async def leading() -> None:
        with leader:
            await one(1)

    async with anyio.create_task_group() as group:
        group.start_soon(one, 0)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(leading)
        await anyio.wait_all_tasks_blocked()
        for i in range(2, 5):
            group.start_soon(one, i)
        await anyio.wait_all_tasks_blocked()
        driver.gate.set()
        driver.gate = anyio.Event()
        await anyio.wait_all_tasks_blocked()
        assert [len(batch) for batch in driver.batches] == [1, 4]
        leader.cancel()
        await anyio.wait_all_tasks_blocked()
        driver.gate.set()
        driver.gate = None
    assert [len(batch) for batch in driver.batches] == [1, 4, 3]
    assert all(handle.accepted for handle in answers)
    assert len(answers) == 4


async def test_a_batch_whose_members_leave_one_after_the_other_blocks_nobody(
    driver: WatchedDriver, dispatcher: Dispatcher
) -> None:
    """A batch in flight is abandoned by its leader, and by the others before one of them took its place."""
    first_gate = driver.gate = anyio.Event()
    scopes = [anyio.CancelScope() for _ in range(4)]

    async def one(i: int) -> None:
        with scopes[i]:
            await dispatch(dispatcher, email(str(i)))

    async with anyio.create_task_group() as group:
        for i in range(4):
            group.start_soon(one, i)
            await anyio.wait_all_tasks_blocked()
        driver.gate = anyio.Event()
        first_gate.set()
        await anyio.wait_all_tasks_blocked()
        assert [len(batch) for batch in driver.batches] == [1, 3]
        for scope in scopes[1:]:
            scope.cancel()
    driver.gate = None
    with anyio.fail_after(1):
        assert (await dispatch(dispatcher, email("last"))).accepted


# -- outages


async def test_a_short_outage_goes_unnoticed(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """Unavailable or full: the same batch with the same ids is sent again."""
    driver.errors = [DriverUnavailable("gone"), QueueFull("full")]
    handle = await dispatch(dispatcher, email("a"))
    assert handle.accepted
    assert [task.id for batch in driver.batches for task in batch] == [handle] * 3


async def test_an_unanswered_enqueue_is_stored_once(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """The first attempt was applied without an answer; the second finds its own task, which counts as accepted."""
    driver.apply_then_fail = 1
    handle = await dispatch(dispatcher, email("a"))
    assert handle.accepted
    assert (await driver.queue_stats(["default"]))["default"].ready == 1
    driver.apply_then_fail = 1
    handles = await dispatcher.dispatch_calls([call_of(email("b")), call_of(email("c"))])
    assert all(each.accepted for each in handles)
    assert (await driver.queue_stats(["default"]))["default"].ready == 3


async def test_a_long_outage_is_everybodys_error(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """After a bounded time each caller gets an error of its own, and the next dispatch starts afresh."""
    driver.errors = [DriverUnavailable("gone")] * 50
    errors: list[DriverUnavailable] = []

    async def one(i: int) -> None:
        try:
            await dispatch(dispatcher, email(str(i)))
        except DriverUnavailable as error:
            errors.append(error)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for i in range(4):
                group.start_soon(one, i)
    assert [str(error) for error in errors] == ["gone"] * 4
    assert len({id(error) for error in errors}) >= 2
    driver.errors = []
    assert (await dispatch(dispatcher, email("a"))).accepted


async def test_other_errors_are_raised_at_once(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """A bug of a driver reaches the caller, and leaves the line in order."""
    driver.errors = [ZeroDivisionError("bug")]
    with pytest.raises(ZeroDivisionError):
        await dispatch(dispatcher, email("a"))
    assert (await dispatch(dispatcher, email("a"))).accepted


# -- events and transactions


class Listener:
    """Whom the dispatcher tells."""

    def __init__(self, active: bool = True) -> None:
        self.active = active
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


async def test_accepted_tasks_are_announced(driver: WatchedDriver) -> None:
    """One task_enqueued for each accepted task, without arguments; none for a duplicate, none if nobody listens."""
    listener = Listener()
    dispatcher = Dispatcher(driver, None, listener)
    handle = await dispatch(dispatcher, email("secret").task_id("one").correlation_id("c"))
    await dispatch(dispatcher, email("secret").task_id("one"))
    await dispatcher.dispatch_calls([call_of(tuned(1))])
    first, second = listener.events
    assert isinstance(first, TaskEvent)
    assert (first.event_type, first.task_id, first.queue) == (EventType.TASK_ENQUEUED, handle, "default")
    assert (first.task_name, first.correlation_id) == (f"{__name__}:email", "c")
    assert "secret" not in repr(first)
    assert isinstance(second, TaskEvent)
    assert second.queue == "low"
    deaf = Listener(active=False)
    await dispatch(Dispatcher(driver, None, deaf), email("a"))
    assert deaf.events == []


async def test_a_driver_without_transactions_says_so(driver: WatchedDriver, dispatcher: Dispatcher) -> None:
    """`on=` is never ignored in silence."""
    with pytest.raises(ConfigurationError, match="no transactions"):
        await dispatcher.dispatch_call(call_of(email("a")), on=object())
