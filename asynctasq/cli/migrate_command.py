"""`asynctasq migrate`."""

import click

from asynctasq.cli.driver_commands import dry_run_option, prepare_configuration
from asynctasq.cli.setting_flags import ConfiguredCommand
from asynctasq.event_loop import run_event_loop


@click.command(cls=ConfiguredCommand, short_help="Create or upgrade the storage.")
@dry_run_option
@click.option("--force", is_flag=True, help="Accepted for scripts that have it: migrating never asks.")
@click.pass_context
def migrate(ctx: click.Context, dry_run: bool, force: bool) -> int:
    """Create or upgrade what the driver keeps its tasks in.

    Safe to run again, and by several at once. With --dry-run the statements are printed, not run.
    """
    config = prepare_configuration(ctx)
    loaded = config.load_driver()
    driver = config.open_driver()
    statements = run_event_loop(lambda: driver.prepare_storage(dry_run=dry_run), event_loops=loaded.spec.event_loops)
    if dry_run:
        for statement in statements:
            click.echo(f"{statement.rstrip().rstrip(';')};\n")
    done = "would be run" if dry_run else "were run"
    if statements:
        click.echo(f"{loaded.spec.name}: {len(statements)} statements {done}", err=True)
    else:
        click.echo(f"{loaded.spec.name}: the storage is up to date", err=True)
    return 0
