"""`asynctasq demo`."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from asynctasq.cli.command_state import PlainCommand
from asynctasq.demo.run import AT_MOST, Options, Progress, demonstrate
from asynctasq.event_loop import run_event_loop


@click.command(cls=PlainCommand)
@click.argument("paths", nargs=-1, metavar="[FOLDER]...")
@click.option("--url", metavar="URL", help="Where the tasks are stored. Without it, a temporary SQLite file.")
@click.option("--all", "everything", is_flag=True, help=f"Index every file, instead of a sample of {AT_MOST:,}.")
@click.option(
    "--keep",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the store in this folder, to look at it, or to --check it again.",
)
@click.option("--check", is_flag=True, help="Run nothing: compare what --keep FOLDER holds with the folders again.")
def demo(paths: tuple[str, ...], url: str | None, everything: bool, keep: Path | None, check: bool) -> int:
    """Watch two worker processes index the identifiers of real source trees; one is killed half-way.

    Without a FOLDER: the standard library and the installed packages. At the end what the store holds is compared with
    an independent walk of the same folders; the exit code is 0 only if every file was counted exactly once.
    """
    options = Options(paths=paths, url=url, everything=everything, keep=keep, check=check)
    with _progress() as (say, progress):
        return run_event_loop(partial(demonstrate, options, say, progress))


@contextmanager
def _progress() -> Generator[tuple[Callable[[str], None], Progress]]:
    """A function for lines and one for progress: a bar on a terminal, else nothing but the lines."""
    if not sys.stdout.isatty():
        yield _say, lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("files", total=None)
        yield _say, lambda done, total: bar.update(task, completed=done, total=total)


def _say(line: str) -> None:
    click.echo(line)
