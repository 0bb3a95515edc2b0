"""`asynctasq move`."""

import sys

import click
from anyio import sleep

from asynctasq.cli.command_state import PlainCommand
from asynctasq.cli.exit_codes import ExitCode
from asynctasq.cli.output import write_json
from asynctasq.contract.checks import check_identifier
from asynctasq.contract.traits import Guarantee
from asynctasq.errors import ConfigurationError, DriverUnavailable, InvalidArgument, QueueFull, TransactionAborted
from asynctasq.event_loop import run_event_loop
from asynctasq.moving.move import OURS, Move, Moved
from asynctasq.plugins.driver_factory import DriverFactory, verify_traits
from asynctasq.plugins.specs import DriverSpec

_TRIES = 5
"""How often an unanswered step is begun anew before the command gives up: every step may be repeated."""


@click.command(cls=PlainCommand, short_help="Move waiting tasks to another store.")
@click.option("--from", "source_url", required=True, metavar="URL", help="Where the tasks are.")
@click.option("--to", "target_url", required=True, metavar="URL", help="Where they are to be.")
@click.option("--queues", metavar="A,B,...", help="These queues alone; else every queue that has tasks.")
@click.option("--dead", is_flag=True, help="Take dead letters along: they arrive ready, with attempts 0.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def move(source_url: str, target_url: str, queues: str | None, dead: bool, as_json: bool) -> int:
    """Move ready and scheduled tasks between any two stores, with their ids and options.

    The queues are paused in both stores meanwhile, and what runs is waited for. Interrupted anywhere, run it again:
    nothing is lost. A task may run twice only if its delivery was under way when its queue was paused. Attempts begin
    anew, and failures stay behind. At the end the queues stay paused in the source, and are served in the target. The
    exit code is 1 if a task stayed behind.
    """
    chosen = None if queues is None else _queue_names(queues)
    sides = [DriverFactory.load(url) for url in (source_url, target_url)]
    for flag, side in zip(("--from", "--to"), sides, strict=True):
        _check_outlives(flag, side.spec)
    source, target = (DriverFactory.create(url) for url in (source_url, target_url))
    loops = sides[0].spec.event_loops & sides[1].spec.event_loops
    begun: list[Move] = []

    async def run() -> list[Moved]:
        async with source, target:
            verify_traits(source, sides[0].spec)
            verify_traits(target, sides[1].spec)
            begun.append(Move(source, target, say=_say, progress=_progress, with_dead=dead))
            return await _persistently(begun[0], chosen)

    try:
        found = run_event_loop(run, event_loops=loops)
    except KeyboardInterrupt:
        if any(move.has_paused for move in begun):
            _say("interrupted: the queues stay paused in both stores; run the same move again, and it goes on")
        else:
            _say("interrupted, before this move paused or moved anything")
        return ExitCode.INTERRUPTED
    if as_json:
        write_json(found)
    for each in found:
        _report(each, as_json, with_dead=dead)
    if found:
        _say(f"in the source these stay paused: {' '.join(each.queue for each in found)}")
    else:
        _say("nothing to move: no queue of the source has tasks")
    return ExitCode.FAILED if any(each.kept or each.left for each in found) else ExitCode.FINE


def _queue_names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    try:
        for name in names:
            check_identifier("queue", name)
    except InvalidArgument as error:
        raise click.BadParameter(str(error), param_hint="'--queues'") from None
    if not names:
        raise click.BadParameter("it names no queue", param_hint="'--queues'")
    if held := sorted(set(names).intersection(OURS)):
        raise click.BadParameter(f"{held[0]} is where a move keeps its own notes", param_hint="'--queues'")
    return names


def _check_outlives(flag: str, spec: DriverSpec) -> None:
    if Guarantee.SHARED_BETWEEN_PROCESSES not in spec.guarantees:
        raise ConfigurationError(
            f"{flag}: the driver {spec.name} keeps its tasks in this one process, which ends with the move; "
            "name a store that other processes see"
        )


async def _persistently(move: Move, queues: list[str] | None) -> list[Moved]:
    for attempt in range(1, _TRIES):
        try:
            return await move.run(queues)
        except (DriverUnavailable, QueueFull, TransactionAborted) as error:
            _say(f"interrupted ({error}); going on")
            await sleep(attempt)
    return await move.run(queues)


def _report(moved: Moved, as_json: bool, *, with_dead: bool) -> None:
    if not as_json:
        click.echo(f"{moved.queue}: {moved.moved} of {moved.found} tasks moved")
    if moved.kept:
        _say(
            f"{moved.queue}: {len(moved.kept)} tasks stay in the source, because others in the target hold their "
            f"unique keys, such as {moved.kept[0]}"
        )
    if moved.gone:
        _say(f"{moved.queue}: {moved.gone} tasks ended in the source, or run there, before they could be moved")
    if moved.dead:
        cure = "" if with_dead else "; --dead takes them along"
        _say(f"{moved.queue}: {moved.dead} dead letters stay in the source{cure}")
    if moved.left:
        _say(f"{moved.queue}: {moved.left} tasks came in meanwhile; run the move again for them")


def _say(line: str) -> None:
    click.echo(line, err=True)


def _progress(queue: str, moved: int, found: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{queue}: {moved}/{found}", err=True, nl=moved == found)
