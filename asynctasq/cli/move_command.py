"""`asynctasq move`."""

import sys

import click
from anyio import sleep

from asynctasq.cli.output import write_json
from asynctasq.errors import DriverError
from asynctasq.event_loop import run_event_loop
from asynctasq.moving.move import Move, Moved
from asynctasq.plugins.driver_factory import DriverFactory, verify_traits

_TRIES = 5
"""How often an unanswered step is begun anew before the command gives up: every step may be repeated."""


@click.command(short_help="Move waiting tasks to another store.")
@click.option("--from", "source_url", required=True, metavar="URL", help="Where the tasks are.")
@click.option("--to", "target_url", required=True, metavar="URL", help="Where they are to be.")
@click.option("--queues", metavar="A,B,...", help="These queues alone; else every queue that has tasks.")
@click.option("--dead", is_flag=True, help="Take dead letters along: they arrive ready, with attempts 0.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def move(source_url: str, target_url: str, queues: str | None, dead: bool, as_json: bool) -> int:
    """Move ready and scheduled tasks between any two stores, with their ids and options.

    The queues are paused in both stores meanwhile, and what runs is waited for. Interrupted anywhere, run it again:
    nothing is lost, and nothing is doubled. Attempts begin anew, and failures stay behind. At the end the queues stay
    paused in the source, and are served in the target.
    """
    chosen = None if queues is None else [name.strip() for name in queues.split(",") if name.strip()]
    sides = [DriverFactory.load(url) for url in (source_url, target_url)]
    source, target = (DriverFactory.create(url) for url in (source_url, target_url))
    loops = sides[0].spec.event_loops & sides[1].spec.event_loops

    async def run() -> list[Moved]:
        async with source, target:
            verify_traits(source, sides[0].spec)
            verify_traits(target, sides[1].spec)
            return await _persistently(Move(source, target, say=_say, progress=_progress, with_dead=dead), chosen)

    found = run_event_loop(run, event_loops=loops)
    if as_json:
        write_json(found)
    for each in found:
        _report(each, as_json)
    return 1 if any(each.kept for each in found) else 0


async def _persistently(move: Move, queues: list[str] | None) -> list[Moved]:
    for attempt in range(1, _TRIES):
        try:
            return await move.run(queues)
        except DriverError as error:
            _say(f"interrupted ({error}); going on")
            await sleep(attempt)
    return await move.run(queues)


def _report(moved: Moved, as_json: bool) -> None:
    if not as_json:
        click.echo(f"{moved.queue}: {moved.moved} of {moved.found} tasks moved")
    if moved.kept:
        _say(
            f"{moved.queue}: {len(moved.kept)} tasks stay in the source, because others in the target hold their "
            f"unique keys, such as {moved.kept[0]}"
        )
    if moved.left:
        _say(f"{moved.queue}: {moved.left} tasks came in meanwhile; run the move again for them")


def _say(line: str) -> None:
    click.echo(line, err=True)


def _progress(queue: str, moved: int, found: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{queue}: {moved}/{found}", err=True, nl=moved == found)
