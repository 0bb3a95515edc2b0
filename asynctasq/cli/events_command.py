"""`asynctasq events`."""

import time
from pathlib import Path
from typing import Any

import click
import msgspec

from asynctasq.cli.driver_commands import prepare_configuration
from asynctasq.cli.file_tail import follow_lines
from asynctasq.cli.output import printable
from asynctasq.cli.setting_flags import ConfiguredCommand
from asynctasq.config import Config
from asynctasq.contract.events import EventType
from asynctasq.errors import ConfigurationError

_POLL = 0.2


@click.command(cls=ConfiguredCommand)
@click.option("--file", "path", type=click.Path(dir_okay=False, path_type=Path), help="Follow this jsonl file.")
@click.option("--last", type=click.IntRange(min=0), default=10, show_default=True, help="Begin with so many old ones.")
@click.option("--no-follow", is_flag=True, help="Show what is there, and end.")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice([each.value for each in EventType]),
    help="Only events of this type.",
)
@click.option("--queue", metavar="QUEUE", help="Only events of this queue.")
@click.option("--task", metavar="TASK", help="Only events of the task with this id or name.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as it is written, one JSON object per line.")
@click.pass_context
def events(
    ctx: click.Context,
    path: Path | None,
    last: int,
    no_follow: bool,
    types: tuple[str, ...],
    queue: str | None,
    task: str | None,
    as_json: bool,
) -> None:
    """Follow what happens: tasks enqueued, started, completed, failed; workers coming and going.

    It reads the file of the event sink 'jsonl', also one that is rotated meanwhile. Ctrl-C ends it.
    """
    if path is None:
        path = _configured_file(prepare_configuration(ctx))
    try:
        for line in follow_lines(path, last=last, pause=None if no_follow else _pause):
            event = _read(line)
            if event is not None and _fits(event, types, queue, task):
                click.echo(line if as_json else _one_line(event))
    except KeyboardInterrupt:
        return


def _configured_file(config: Config) -> Path:
    sinks = config.events.enabled_sinks
    if "jsonl" in sinks:
        return Path(str(getattr(config.event_sink_settings("jsonl"), "path", "")))
    on = f"only {', '.join(sinks)} is" if sinks else "none is"
    raise ConfigurationError(
        f"there is no event sink to follow: {on} switched on; switch on the sink 'jsonl' for the application and its "
        "workers, ASYNCTASQ_EVENTS_SINKS=jsonl, or name a file: --file"
    )


def _pause() -> None:
    time.sleep(_POLL)


def _read(line: str) -> dict[str, Any] | None:
    """The event of a line, taken out of its CloudEvent if it is in one; None for what is no event."""
    try:
        event = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None
    data = event.get("data")
    return data if "specversion" in event and isinstance(data, dict) else event  # pyright: ignore[reportUnknownVariableType]


def _fits(event: dict[str, Any], types: tuple[str, ...], queue: str | None, task: str | None) -> bool:
    if types and event.get("event_type") not in types:
        return False
    if queue is not None and queue != event.get("queue") and queue not in (event.get("queues") or ()):
        return False
    return task is None or task in (event.get("task_id"), event.get("task_name"))


def _one_line(event: dict[str, Any]) -> str:
    words = [str(event.get("timestamp", ""))[:23], str(event.get("event_type", "?")).ljust(16)]
    words += [str(event[name]) for name in ("task_name", "task_id") if event.get(name)]
    for name in ("queue", "attempt", "duration_ms", "worker_id", "active", "processed", "error"):
        value = event.get(name)
        if value is not None:
            words.append(f"{name}={value:.1f}" if isinstance(value, float) else f"{name}={value}")
    return printable(" ".join(words))
