"""Groups whose commands are imported when they are typed, so that `asynctasq --help` is there at once."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click


class LazyCommand(NamedTuple):
    """Where a command is, and what it does."""

    module: str
    name: str
    """The command's name in that module."""
    summary: str
    """The command's line in `--help`, which must not import it."""


class LazyGroup(click.Group):
    """A group that knows its commands by their places."""

    def __init__(self, *args: Any, lazy_commands: Mapping[str, LazyCommand], **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._lazy_commands = lazy_commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order that it was declared in."""
        return list(self._lazy_commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        place = self._lazy_commands.get(cmd_name)
        return None if place is None else getattr(import_module(place.module), place.name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a misspelt command is answered with the closest one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from asynctasq.plugins.closest_name import closest_name

            close = closest_name(args[0], self._lazy_commands)
            if close is None:
                raise
            raise click.UsageError(f"{error.message.rstrip('.')}; did you mean {close!r}?", ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.summary) for name, place in self._lazy_commands.items()])
