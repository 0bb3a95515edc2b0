"""`asynctasq events`."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from asynctasq.cli.driver_commands import prepare_configuration
from asynctasq.cli.file_tail import follow_lines
from asynctasq.cli.output import printable
from asynctasq.cli.setting_flags import ConfiguredCommand
from asynctasq.config import Config
from asynctasq.contract.events import EventType
from asynctasq.errors import ConfigurationError
from asynctasq.event_loop import run_event_loop
from asynctasq.plugins.event_sink_factory import EventSinkFactory

_POLL = 0.2
_FILE_SINK = "jsonl"


class Shown(Struct, frozen=True, kw_only=True):
    """Which events are shown, and how."""

    types: tuple[str, ...] = ()
    queue: str | None = None
    task: str | None = None
    as_json: bool = False

    def show(self, event: dict[str, Any], line: str | None = None) -> None:
        """Print an event, if it is one of those; `line` is the text that it was read from."""
        if self._fits(event):
            click.echo((line or msgspec.json.encode(event).decode()) if self.as_json else _one_line(event))

    def _fits(self, event: dict[str, Any]) -> bool:
        if self.types and event.get("event_type") not in self.types:
            return False
        if (
            self.queue is not None
            and self.queue != event.get("queue")
            and self.queue not in (event.get("queues") or ())
        ):
            return False
        return self.task is None or self.task in (event.get("task_id"), event.get("task_name"))


@click.command(cls=ConfiguredCommand)
@click.option("--sink", metavar="NAME", help="Follow this event sink, of those that are switched on.")
@click.option("--file", "path", type=click.Path(dir_okay=False, path_type=Path), help="Follow this jsonl file.")
@click.option("--last", type=click.IntRange(min=0), default=10, show_default=True, help="Begin with so many old ones.")
@click.option("--no-follow", is_flag=True, help="Show what is in the file, and end.")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice([each.value for each in EventType]),
    help="Only events of this type.",
)
@click.option("--queue", metavar="QUEUE", help="Only events of this queue.")
@click.option("--task", metavar="TASK", help="Only events of the task with this id or name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, for programs.")
@click.pass_context
def events(ctx: click.Context, sink: str | None, path: Path | None, last: int, no_follow: bool, **shown: Any) -> None:
    """Follow what happens: tasks enqueued, started, completed, failed; workers coming and going.

    It reads the file of the event sink 'jsonl', also one that is rotated meanwhile, or hears another sink that can be
    followed, such as 'redis', from now on. Ctrl-C ends it.
    """
    printer = Shown(**shown)
    try:
        if path is None:
            config = prepare_configuration(ctx)
            sink = _chosen_sink(config, sink)
            if sink != _FILE_SINK:
                run_event_loop(partial(_hear, config, sink, printer))
                return
            path = Path(str(getattr(config.event_sink_settings(_FILE_SINK), "path", "")))
        if not path.exists() and not no_follow:
            click.echo(f"waiting for {path}, which is not there yet", err=True)
        for line in follow_lines(path, last=last, pause=None if no_follow else _pause):
            if (event := _read(line)) is not None:
                printer.show(event, line)
    except KeyboardInterrupt:
        return


def _chosen_sink(config: Config, wanted: str | None) -> str:
    """The sink that is asked for, else the first that is switched on and can be followed."""
    sinks = config.events.enabled_sinks
    for name in sinks if wanted is None else (wanted,):
        if name == _FILE_SINK or EventSinkFactory.load(name).spec.subscribe is not None:
            return name
    on = f"{', '.join(sinks)} can't be followed" if sinks else "none is switched on"
    raise ConfigurationError(
        f"there is no event sink to follow: {on if wanted is None else f'{wanted} can not be followed'}; switch on "
        "'jsonl' for the application and its workers, ASYNCTASQ_EVENTS_SINKS=jsonl, or name a file: --file"
    )


async def _hear(config: Config, sink: str, printer: Shown) -> None:
    subscribe = EventSinkFactory.load(sink).spec.subscribe
    assert subscribe is not None
    async with subscribe(config.event_sink_settings(sink)) as events:
        async for event in events:
            printer.show(msgspec.to_builtins(event))


def _pause() -> None:
    time.sleep(_POLL)


def _read(line: str) -> dict[str, Any] | None:
    """The event of a line, taken out of its CloudEvent if it is in one; None for what is no event."""
    try:
        event = msgspec.json.decode(line, type=dict[str, Any])
        return msgspec.convert(event.get("data"), dict[str, Any]) if "specversion" in event else event
    except msgspec.MsgspecError:
        return None


def _one_line(event: dict[str, Any]) -> str:
    words = [str(event.get("timestamp", ""))[:23], str(event.get("event_type", "?")).ljust(16)]
    words += [str(event[name]) for name in ("task_name", "task_id") if event.get(name)]
    for name in ("queue", "attempt", "duration_ms", "worker_id", "active", "processed", "error"):
        value = event.get(name)
        if value is not None:
            words.append(f"{name}={value:.1f}" if isinstance(value, float) else f"{name}={value}")
    return printable(" ".join(words))
