"""Functions and classes as tasks: parameters, names, kinds, instances."""

from collections.abc import Callable
from dataclasses import field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from asynctasq import AsyncProcessTask, AsyncTask, BaseTask, SyncProcessTask, SyncTask, TaskConfig, task
from asynctasq.errors import DefinitionError, DeserializationError
from asynctasq.serializers.json_serializer import JsonSerializer
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer
from asynctasq.tasks.current_task import CurrentTask
from asynctasq.tasks.invocation import Invocation, call_of
from asynctasq.tasks.task_definition import TaskKind
from asynctasq.tasks.task_registry import default_registry

CURRENT = CurrentTask(
    id="id-1",
    name="n",
    queue="q",
    attempt=2,
    max_attempts=3,
    worker_id="w",
    correlation_id="c",
    enqueued_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def arrived(invocation: Invocation[Any]) -> Any:
    """The instance that a worker runs for this invocation."""
    call = call_of(invocation)
    for serializer in (JsonSerializer(), MsgpackSerializer()):
        arguments = call.definition.decode_arguments(serializer, serializer.encode(call.arguments))
    return call.definition.new_instance(arguments, CURRENT)


class Payment(AsyncTask[bool]):
    config: TaskConfig = {"queue": "payments", "max_attempts": 5}

    def __init__(self, user_id: int, amount: Decimal, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.user_id = user_id
        self.amount = amount * 2
        self.connection = object()

    async def execute(self) -> bool:
        return True


def test_what_travels_is_what_the_caller_passed() -> None:
    """Not the attributes that `__init__` made of it: the worker's `__init__` makes them again."""
    invocation = Payment(1, amount=Decimal("1.5"), note="n")
    assert call_of(invocation).arguments == {"user_id": 1, "amount": Decimal("1.5"), "kwargs": {"note": "n"}}
    task = arrived(invocation)
    assert (task.user_id, task.amount, task.note) == (1, Decimal("3.0"), "n")
    assert task.connection is not invocation.connection


class Report(SyncTask):
    day: date
    formats: list[str] = field(default_factory=lambda: ["pdf"])
    copies: int = 1
    known: ClassVar[int] = 7

    def execute(self) -> str:
        return f"{self.day} {self.formats} {self.copies}"


class SignedReport(Report):
    config: TaskConfig = {"queue": "signed"}
    signer: str

    def __post_init__(self) -> None:
        self.signed = f"by {self.signer}"


def test_annotated_fields_are_parameters() -> None:
    """Without `__init__` the annotated fields are keyword parameters, inherited and with defaults of their own."""
    first, second = arrived(Report(day=date(2026, 1, 1))), arrived(Report(day=date(2026, 1, 1), copies=3))
    assert first.execute() == "2026-01-01 ['pdf'] 1"
    assert second.copies == 3
    assert first.formats is not second.formats
    signed = arrived(SignedReport(day=date(2026, 1, 2), signer="me"))
    assert (signed.signed, signed.formats) == ("by me", ["pdf"])
    assert call_of(Report(day=date(2026, 1, 1))).arguments == {"day": date(2026, 1, 1)}


@pytest.mark.parametrize(
    "call",
    [
        lambda: Report(date(2026, 1, 1)),  # type: ignore[misc, call-arg]
        lambda: Report(),  # type: ignore[call-arg]
        lambda: Report(day=date(2026, 1, 1), pages=3),  # type: ignore[call-arg]
        lambda: SignedReport(day=date(2026, 1, 1)),  # type: ignore[call-arg]
        lambda: Payment(1),  # type: ignore[call-arg]
        lambda: everything(),  # type: ignore[call-arg]
        lambda: everything(1, 2, b=3),  # type: ignore[misc]
        lambda: plain(1, 2, 3),  # type: ignore[call-arg]
        lambda: plain(1, a=1),  # type: ignore[misc]
        lambda: plain(z=1),  # type: ignore[call-arg]
    ],
)
def test_a_wrong_call_is_a_type_error_at_the_caller(call: Callable[[], object]) -> None:
    """A call that does not fit the parameters fails where it is written, naming the task."""
    with pytest.raises(TypeError, match=r"Report|Payment|everything|plain"):
        call()


@task
def plain(a: int, b: str = "x") -> str:
    return f"{a}{b}"


@task
async def everything(a: int, /, b: Decimal = Decimal(1), *rest: date, c: bytes = b"", **more: set[int]) -> Any:
    return a, b, rest, c, more


@pytest.mark.anyio
async def test_every_kind_of_parameter_arrives() -> None:
    """Positional-only, defaults, *args, keyword-only and **kwargs arrive as their annotated types."""
    day = date(2026, 1, 1)
    assert await arrived(everything(1)).execute() == (1, Decimal(1), (), b"", {})
    assert await arrived(everything(1, Decimal(2), day, day)).execute() == (1, Decimal(2), (day, day), b"", {})
    assert await arrived(everything(1, c=b"\0", x={1})).execute() == (1, Decimal(1), (), b"\0", {"x": {1}})
    assert await everything.call(1, c=b"1") == (1, Decimal(1), (), b"1", {})
    assert arrived(plain(1, "y")).execute() == "1y"
    assert arrived(plain(b="z", a=2)).execute() == "2z"
    assert plain.call(3) == "3x"


def test_a_class_may_take_any_keywords() -> None:
    """Without constructor and fields, keyword arguments become attributes, as in older applications."""

    class Loose(AsyncTask):
        async def execute(self) -> Any:
            return self.anything  # type: ignore[attr-defined]

    assert arrived(Loose(anything={1, 2})).anything == {1, 2}


def test_an_instance_knows_its_attempt() -> None:
    """The running instance carries the attempt; a fresh one is made for every attempt."""
    task = arrived(Payment(1, Decimal(1)))
    assert (task._task_id, task._current_attempt, task.current_attempt) == ("id-1", 2, 2)
    assert (task._worker_id, task._queue, task._correlation_id) == ("w", "q", "c")
    assert task._dispatched_at == CURRENT.enqueued_at
    assert task.should_retry(ValueError()) is True
    assert Payment(1, Decimal(1))._task_id is None


def test_kinds() -> None:
    """Eight ways to write four kinds of task."""

    @task(process=True)
    async def f() -> None: ...

    @task(process=True)
    def g() -> None: ...

    class A(AsyncProcessTask):
        async def execute(self) -> None: ...

    class B(SyncProcessTask[int]):
        def execute(self) -> int: ...

    class C(BaseTask):
        def execute(self) -> None: ...

    classes = [Payment, Report, A, B, C]
    kinds = [cls.__task_definition__.kind for cls in classes if cls.__task_definition__]
    assert kinds == [TaskKind.ASYNC, TaskKind.THREAD, TaskKind.ASYNC_PROCESS, TaskKind.PROCESS, TaskKind.THREAD]
    assert [t.definition.kind for t in (everything, plain, f, g)] == [
        TaskKind.ASYNC,
        TaskKind.THREAD,
        TaskKind.ASYNC_PROCESS,
        TaskKind.PROCESS,
    ]
    with pytest.raises(DefinitionError, match=r"Wrong\.execute is written with `def`.*`async def`"):

        class Wrong(AsyncTask):
            def execute(self) -> None: ...  # type: ignore[override]


def test_a_class_without_execute_may_be_defined_but_not_called() -> None:
    """Creating an instance names the class and what is missing."""

    class Half(AsyncTask[bool]):
        async def failed(self, exception: Exception) -> None: ...

    class Whole(Half):
        async def execute(self) -> bool: ...

    with pytest.raises(DefinitionError, match=r"Half has no execute\(\)"):
        Half()
    assert isinstance(Whole(), Half)
    assert default_registry.get(f"{__name__}:{Half.__qualname__}") is None


def test_names_and_the_registry() -> None:
    """A task is known by module and qualified name, or by the name it chose; two tasks of one name are refused."""
    assert plain.name == f"{__name__}:plain"
    assert default_registry.get(plain.name) is plain.definition

    @task(name="my-name")
    def first() -> None: ...

    assert "my-name" in default_registry.names()
    with pytest.raises(DefinitionError, match=r"(?s)my-name.*first \(.*test_definitions\.py:\d+\) and .*second"):

        @task(name="my-name")
        def second() -> None: ...

    class Named(AsyncTask):
        config: TaskConfig = {"name": "named"}

        async def execute(self) -> None: ...

    class Child(Named):
        pass

    assert Named.__task_definition__ is default_registry.get("named")
    assert Child.__task_definition__ is not None
    assert Child.__task_definition__.name.endswith("Child")


def test_a_definition_that_is_imported_again_is_fine() -> None:
    """A reloaded module, or a function that is defined by every call, takes the older one's place."""

    def define() -> Any:
        @task
        def again() -> None: ...

        return again

    first, second = define(), define()
    assert default_registry.get(first.name) is second.definition


def test_arguments_that_do_not_fit_are_refused_by_the_worker() -> None:
    """A missing, an unknown and a wrong argument are clear errors, that name the parameter."""
    serializer = MsgpackSerializer()
    for arguments, message in (
        ({}, "missing required field `a`"),
        ({"a": 1, "new": 2}, "unknown field `new`"),
        ({"a": "1"}, r"Expected `int`, got `str` - at `\$\.a`"),
    ):
        with pytest.raises(DeserializationError, match=message):
            plain.definition.decode_arguments(serializer, serializer.encode(arguments))


def test_a_mutable_default_is_refused() -> None:
    """All tasks of the class would share it."""
    with pytest.raises(DefinitionError, match=r"T\.items has a mutable default.*default_factory=list"):

        class T(AsyncTask):
            items: list[int] = []

            async def execute(self) -> None: ...


def test_only_functions_that_return_can_be_tasks() -> None:
    """Generators and classes are refused with a sentence."""
    with pytest.raises(DefinitionError, match="generator"):

        @task
        def numbers() -> Any:
            yield 1

    with pytest.raises(DefinitionError, match="wanted a function"):
        task(Payment)


def test_annotations_may_be_for_type_checkers_only() -> None:
    """A name that exists for type checkers only leaves the parameter as the type that it was encoded as."""

    @task
    def hinted(a: "Unknown", b: "list[date]") -> "Unknown": ...  # noqa: F821

    call = call_of(hinted({1}, [date(2026, 1, 1)]))
    serializer = JsonSerializer()
    arguments = call.definition.decode_arguments(serializer, serializer.encode(call.arguments))
    assert arguments.by_name == {"a": {1}, "b": [date(2026, 1, 1)]}
    assert hinted.definition.result_type is Any


def test_should_retry_answers_at_once() -> None:
    """A coroutine function would always be true, and is refused at definition."""
    with pytest.raises(DefinitionError, match=r"should_retry is written with `async def`"):

        class Asks(AsyncTask[None]):
            async def execute(self) -> None: ...

            async def should_retry(self, exception: Exception) -> bool:  # type: ignore[override]
                return False
