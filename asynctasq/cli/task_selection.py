"""Which tasks a command is about: by id, or by what they have in common."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import click
from msgspec import Struct

from asynctasq.cli.durations import DurationType
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import TaskRecord, TaskState

OutcomeT = TypeVar("OutcomeT")

PAGE = 200


class Selection(Struct, frozen=True, kw_only=True):
    """Tasks that have all of this in common. None is anything."""

    queue: str | None = None
    state: TaskState | None = None
    name: str | None = None
    correlation_id: str | None = None
    older_than: float | None = None
    """Seconds since the task was enqueued."""
    error: str | None = None
    """Part of the last failure's type or message, or of the reason; case does not matter."""

    @property
    def is_everything(self) -> bool:
        """Whether nothing but the state narrows it down."""
        return not any((self.queue, self.name, self.correlation_id, self.older_than is not None, self.error))

    def has_error(self, record: TaskRecord) -> bool:
        """Whether the record fits `error`."""
        return self.error is None or self.error.casefold() in error_text(record).casefold()


def error_text(record: TaskRecord) -> str:
    """What ended the task, or made its last attempt fail; empty if nothing did."""
    parts = [record.reason] if record.reason and record.reason != "failed" else []
    if record.failures:
        last = record.failures[-1]
        parts.append(f"{last.type}: {last.message}")
    return " - ".join(parts)


async def selected_tasks(
    driver: Driver, selection: Selection, *, limit: int | None, after: str | None = None
) -> AsyncIterator[TaskRecord]:
    """The tasks of a selection, at most `limit`; None is all."""
    left = limit
    while left is None or left > 0:
        page = await driver.list_tasks(
            queue=selection.queue,
            state=selection.state,
            name=selection.name,
            correlation_id=selection.correlation_id,
            older_than=selection.older_than,
            limit=min(PAGE, driver.traits.limits.max_batch),
            after=after,
        )
        for record in filter(selection.has_error, page.tasks):
            yield record
            if left is not None:
                left -= 1
                if not left:
                    return
        if (after := page.after) is None:
            return


async def fetch_tasks(driver: Driver, ids: Sequence[str]) -> dict[str, TaskRecord]:
    """The records of these ids, however many; missing ones are absent."""
    size = driver.traits.limits.max_batch
    found: dict[str, TaskRecord] = {}
    for start in range(0, len(ids), size):
        found |= await driver.get_tasks(ids[start : start + size])
    return found


async def in_batches(
    driver: Driver, ids: Sequence[str], call: Callable[[Sequence[str]], Awaitable[Sequence[OutcomeT]]]
) -> list[tuple[str, OutcomeT]]:
    """Call a method of the driver with all ids, in batches that it accepts; every id with its outcome."""
    size = driver.traits.limits.max_batch
    outcomes: list[tuple[str, OutcomeT]] = []
    for start in range(0, len(ids), size):
        batch = ids[start : start + size]
        outcomes += zip(batch, await call(batch), strict=True)
    return outcomes


def selection_options(*, state: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--queue --name --correlation-id --older-than --error`, and `--state` if asked for."""
    options = [
        click.option("--queue", metavar="QUEUE", help="Only tasks of this queue."),
        click.option("--name", metavar="TASK", help="Only tasks of this name."),
        click.option("--correlation-id", metavar="ID", help="Only tasks with this correlation id."),
        click.option("--older-than", type=DurationType(), help="Only tasks enqueued longer ago: 90, 15m, 2h, 7d."),
        click.option("--error", metavar="TEXT", help="Only tasks whose last error or reason has this text."),
    ]
    if state:
        choice = click.Choice([each.value for each in TaskState])
        options.insert(1, click.option("--state", type=choice, help="Only tasks in this state."))

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add
