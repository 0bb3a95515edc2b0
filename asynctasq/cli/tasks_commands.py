"""`asynctasq tasks`."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click

from asynctasq.cli.driver_commands import confirm, json_option, run_with_driver, yes_option
from asynctasq.cli.exit_codes import ExitCode
from asynctasq.cli.output import write_json
from asynctasq.cli.setting_flags import ConfiguredCommand
from asynctasq.cli.task_actions import Action, act
from asynctasq.cli.task_selection import PAGE, Selection, fetch_tasks, selected_tasks, selection_options
from asynctasq.cli.task_view import task_mapping, write_task, write_task_table
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import TaskState

ids_argument = click.argument("ids", nargs=-1, required=True, metavar="ID...")


@click.group()
def tasks() -> None:
    """List, show, cancel, retry and delete tasks."""


def values_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--arguments` and `--result`: both may be private, so they are asked for."""
    command = click.option("--result", is_flag=True, help="Show the stored result as well.")(command)
    return click.option("--arguments", is_flag=True, help="Show the arguments as well.")(command)


@tasks.command("list", cls=ConfiguredCommand)
@selection_options(state=True)
@click.option("--limit", type=click.IntRange(min=1), default=PAGE, show_default=True, help="How many at most.")
@click.option("--all", "everything", is_flag=True, help="All of them, however many there are.")
@json_option
@click.pass_context
def list_tasks(
    ctx: click.Context, limit: int, everything: bool, as_json: bool, state: str | None, **selection: Any
) -> int:
    """List tasks. The order is the driver's own."""
    chosen = Selection(state=None if state is None else TaskState(state), **selection)
    return run_with_driver(
        ctx, partial(print_selected, selection=chosen, limit=None if everything else limit, as_json=as_json)
    )


async def print_selected(driver: Driver, *, selection: Selection, limit: int | None, as_json: bool) -> None:
    """Print the list, and say if there is more than that."""
    look_for = None if limit is None else limit + 1
    records = [record async for record in selected_tasks(driver, selection, limit=look_for)]
    shown = records if limit is None else records[:limit]
    if as_json:
        write_json([task_mapping(record) for record in shown])
    else:
        write_task_table(shown, nothing="no task is like that")
    if len(shown) < len(records):
        click.echo(f"there are more than {limit}: --limit, or --all", err=True)


@tasks.command("show", cls=ConfiguredCommand)
@ids_argument
@values_options
@json_option
@click.pass_context
def show(ctx: click.Context, ids: tuple[str, ...], arguments: bool, result: bool, as_json: bool) -> int:
    """Show all that is known of these tasks, with their failures."""
    return run_with_driver(ctx, partial(print_tasks, ids=ids, arguments=arguments, result=result, as_json=as_json))


async def print_tasks(
    driver: Driver,
    *,
    ids: Sequence[str],
    arguments: bool,
    result: bool,
    as_json: bool,
    wanted_state: TaskState | None = None,
) -> int:
    """Print these tasks; 1 if one is missing, or not in the state that is wanted."""
    found = await fetch_tasks(driver, ids)
    records = [
        found[task_id]
        for task_id in dict.fromkeys(ids)
        if task_id in found and wanted_state in (None, found[task_id].state)
    ]
    if as_json:
        write_json([task_mapping(record, arguments=arguments, result=result) for record in records])
    else:
        for number, record in enumerate(records):
            if number:
                click.echo("-" * 40)
            write_task(record, arguments=arguments, result=result)
    missing = [task_id for task_id in dict.fromkeys(ids) if task_id not in {record.id for record in records}]
    for task_id in missing:
        kind = "task" if wanted_state is None else f"{wanted_state} task"
        click.echo(f"there is no {kind} {task_id}: it ended and was not kept, or never existed", err=True)
    return ExitCode.FAILED if missing else ExitCode.FINE


@tasks.command("cancel", cls=ConfiguredCommand)
@ids_argument
@json_option
@click.pass_context
def cancel(ctx: click.Context, ids: tuple[str, ...], as_json: bool) -> int:
    """Cancel tasks: at once while they wait; a running one is stopped by its worker."""
    return run_with_driver(ctx, partial(act, action=Action.CANCEL, ids=ids, as_json=as_json))


@tasks.command("retry", cls=ConfiguredCommand)
@ids_argument
@json_option
@click.pass_context
def retry(ctx: click.Context, ids: tuple[str, ...], as_json: bool) -> int:
    """Run dead tasks again, with all of their attempts."""
    return run_with_driver(ctx, partial(act, action=Action.REPLAY, ids=ids, as_json=as_json))


@tasks.command("delete", cls=ConfiguredCommand)
@ids_argument
@yes_option
@json_option
@click.pass_context
def delete(ctx: click.Context, ids: tuple[str, ...], yes: bool, as_json: bool) -> int:
    """Delete tasks, whatever became of them. Running ones are left alone: cancel them first."""
    confirm(f"Delete {len(ids)} tasks?", yes=yes)
    return run_with_driver(ctx, partial(act, action=Action.DELETE, ids=ids, as_json=as_json))
