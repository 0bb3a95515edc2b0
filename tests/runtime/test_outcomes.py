"""What becomes of a task, for each way in which its body can end."""

import asyncio
import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from asynctasq.contract.envelopes import TaskState
from asynctasq.errors import AttemptsExhausted, Discard, ResultTooLarge, RetryLater, TaskFailed
from asynctasq.runtime.frame import MAJOR, MAX_STORED_BYTES, Headers, encode_frame, encode_headers
from asynctasq.tasks.current_task import current_task
from asynctasq.tasks.function_task import task
from asynctasq.tasks.task_kinds import AsyncTask, SyncTask
from tests.runtime.harness import Bench

pytestmark = pytest.mark.anyio

log: list[Any] = []
VARIABLE: ContextVar[str] = ContextVar("outcomes_variable")


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


@task(name="outcomes.add", keep_result=300)
async def add(a: int, b: int) -> int:
    await anyio.lowlevel.checkpoint()
    return a + b


@task(name="outcomes.add_in_thread", keep_result=300)
def add_in_thread(a: int, b: int) -> int:
    return a + b


@task(name="outcomes.fail")
async def fail(kind: str) -> None:
    log.append((kind, current_task().attempt))
    await anyio.lowlevel.checkpoint()
    raise EXCEPTIONS[kind]()


@task(name="outcomes.fail_at_once")
async def fail_at_once(kind: str) -> None:
    log.append((kind, current_task().attempt))
    raise EXCEPTIONS[kind]()


@task(name="outcomes.fail_in_thread")
def fail_in_thread(kind: str) -> None:
    log.append((kind, current_task().attempt))
    raise EXCEPTIONS[kind]()


EXCEPTIONS: dict[str, Callable[[], BaseException]] = {
    "value": lambda: ValueError("no good"),
    "exit": lambda: SystemExit(1),
    "interrupt": lambda: KeyboardInterrupt(),
    "generator_exit": lambda: GeneratorExit(),
    "stop": lambda: StopIteration(3),
    "stop_async": lambda: StopAsyncIteration(),
    "base": lambda: BaseException("bare"),
    "cancelled": lambda: asyncio.CancelledError(),
    "group": lambda: BaseExceptionGroup("several", [ValueError("one"), SystemExit(2)]),
}


class Recorder(AsyncTask[None]):
    config = {"name": "outcomes.Recorder"}

    retry: bool = True

    async def execute(self) -> None:
        raise ValueError("again")

    def should_retry(self, exception: Exception) -> bool:
        log.append(("should_retry", type(exception).__name__, self._current_attempt))
        return self.retry

    async def failed(self, exception: Exception) -> None:
        await anyio.lowlevel.checkpoint()
        log.append(("failed", type(exception).__name__, self._current_attempt, current_task().id == self._task_id))


class ThreadRecorder(SyncTask[None]):
    config = {"name": "outcomes.ThreadRecorder"}

    def execute(self) -> None:
        raise ValueError("again")

    def failed(self, exception: Exception) -> None:
        log.append(("failed", type(exception).__name__, self._current_attempt, current_task().id == self._task_id))


@pytest.mark.parametrize("function", [add, add_in_thread])
async def test_a_result_is_stored_with_the_completion(bench: Bench, function: Any) -> None:
    """A task that returns is completed, and its result is stored in the same step."""
    id = await bench.enqueue(function(1, b=2))
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.attempts, record.reason) == (TaskState.COMPLETED, 1, None)
    assert record.result is not None
    assert function.definition.decode_result(bench.serializer, record.result) == 3


@pytest.mark.parametrize("function", [fail, fail_at_once, fail_in_thread])
@pytest.mark.parametrize("kind", sorted(EXCEPTIONS))
async def test_whatever_a_body_raises_is_its_own_failure(bench: Bench, function: Any, kind: str) -> None:
    """A task that raises anything at all, SystemExit and CancelledError included, runs max_attempts times and is dead;
    the worker and its lanes go on."""
    ids = [await bench.enqueue(function(kind), headers=Headers(max_attempts=2, retry_delay=0.0)) for _ in range(3)]
    good = await bench.enqueue(add(1, 1))
    await bench.work(concurrency=1)
    for id in ids:
        record = await bench.record(id)
        assert (record.state, record.attempts, record.reason) == (TaskState.DEAD, 2, "failed")
        assert len(record.failures) == 2
    assert sorted(log) == sorted([(kind, 1), (kind, 2)] * 3)
    assert (await bench.record(good)).state is TaskState.COMPLETED


async def test_failures_tell_type_message_and_place(bench: Bench) -> None:
    """The stored failure has the exception's type, its message and a traceback that starts in the task."""
    id = await bench.enqueue(fail("value"), headers=Headers(max_attempts=1))
    await bench.work()
    [failure] = (await bench.record(id)).failures
    assert (failure.type, failure.message, failure.attempt, failure.worker) == ("ValueError", "no good", 1, "worker-1")
    assert "raise EXCEPTIONS[kind]()" in failure.traceback
    assert "task_runner" not in failure.traceback


@pytest.mark.parametrize(("make", "retries"), [(Recorder, True), (ThreadRecorder, False)])
async def test_failed_is_called_once_after_the_last_attempt(bench: Bench, make: Any, retries: bool) -> None:
    """failed() runs once, after the task was buried, with the real exception, as the current task."""
    id = await bench.enqueue(make(), headers=Headers(max_attempts=2, retry_delay=0.0))
    await bench.work()
    assert (await bench.record(id)).state is TaskState.DEAD
    expected: list[Any] = [("should_retry", "ValueError", 1)] if retries else []
    assert log == [*expected, ("failed", "ValueError", 2, True)]


class Declines(AsyncTask[None]):
    config = {"name": "outcomes.Declines"}

    async def execute(self) -> None:
        raise PermissionError("never")

    def should_retry(self, exception: Exception) -> bool:
        return not isinstance(exception, PermissionError)


async def test_should_retry_can_end_a_task(bench: Bench) -> None:
    """should_retry() returning False buries the task at once."""
    id = await bench.enqueue(Declines(), headers=Headers(max_attempts=5, retry_delay=0.0))
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.attempts, record.reason) == (TaskState.DEAD, 1, "not_retryable")


class Confused(AsyncTask[None]):
    config = {"name": "outcomes.Confused"}

    async def execute(self) -> None:
        raise ValueError("first")

    def should_retry(self, exception: Exception) -> bool:
        raise LookupError("second")

    async def failed(self, exception: Exception) -> None:
        log.append(repr(exception))
        raise SystemExit("third")


async def test_errors_of_should_retry_and_failed_are_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """should_retry() raising means no retry, failed() raising changes nothing; both are logged and counted."""
    id = await bench.enqueue(Confused(), headers=Headers(max_attempts=5, retry_delay=0.0))
    with caplog.at_level(logging.ERROR):
        worker = await bench.work()
    assert (await bench.record(id)).attempts == 1
    assert log == ["ValueError('first')"]
    assert worker.get_health_status()["failed_handler_errors"] == 1
    assert "LookupError('second')" in caplog.text
    assert "SystemExit('third')" in caplog.text


@task(name="outcomes.signal")
async def signal(kind: str) -> None:
    log.append(current_task().attempt)
    if kind == "discard":
        raise Discard("not needed any more")
    if len(log) < 3:
        raise RetryLater(0.0)


async def test_retry_later_burns_no_attempt(bench: Bench) -> None:
    """RetryLater gives the task back without counting the attempt, however often, and stores no failure."""
    id = await bench.enqueue(signal("later"), headers=Headers(max_attempts=1))
    await bench.work()
    record = await bench.record(id)
    assert log == [1, 1, 1]
    assert (record.state, record.failures) == (TaskState.COMPLETED, ())


async def test_discard_cancels_with_its_reason(bench: Bench) -> None:
    """Discard ends the task as cancelled, with its reason, and stores no failure."""
    id = await bench.enqueue(signal("discard"))
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.reason, record.failures) == (TaskState.CANCELLED, "not needed any more", ())


class Discards(AsyncTask[None]):
    config = {"name": "outcomes.Discards"}
    reason = ""

    async def execute(self) -> None:
        raise Discard(self.reason)

    async def failed(self, exception: Exception) -> None:
        log.append(exception)


@pytest.mark.parametrize("reason", ["", "\0", "\ud800", "é" * 1000])
async def test_any_reason_of_a_discard_is_stored(bench: Bench, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    """A reason that no store takes is cut and cleaned, and failed() is not called for a discard."""
    monkeypatch.setattr(Discards, "reason", reason)
    id = await bench.enqueue(Discards())
    await bench.work()
    record = await bench.record(id)
    assert record.state is TaskState.CANCELLED
    assert record.reason
    assert log == []


def _payload(bench: Bench, arguments: object, headers: Headers | None = None) -> bytes:
    return encode_frame(encode_headers(headers or Headers()), bench.serializer.encode(arguments))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00",
        b"not a frame at all",
        bytes([MAJOR, 0, 255, 255, 0]),
        bytes([MAJOR, 0, 0, 1, 0, 0xC1]),
        encode_frame(encode_headers(Headers()), b""),
        encode_frame(encode_headers(Headers()), b"\xc1"),
        encode_frame(encode_headers(Headers()), b"\x91" * 100_000),
        encode_frame(encode_headers(Headers()), b"\x80"),
    ],
)
async def test_an_undecodable_payload_is_buried_after_one_delivery(bench: Bench, payload: bytes) -> None:
    """A payload that can't be decoded is dead after one delivery, with the reason; the body never starts."""
    id = await bench.enqueue_payload("outcomes.add", payload)
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.attempts, record.reason) == (TaskState.DEAD, 1, "undecodable")
    assert record.failures[0].message


async def test_a_payload_is_refused_by_its_length(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stored payload over the hard limit, put in behind our back, is buried before anything of it is decoded."""
    fields = bench.driver.traits.limits
    monkeypatch.setattr(bench.driver, "traits", _with_limit(bench, 1 << 30))
    payload = _payload(bench, {"a": 1, "b": "x" * MAX_STORED_BYTES})
    id = await bench.enqueue_payload("outcomes.add", payload)
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.reason) == (TaskState.DEAD, "undecodable")
    assert str(MAX_STORED_BYTES) in record.failures[0].message
    assert fields.max_payload_bytes < MAX_STORED_BYTES


def _with_limit(bench: Bench, most: int) -> Any:
    traits = bench.driver.traits
    limits = {name: getattr(traits.limits, name) for name in traits.limits.__struct_fields__}
    return type(traits)(
        guarantees=traits.guarantees,
        limits=type(traits.limits)(**(limits | {"max_payload_bytes": most})),
        event_loops=traits.event_loops,
    )


async def test_a_newer_frame_is_parked(bench: Bench) -> None:
    """A payload of a newer major version waits 60 s for a newer worker, and burns no attempt."""
    id = await bench.enqueue_payload("outcomes.add", bytes([MAJOR + 1]) + b"whatever")
    before = await bench.driver.now()
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.attempts, record.failures) == (TaskState.SCHEDULED, 0, ())
    assert 59 <= (record.available_at - before).total_seconds() <= 62


async def test_an_unknown_task_waits_and_counts_an_attempt(bench: Bench) -> None:
    """A task that nobody registered here is retried after 60 s, since another worker may know it."""
    id = await bench.enqueue_payload("outcomes.nobody_knows", _payload(bench, {}))
    before = await bench.driver.now()
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.attempts) == (TaskState.SCHEDULED, 1)
    assert 59 <= (record.available_at - before).total_seconds() <= 62
    assert "outcomes.nobody_knows" in record.failures[0].message


async def test_an_unknown_task_is_buried_in_the_end(bench: Bench) -> None:
    """An unknown task is buried when its attempts are used up."""
    id = await bench.enqueue_payload("outcomes.nobody_knows", _payload(bench, {}, Headers(max_attempts=1)))
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.reason) == (TaskState.DEAD, "unknown_task")


async def test_a_serializer_that_is_missing_here_may_be_known_elsewhere(bench: Bench) -> None:
    """A payload of a content type that this worker can't decode waits like an unknown task."""
    headers = Headers(content_type="x-rolled-out-tomorrow")
    id = await bench.enqueue_payload("outcomes.add", _payload(bench, {"a": 1, "b": 2}, headers))
    await bench.work()
    assert (await bench.record(id)).state is TaskState.SCHEDULED


@task(name="outcomes.large", keep_result=300)
async def large(size: int) -> bytes:
    return bytes(size)


class LargeResult(AsyncTask[bytes]):
    config = {"name": "outcomes.LargeResult"}

    async def execute(self) -> bytes:
        return bytes(300_000)

    async def failed(self, exception: Exception) -> None:
        log.append(type(exception))


async def test_a_result_over_the_limit_buries_the_task(bench: Bench) -> None:
    """A result over the payload limit is not sent: the task is dead with ResultTooLarge, and failed() hears of it."""
    ok = await bench.enqueue(large(200_000))
    id = await bench.enqueue(LargeResult())
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.reason, record.attempts) == (TaskState.DEAD, "result_too_large", 1)
    assert (await bench.record(ok)).state is TaskState.COMPLETED
    assert log == [ResultTooLarge]


@task(name="outcomes.unencodable", keep_result=300)
async def unencodable() -> Any:
    return object()


async def test_a_result_that_cannot_be_encoded_buries_the_task(bench: Bench) -> None:
    """A result without an encoding is no reason to run the body again."""
    id = await bench.enqueue(unencodable())
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.reason, record.attempts) == (TaskState.DEAD, "result_not_serializable", 1)


async def test_the_body_never_starts_more_often_than_max_attempts(bench: Bench) -> None:
    """P5: attempts that ended with their worker count. The delivery after the last one is buried without running, and
    failed() hears AttemptsExhausted."""
    id = await bench.enqueue(Recorder(), headers=Headers(max_attempts=2))
    for _ in range(2):  # two workers take it, and are never heard of again
        [delivery] = await bench.driver.reserve(["default"], limit=1, lease=0.001, worker="gone")
        await anyio.sleep(0.01)
    assert delivery.attempt == 2
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.reason) == (TaskState.DEAD, "attempts_exhausted")
    assert record.failures[-1].type == "asynctasq.errors.AttemptsExhausted"
    assert log == [("failed", AttemptsExhausted.__name__, 3, True)]


@task(name="outcomes.context")
async def look_at_context() -> None:
    log.append((VARIABLE.get("nothing"), current_task().id))
    VARIABLE.set(current_task().id)
    await anyio.lowlevel.checkpoint()
    assert VARIABLE.get() == current_task().id


async def test_nothing_set_by_one_task_is_seen_by_the_next(bench: Bench) -> None:
    """Every attempt gets a copied context: a context variable set by one task is not seen by the next on its lane."""
    ids = [await bench.enqueue(look_at_context()) for _ in range(5)]
    await bench.work(concurrency=1)
    assert log == [("nothing", id) for id in ids]


class Fresh(AsyncTask[None]):
    config = {"name": "outcomes.Fresh"}

    def __init__(self, items: list[int]) -> None:
        super().__init__()
        self.items = items

    async def execute(self) -> None:
        self.items.append(4)
        log.append(self.items)
        raise ValueError


async def test_every_attempt_has_a_fresh_instance_and_fresh_arguments(bench: Bench) -> None:
    """What one attempt does to its arguments is not seen by the next attempt."""
    await bench.enqueue(Fresh(items=[1]), headers=Headers(max_attempts=3, retry_delay=0.0))
    await bench.work()
    assert log == [[1, 4]] * 3


class Unmakeable(AsyncTask[None]):
    config = {"name": "outcomes.Unmakeable"}

    def __init__(self, value: int) -> None:
        super().__init__()
        if log:
            raise StopIteration(value)

    async def execute(self) -> None: ...


async def test_an_init_that_raises_is_a_failure(bench: Bench) -> None:
    """A class whose __init__ raises, even StopIteration, fails like a body that raises."""
    invocation = Unmakeable(value=1)
    log.append("from here on")
    id = await bench.enqueue(invocation, headers=Headers(max_attempts=2, retry_delay=0.0))
    await bench.work()
    record = await bench.record(id)
    assert (record.state, record.attempts) == (TaskState.DEAD, 2)
    assert record.failures[0].type == "RuntimeError"


async def test_failed_gets_an_exception_for_what_is_none(bench: Bench) -> None:
    """failed() gets a TaskFailed with the type's name when the body ended with a SystemExit."""
    seen: list[Exception] = []

    class Exits(AsyncTask[None]):
        config = {"name": "outcomes.Exits"}

        async def execute(self) -> None:
            raise SystemExit(4)

        async def failed(self, exception: Exception) -> None:
            seen.append(exception)

    await bench.enqueue(Exits(), headers=Headers(max_attempts=1))
    await bench.work()
    [exception] = seen
    assert isinstance(exception, TaskFailed)
    assert exception.type_name == "SystemExit"
