"""What was dispatched in a test, and saying what was not."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import UNSET, Struct, UnsetType

from asynctasq.config import Config
from asynctasq.tasks.task_call import Overrides, TaskCall
from asynctasq.tasks.task_definition import TaskDefinition
from asynctasq.tasks.task_handle import TaskHandle

_SHOWN = 3
"""How many of the nearest tasks a failure shows."""


class HasDefinition(Protocol):
    """A function that was made a task."""

    @property
    def definition(self) -> TaskDefinition: ...


class Dispatched(Struct, frozen=True, kw_only=True):
    """One task that was dispatched."""

    name: str
    args: Mapping[str, Any]
    """Parameter name -> what the caller passed; defaults are not in it."""
    queue: str
    delay: float
    """Seconds until it was due, when it was dispatched."""
    handle: TaskHandle[Any]

    def lines(self) -> list[str]:
        """For a diff."""
        return _lines(self.name, self.args, self.queue, self.delay)


class Wanted(Struct, frozen=True, kw_only=True):
    """What a test asks for. UNSET: anything."""

    name: str
    args: Mapping[str, Any] | UnsetType = UNSET
    queue: str | UnsetType = UNSET
    delay: float | UnsetType = UNSET

    def fits(self, found: Dispatched) -> bool:
        """Whether it was this one. Of the arguments only those that are asked for are compared."""
        return (
            found.name == self.name
            and (self.args is UNSET or all(n in found.args and found.args[n] == v for n, v in self.args.items()))
            and (self.queue is UNSET or found.queue == self.queue)
            and (self.delay is UNSET or abs(found.delay - self.delay) < 1e-3)
        )

    def difference(self, all_found: Iterable[Dispatched]) -> str:
        """The nearest of what was dispatched, each as a diff against this."""
        found = [(self._shown_beside(each), each.lines()) for each in all_found]
        if not found:
            return "nothing was dispatched"
        found.sort(key=lambda pair: -difflib.SequenceMatcher(None, "\n".join(pair[0]), "\n".join(pair[1])).ratio())
        diffs = ["\n".join(difflib.ndiff(wanted, actual)) for wanted, actual in found[:_SHOWN]]
        return f"{len(found)} dispatched; the nearest (- wanted, + dispatched):\n" + "\n\n".join(diffs)

    def _shown_beside(self, found: Dispatched) -> list[str]:
        """Whatever is not asked for is shown as what was found, so that a diff has none of it."""
        return _lines(
            self.name,
            found.args if self.args is UNSET else {**found.args, **self.args},
            found.queue if self.queue is UNSET else self.queue,
            found.delay if self.delay is UNSET else self.delay,
        )


def definition_of(task: HasDefinition | type | str) -> str:
    """The name of a task: of a function, of a class, or as it is."""
    if isinstance(task, str):
        return task
    definition = getattr(task, "__task_definition__", None) or getattr(task, "definition", None)
    if not isinstance(definition, TaskDefinition):
        raise TypeError(
            f"{task!r} is no task; wanted a function with @task, a task class that has execute(), or a name"
        )
    return definition.name


def recorded(call: TaskCall, handle: TaskHandle[Any], config: Config, now: datetime) -> Dispatched:
    """What a call came to."""
    chosen = Overrides() if call.overrides is None else call.overrides
    declared = call.definition.options.queue
    queue = declared if chosen.queue is UNSET else chosen.queue
    delay = 0.0 if chosen.delay is UNSET else chosen.delay
    if chosen.available_at is not UNSET:
        delay = max((chosen.available_at - now).total_seconds(), 0.0)
    return Dispatched(
        name=call.definition.name,
        args=dict(call.arguments),
        queue=config.task_defaults.queue if queue is UNSET else queue,
        delay=delay,
        handle=handle,
    )


def matching(dispatched: Sequence[Dispatched], wanted: Wanted, count: int | None) -> list[Dispatched]:
    """Those that fit.

    Raises:
        AssertionError: there are not `count` of them (None: not even one).
    """
    found = [each for each in dispatched if wanted.fits(each)]
    if (count is None and found) or len(found) == count:
        return found
    how_often = "at least once" if count is None else f"{count} times"
    raise AssertionError(
        f"{wanted.name} should have been dispatched {how_often}, and was {len(found)} times; "
        f"{wanted.difference(dispatched)}"
    )


def _lines(name: str, args: Mapping[str, Any], queue: str, delay: float) -> list[str]:
    return [
        f"task: {name}",
        *(f"  {argument} = {value!r}" for argument, value in args.items()),
        f"queue: {queue}",
        f"scheduled in: {delay:g} s",
    ]
