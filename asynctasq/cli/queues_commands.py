"""`asynctasq queues`."""

from collections.abc import Sequence

import click
from msgspec import structs

from asynctasq.cli.driver_commands import confirm, dry_run_option, json_option, run_with_driver, yes_option
from asynctasq.cli.durations import spoken_age
from asynctasq.cli.output import write_json, write_table
from asynctasq.cli.setting_flags import ConfiguredCommand
from asynctasq.cli.task_selection import Selection, selected_tasks
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import QueueStats, TaskState
from asynctasq.contract.features import Pausing
from asynctasq.errors import AsyncTasqError


@click.group()
def queues() -> None:
    """List, measure, pause, resume and purge queues."""


@queues.command("list", cls=ConfiguredCommand)
@json_option
@click.pass_context
def list_queues(ctx: click.Context, as_json: bool) -> int:
    """List every queue that has tasks, totals or a pause."""

    async def show(driver: Driver) -> None:
        stats, paused = await _stats_and_pauses(driver, ())
        if as_json:
            write_json([_mapping(name, each, name in paused) for name, each in stats.items()])
            return
        write_table(
            ("queue", "ready", "scheduled", "leased", "dead", "oldest", "paused"),
            [
                (
                    name, each.ready, each.scheduled, each.leased, each.dead, spoken_age(each.oldest_ready_age),
                    "paused" if name in paused else "",
                )
                for name, each in stats.items()
            ],
            nothing="no queue has tasks",
        )  # fmt: skip

    return run_with_driver(ctx, show)


@queues.command("stats", cls=ConfiguredCommand)
@click.argument("names", nargs=-1, metavar="[QUEUE]...")
@json_option
@click.pass_context
def queue_stats(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> int:
    """Show gauges, ages and totals of these queues, or of all."""

    async def show(driver: Driver) -> None:
        stats, paused = await _stats_and_pauses(driver, names)
        if as_json:
            write_json([_mapping(name, each, name in paused) for name, each in stats.items()])
            return
        write_table(
            ("queue", "ready", "scheduled", "leased", "dead", "oldest", "completed", "died", "retried", "cancelled"),
            [
                (
                    name, each.ready, each.scheduled, each.leased, each.dead, spoken_age(each.oldest_ready_age),
                    each.total_completed, each.total_dead, each.total_retried, each.total_cancelled,
                )
                for name, each in stats.items()
            ],
            nothing="no queue has tasks",
        )  # fmt: skip

    return run_with_driver(ctx, show)


@queues.command("pause", cls=ConfiguredCommand)
@click.argument("names", nargs=-1, required=True, metavar="QUEUE...")
@click.pass_context
def pause(ctx: click.Context, names: tuple[str, ...]) -> int:
    """Deliver nothing from these queues until they are resumed. What runs goes on."""

    async def run(driver: Driver) -> None:
        await _pausing(driver).pause(names)
        click.echo(f"paused: {', '.join(names)}")

    return run_with_driver(ctx, run)


@queues.command("resume", cls=ConfiguredCommand)
@click.argument("names", nargs=-1, required=True, metavar="QUEUE...")
@click.pass_context
def resume(ctx: click.Context, names: tuple[str, ...]) -> int:
    """Deliver from these queues again."""

    async def run(driver: Driver) -> None:
        await _pausing(driver).resume(names)
        click.echo(f"resumed: {', '.join(names)}")

    return run_with_driver(ctx, run)


@queues.command("purge", cls=ConfiguredCommand)
@click.argument("names", nargs=-1, required=True, metavar="QUEUE...")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in TaskState]),
    help="Only tasks in this state; may be given several times. Without it, all of them, running ones included.",
)
@dry_run_option
@yes_option
@click.pass_context
def purge(ctx: click.Context, names: tuple[str, ...], states: tuple[str, ...], dry_run: bool, yes: bool) -> int:
    """Remove tasks from queues, for good. Totals and pauses stay."""
    chosen = tuple(map(TaskState, states))
    what = f"{' and '.join(states)} tasks" if states else "all tasks, running ones included,"
    if not dry_run:
        confirm(f"Remove {what} from {', '.join(names)}?", yes=yes)

    async def run(driver: Driver) -> None:
        counts = {name: await _count(driver, name, chosen) for name in names}
        if not dry_run:
            await driver.purge(names, states=chosen or None)
        verb = "would be removed" if dry_run else "removed"
        for name, number in counts.items():
            click.echo(f"{name}: {number:,} tasks {verb}")

    return run_with_driver(ctx, run)


async def _stats_and_pauses(driver: Driver, names: Sequence[str]) -> tuple[dict[str, QueueStats], frozenset[str]]:
    stats = await driver.queue_stats(names or None)
    paused = frozenset[str]() if driver.pausing is None else await driver.pausing.paused_queues()
    return dict(sorted(stats.items())), paused


async def _count(driver: Driver, queue: str, states: Sequence[TaskState]) -> int:
    number = 0
    for state in states or (None,):
        async for _ in selected_tasks(driver, Selection(queue=queue, state=state), limit=None):
            number += 1
    return number


def _pausing(driver: Driver) -> Pausing:
    if driver.pausing is None:
        raise AsyncTasqError(f"{type(driver).__name__} can't pause queues; stop their workers instead")
    return driver.pausing


def _mapping(name: str, stats: QueueStats, is_paused: bool) -> dict[str, object]:
    return {"queue": name, **structs.asdict(stats), "paused": is_paused}
