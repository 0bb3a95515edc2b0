"""The options of a task: which exist, and what they may be."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import UNSET

from asynctasq import AsyncTask, SyncTask, task
from asynctasq.errors import DefinitionError, ReservedParameterName, UnknownOption
from asynctasq.tasks.reserved_names import RESERVED

SEED_ELEVEN = {
    "config", "run", "execute", "dispatch", "failed", "should_retry", "on_queue", "delay", "retry_after",
    "max_attempts", "timeout",
}  # fmt: skip


def test_the_reserved_names_are_the_eleven() -> None:
    """Exactly the documented names are reserved for every task."""
    assert RESERVED == SEED_ELEVEN


@pytest.mark.parametrize("name", [*sorted(SEED_ELEVEN), "_private", "__dunder"])
def test_reserved_names_are_refused_at_definition(name: str) -> None:
    """A function, a field and a constructor with a reserved name fail where they are written, saying which name."""
    space: dict[str, Any] = {"task": task, "AsyncTask": AsyncTask}
    for source in (
        f"@task\nasync def f({name}): ...",
        f"class T(AsyncTask):\n    def __init__(self, {name}): ...\n    async def execute(self): ...",
        f"class T(AsyncTask):\n    x: int\n    {name}: int\n    async def execute(self): ...",
    ):
        if name == "config" and "x: int" in source:
            continue  # the annotated `config` of a class is its options
        if name == "__dunder" and "class" in source:
            source = source.replace("__dunder", "__dunder__")
        with pytest.raises(ReservedParameterName, match=rf"`{name}.*rename"):
            exec(source, space)


@pytest.mark.parametrize("name", ["visibility_timeout", "priority", "correlation_id", "unique", "at"])
def test_names_that_would_hide_the_chain_are_refused_for_classes_only(name: str) -> None:
    """A field would hide the chain method of that name; a function's parameter hides nothing."""
    space: dict[str, Any] = {"task": task, "AsyncTask": AsyncTask}
    with pytest.raises(ReservedParameterName, match=rf"hide .*`{name}`"):
        exec(f"class T(AsyncTask):\n    {name}: int\n    async def execute(self): ...", space)
    exec(f"@task\nasync def f({name}): ...", space)


def test_keyword_attributes_are_checked_as_well() -> None:
    """A class without declared parameters refuses reserved names when it is called."""

    class Loose(AsyncTask):
        async def execute(self) -> None: ...

    with pytest.raises(ReservedParameterName):
        Loose(timeout=3)
    assert Loose(user_id=3).user_id == 3  # type: ignore[attr-defined]


def test_an_unknown_option_names_the_closest() -> None:
    """A misspelt option fails at definition with the right spelling."""
    with pytest.raises(UnknownOption, match=r"`quue`; did you mean `queue`"):
        task(quue="x")(lambda: None)  # type: ignore[call-arg]
    with pytest.raises(UnknownOption, match=r"T: there is no option `max_attempt`; did you mean `max_attempts`"):

        class T(AsyncTask):
            config = {"max_attempt": 3}  # type: ignore[typeddict-unknown-key]

    with pytest.raises(UnknownOption, match=r"there are .*queue"):
        task(zzzzzz=1)(lambda: None)  # type: ignore[call-arg]
    with pytest.raises(UnknownOption, match="process"):

        class P(AsyncTask):
            config = {"process": True}  # type: ignore[typeddict-unknown-key]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("queue", "not a name"), ("queue", ""), ("queue", 3), ("max_attempts", 0), ("max_attempts", True),
        ("max_attempts", 1.5), ("retry_delay", -1), ("retry_delay", float("nan")), ("retry_delay", "5"),
        ("retry_strategy", "linear"), ("timeout", 0), ("timeout", -1), ("visibility_timeout", 0), ("priority", 10),
        ("priority", -1), ("priority", True), ("keep_result", -1), ("keep_result", True), ("correlation_id", ""),
        ("correlation_id", "x" * 201), ("unique", ""), ("unique", 3), ("expires_after", -1), ("driver", ""),
        ("name", ""), ("name", "a\0b"), ("max_attempts", 10**7), ("retry_delay", 10**400),
        ("retry_delay", float("inf")),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_at_definition(option: str, value: object) -> None:
    """The error names the task, the option, the value and what is wanted."""
    with pytest.raises(DefinitionError, match=rf"refused: {option} is .*wanted"):

        @task(**{option: value})  # type: ignore[call-overload]
        def refused() -> None: ...


def test_zero_means_zero() -> None:
    """0 is a value, not "unset"."""

    @task(retry_delay=0, keep_result=0, expires_after=0, priority=0)
    def zeros() -> int: ...

    options = zeros.definition.options
    assert (options.retry_delay, options.keep_result, options.expires_after, options.priority) == (0, 0, 0, 0)
    assert zeros.definition.keeps_result is False
    overrides = zeros().delay(0).retry_after(0).priority(0).__task_call__.overrides
    assert overrides is not None
    assert (overrides.delay, overrides.retry_delay, overrides.priority) == (0, 0, 0)


def test_durations_may_be_timedeltas() -> None:
    """Every duration takes seconds or a timedelta."""

    @task(retry_delay=timedelta(minutes=1), timeout=timedelta(seconds=5), visibility_timeout=timedelta(minutes=2))
    def timed() -> None: ...

    options = timed.definition.options
    assert (options.retry_delay, options.timeout, options.visibility_timeout) == (60, 5, 120)
    overrides = timed().delay(timedelta(hours=1)).__task_call__.overrides
    assert overrides is not None
    assert overrides.delay == 3600


def test_a_timeout_not_below_the_visibility_timeout_is_refused() -> None:
    """Otherwise a task would be delivered again while it still runs: at definition, and at either end of the chain."""
    with pytest.raises(DefinitionError, match="not below visibility_timeout"):
        task(timeout=10, visibility_timeout=10)(lambda: None)

    @task(timeout=10, visibility_timeout=20)
    def limited() -> None: ...

    with pytest.raises(DefinitionError, match="not below visibility_timeout"):
        limited().timeout(20)
    with pytest.raises(DefinitionError, match="not below visibility_timeout"):
        limited().visibility_timeout(10)
    limited().visibility_timeout(40).timeout(30)
    limited().timeout(None).visibility_timeout(5)


def test_the_chain_changes_and_returns_the_invocation() -> None:
    """Every chain method is checked like the option, and the last word counts."""

    @task
    def chained() -> None: ...

    invocation = chained()
    assert invocation.on_queue("q").delay(5).max_attempts(2).unique("k").correlation_id("c") is invocation
    moment = datetime(2027, 1, 1, tzinfo=UTC)
    overrides = invocation.at(moment).task_id("my-id").expires_after(9).__task_call__.overrides
    assert overrides is not None
    assert (overrides.available_at, overrides.delay) == (moment, UNSET)
    invocation.delay(3)
    assert (overrides.available_at, overrides.delay) == (UNSET, 3)
    for wrong in (
        lambda: invocation.on_queue("a b"),
        lambda: invocation.max_attempts(0),
        lambda: invocation.delay(-1),
        lambda: invocation.at(datetime(2027, 1, 1)),
        lambda: invocation.task_id("a/b"),
        lambda: invocation.priority(11),
    ):
        with pytest.raises(DefinitionError, match="wanted"):
            wrong()


def test_keep_result_follows_the_return_annotation() -> None:
    """A result is kept 300 seconds unless the task is annotated to return None; no annotation counts as a result."""

    @task
    def nothing() -> None: ...

    @task
    def number() -> int: ...

    @task
    def unsaid(): ...  # type: ignore[no-untyped-def]

    @task(keep_result=7)
    def said() -> None: ...

    class Typed(AsyncTask[bool]):
        async def execute(self): ...  # type: ignore[no-untyped-def]

    class Nothing(SyncTask[None]):
        def execute(self) -> None: ...

    kept = [t.definition.keep_result for t in (nothing, number, unsaid, said)]
    assert kept == [0, 300, 300, 7]
    assert Typed.__task_definition__ is not None
    assert Nothing.__task_definition__ is not None
    assert (Typed.__task_definition__.keep_result, Typed.__task_definition__.result_type) == (300, bool)
    assert Nothing.__task_definition__.keeps_result is False
