"""`asynctasq config show`."""

from typing import Any

import click
import msgspec

from asynctasq.cli.driver_commands import json_option, prepare_configuration
from asynctasq.cli.output import write_json, write_table
from asynctasq.cli.setting_flags import ConfiguredCommand


@click.group()
def config() -> None:
    """The configuration: flags before code, then the environment, .env and defaults."""


@config.command(
    "show",
    cls=ConfiguredCommand,
    general_flags=("driver", "url", "apps", "serializer"),
    groups=("worker", "process_pool", "task_defaults", "events", "repository"),
)
@click.option("--set-only", is_flag=True, help="Leave out what has its default.")
@json_option
@click.pass_context
def show(ctx: click.Context, set_only: bool, as_json: bool) -> None:
    """Print every setting, its value and where that is from. Secrets are masked.

    It takes the flags of the other commands, to show what they would do. With --app the application is imported, so
    that what its code says is shown as well.
    """
    configuration = prepare_configuration(ctx)
    rows = [row for row in configuration.shown() if not set_only or row.origin.kind != "default"]
    if as_json:
        write_json(
            [
                {
                    "name": row.name,
                    "value": row.value,
                    "origin": row.origin.kind,
                    "place": row.origin.name or None,
                    "overrides": row.origin.overrides,
                }
                for row in rows
            ]
        )
    else:
        write_table(
            ("setting", "value", "from"),
            [(row.name, _value_text(row.value), _origin_text(row.origin)) for row in rows],
            nothing="everything has its default",
        )
    for variable in configuration.ignored_variables:
        click.echo(f"note: {variable} is set, and is no setting of asynctasq", err=True)


def _value_text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list | set | frozenset):
        return ",".join(map(str, msgspec.convert(value, list[Any]))) or "-"
    return str(value)


def _origin_text(origin: Any) -> str:
    return f"{origin}, before {', '.join(origin.overrides)}" if origin.overrides else str(origin)
