"""`asynctasq dead`."""

from functools import partial
from typing import Any

import click

from asynctasq.cli.driver_commands import confirm, dry_run_option, json_option, run_with_driver, yes_option
from asynctasq.cli.setting_flags import ConfiguredCommand
from asynctasq.cli.task_actions import Action, act
from asynctasq.cli.task_selection import PAGE, Selection, fetch_tasks, selected_tasks, selection_options
from asynctasq.cli.task_view import write_task_table
from asynctasq.cli.tasks_commands import ids_argument, print_selected, print_tasks, values_options
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import TaskState

some_ids_argument = click.argument("ids", nargs=-1, metavar="[ID]...")
everything_option = click.option("--all", "everything", is_flag=True, help="Every dead letter there is.")


@click.group()
def dead() -> None:
    """List, show, replay and delete dead letters: tasks that failed for good, or expired."""


@dead.command("list", cls=ConfiguredCommand)
@selection_options(state=False)
@click.option("--limit", type=click.IntRange(min=1), default=PAGE, show_default=True, help="How many at most.")
@click.option("--all", "everything", is_flag=True, help="All of them, however many there are.")
@json_option
@click.pass_context
def list_dead(ctx: click.Context, limit: int, everything: bool, as_json: bool, **selection: Any) -> int:
    """List dead letters, with what ended them."""
    chosen = Selection(state=TaskState.DEAD, **selection)
    return run_with_driver(
        ctx, partial(print_selected, selection=chosen, limit=None if everything else limit, as_json=as_json)
    )


@dead.command("show", cls=ConfiguredCommand)
@ids_argument
@values_options
@json_option
@click.pass_context
def show(ctx: click.Context, ids: tuple[str, ...], arguments: bool, result: bool, as_json: bool) -> int:
    """Show all that is known of these dead letters, with every failure and its traceback."""
    printing = partial(
        print_tasks, ids=ids, arguments=arguments, result=result, as_json=as_json, wanted_state=TaskState.DEAD
    )
    return run_with_driver(ctx, printing)


@dead.command("replay", cls=ConfiguredCommand)
@some_ids_argument
@selection_options(state=False)
@everything_option
@dry_run_option
@json_option
@click.pass_context
def replay(
    ctx: click.Context, ids: tuple[str, ...], everything: bool, dry_run: bool, as_json: bool, **selection: Any
) -> int:
    """Run dead letters again, with all of their attempts: these ids, or all that match."""
    chosen = _checked(ids, everything, selection)

    async def run(driver: Driver) -> int:
        wanted = ids or await _matching(driver, chosen, show=dry_run)
        return 0 if dry_run else await act(driver, Action.REPLAY, wanted, as_json=as_json)

    return run_with_driver(ctx, run)


@dead.command("delete", cls=ConfiguredCommand)
@some_ids_argument
@selection_options(state=False)
@everything_option
@dry_run_option
@yes_option
@json_option
@click.pass_context
def delete(
    ctx: click.Context,
    ids: tuple[str, ...],
    everything: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **selection: Any,
) -> int:
    """Delete dead letters for good: these ids, or all that match."""
    chosen = _checked(ids, everything, selection)
    if not dry_run:
        confirm(f"Delete {f'{len(ids)} dead letters' if ids else 'the dead letters that match'}?", yes=yes)

    async def run(driver: Driver) -> int:
        wanted = await _dead_among(driver, ids) if ids else await _matching(driver, chosen, show=dry_run)
        return 0 if dry_run else await act(driver, Action.DELETE, wanted, as_json=as_json)

    return run_with_driver(ctx, run)


def _checked(ids: tuple[str, ...], everything: bool, selection: dict[str, Any]) -> Selection:
    chosen = Selection(state=TaskState.DEAD, **selection)
    narrowed = not chosen.is_everything
    if bool(ids) + narrowed + everything != 1:
        raise click.UsageError("Say which dead letters: ids, or --queue, --name, --error and the like, or --all.")
    return chosen


async def _matching(driver: Driver, selection: Selection, *, show: bool) -> list[str]:
    records = [record async for record in selected_tasks(driver, selection, limit=None)]
    if show:
        write_task_table(records, nothing="no dead letter is like that")
    elif not records:
        click.echo("no dead letter is like that", err=True)
    return [record.id for record in records]


async def _dead_among(driver: Driver, ids: tuple[str, ...]) -> list[str]:
    """Of these ids those that are dead letters: `dead delete` never removes a task that still lives."""
    found = await fetch_tasks(driver, ids)
    alive = [task_id for task_id in ids if task_id not in found or found[task_id].state is not TaskState.DEAD]
    if alive:
        raise click.UsageError(f"No dead letters: {', '.join(alive)}. See `asynctasq tasks show`.")
    return list(ids)
