"""What commands that talk to the store have in common: configuration, connection, and the event loop around them."""

import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import click

from asynctasq.cli.application import import_application, put_current_folder_on_path
from asynctasq.cli.command_state import CommandState, state_of
from asynctasq.config import Config, set_flags
from asynctasq.contract.driver import Driver
from asynctasq.event_loop import run_event_loop
from asynctasq.plugins.driver_factory import verify_traits

Action = Callable[[Driver], Awaitable[int | None]]
"""What a command does with a connected driver; None is the exit code 0."""


def prepare_configuration(ctx: click.Context) -> Config:
    """The configuration of a command: its flags before all else. With `--app` that application is imported first, so
    that what its `init()` says counts.

    Raises:
        ConfigurationError: a wrong setting, or an application that can't be imported.
    """
    state: CommandState = state_of(ctx)
    set_flags(state.flags)
    logging.basicConfig(stream=sys.stderr, level=state.log_level(logging.WARNING), format="%(levelname)s %(message)s")
    apps: str = state.flags.get("--app", "")
    if apps:
        put_current_folder_on_path()
        for app in apps.split(","):
            import_application(app)
    return Config.get()


def run_with_driver(ctx: click.Context, action: Action) -> int:
    """Connect the configured driver, run the action, and disconnect; the exit code.

    Raises:
        ConfigurationError: nothing usable is configured.
        DriverError: the backend does not answer, or its storage is missing.
    """
    config = prepare_configuration(ctx)
    loaded = config.load_driver()
    driver = config.open_driver()

    async def run() -> int | None:
        async with driver:
            verify_traits(driver, loaded.spec)
            return await action(driver)

    return run_event_loop(run, event_loops=loaded.spec.event_loops) or 0


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--json`, for every list and show."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def yes_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--yes`, for what can't be undone."""
    return click.option("--yes", is_flag=True, help="Don't ask.")(command)


def dry_run_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--dry-run`."""
    return click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")(command)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is destroyed.

    Raises:
        click.UsageError: nobody is there to answer.
        click.Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody is here to answer: say --yes.")
    click.confirm(question, abort=True, err=True)
