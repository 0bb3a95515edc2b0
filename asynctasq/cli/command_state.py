"""What one run of the command line is told beside its command: how much to say, and whether to show tracebacks."""

import logging
from dataclasses import dataclass, field
from typing import Any

import click


@dataclass
class CommandState:
    """One for each run. Every command takes `--debug`, `-v` and `-q`, before or after its name."""

    debug: bool = False
    verbosity: int = 0
    """How often `-v`, less how often `-q`."""
    flags: dict[str, Any] = field(default_factory=dict[str, Any])
    """The settings that were given as flags, by their spelling."""

    def log_level(self, usual: int) -> int:
        """The level of log lines, from the level without `-v` and `-q`."""
        return min(max(usual - 10 * self.verbosity, logging.DEBUG), logging.CRITICAL)


def state_of(ctx: click.Context) -> CommandState:
    """The state of this run."""
    return ctx.ensure_object(CommandState)


def common_options() -> list[click.Option]:
    """The options of every command."""

    def remember_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        state_of(ctx).debug |= value

    def louder(ctx: click.Context, param: click.Parameter, value: int) -> None:
        state_of(ctx).verbosity += value

    def quieter(ctx: click.Context, param: click.Parameter, value: int) -> None:
        state_of(ctx).verbosity -= value

    return [
        click.Option(
            ["-v", "--verbose"], count=True, expose_value=False, callback=louder, help="Log more; -vv logs still more."
        ),
        click.Option(["-q", "--quiet"], count=True, expose_value=False, callback=quieter, help="Log less."),
        click.Option(
            ["--debug"], is_flag=True, expose_value=False, callback=remember_debug, help="Show tracebacks of errors."
        ),
    ]


class PlainCommand(click.Command):
    """A command with the options that all have."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.params = [*self.params, *common_options()]
