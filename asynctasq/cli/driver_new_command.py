"""`asynctasq driver new`."""

from pathlib import Path

import click

from asynctasq.cli.command_state import PlainCommand
from asynctasq.cli.exit_codes import ExitCode
from asynctasq.cli.scaffold.driver_package import why_folder_is_refused, why_name_is_refused, write_driver_package


@click.group()
def driver() -> None:
    """Drivers of your own."""


@driver.command("new", cls=PlainCommand, short_help="Write the package of a driver, which works as it is written.")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where to write it: a folder that is empty, or not there. [default: ./asynctasq-NAME]",
)
def new(name: str, folder: Path | None) -> int:
    """Write the package of a driver NAME: entry point, settings, a storage that works, harness, tests and CI.

    It passes the conformance suite as it is written, and goes on passing it while your backend takes the place of its
    storage, step by step.
    """
    if reason := why_name_is_refused(name):
        raise click.BadParameter(reason, param_hint="NAME")
    folder = Path(f"asynctasq-{name}") if folder is None else folder
    if reason := why_folder_is_refused(folder):
        click.echo(f"error: {reason}\n  name another folder: --folder", err=True)
        return ExitCode.FAILED
    for path in write_driver_package(name, folder):
        click.echo(str(folder / path))
    click.echo(_next_steps(name, folder), err=True)
    return ExitCode.FINE


def _next_steps(name: str, folder: Path) -> str:
    return f"""
Next:
  cd {folder}
  pip install -e ".[test]"
  pytest
  asynctasq-conformance run {name}://localhost
Your backend's calls go into asynctasq_{name}/store.py and asynctasq_{name}/table.py; the way there: README.md."""
