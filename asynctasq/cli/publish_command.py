"""`asynctasq publish`."""

import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import click

from asynctasq.cli.command_state import PlainCommand
from asynctasq.cli.exit_codes import ExitCode
from asynctasq.configuration.descriptions import core_setting_descriptions
from asynctasq.errors import ConfigurationError
from asynctasq.plugins.discovery import InstalledPlugin
from asynctasq.plugins.driver_factory import DriverFactory
from asynctasq.plugins.event_sink_factory import EventSinkFactory
from asynctasq.plugins.setting_descriptions import (
    SettingDescription,
    driver_setting_descriptions,
    event_sink_setting_descriptions,
)

FILE_NAME = ".env.example"
_WIDTH = 100

_HEAD = """\
The settings of asynctasq. Copy this file to .env, and take the # from the lines that you change.

A variable of the process wins over .env; code and command-line flags win over both. Every secret may also be read from
a file, by <VARIABLE>_FILE. `asynctasq config show` prints what counts, and where it is from.
"""


@click.command(cls=PlainCommand)
@click.option(
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help=f"The folder for {FILE_NAME}. [default: the current one]",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def publish(output_dir: Path, force: bool) -> int:
    """Write a commented .env.example: every setting, with what it does and its default.

    It is made from the installed version and the installed drivers and event sinks.
    """
    target = output_dir / FILE_NAME
    if target.exists() and not force:
        click.echo(f"error: {target} is there already\n  write over it with --force", err=True)
        return ExitCode.FAILED
    output_dir.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(example_lines()), encoding="utf-8")
    click.echo(str(target))
    return ExitCode.FINE


def example_lines() -> Iterator[str]:
    """The file, line by line."""
    yield from _comment(_HEAD)
    yield ""
    by_group: dict[str, list[SettingDescription]] = {}
    for setting in core_setting_descriptions():
        by_group.setdefault(setting.name.rpartition(".")[0], []).append(setting)
    for group, settings in by_group.items():
        yield from _section(f"{group.replace('_', ' ')}" if group else "general", settings)
    for plugin in DriverFactory.installed():
        yield from _of_plugin("driver", plugin)
    for plugin in EventSinkFactory.installed():
        yield from _of_plugin("event sink", plugin)


def _of_plugin(kind: str, plugin: InstalledPlugin) -> Iterator[str]:
    describe = driver_setting_descriptions if kind == "driver" else event_sink_setting_descriptions
    name = plugin.names[0]
    try:
        settings = describe(name)
    except ConfigurationError as error:
        yield from _comment(f"The {kind} {name} can't be loaded: {error}")
        yield ""
        return
    title = settings[0].name.rpartition(".")[0].removeprefix("events.") if settings else name
    yield from _section(f"{kind} {title}, of {plugin.distribution} {plugin.version}", settings)


def _section(title: str, settings: Iterable[SettingDescription]) -> Iterator[str]:
    yield f"# -- {title} ".ljust(_WIDTH, "-")
    yield ""
    for setting in settings:
        kind = setting.wanted[:1].upper() + setting.wanted[1:]
        yield from _comment(f"{setting.help} {kind}.".strip())
        yield f"# {setting.variable}={_default_text(setting.default)}"
        yield ""


def _comment(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        for line in textwrap.wrap(paragraph, _WIDTH - 2, break_long_words=False, break_on_hyphens=False):
            yield f"# {line}"


def _default_text(default: Any) -> str:
    if default is None:
        return ""
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, tuple | list):
        return ",".join(str(each) for each in cast("tuple[object, ...]", default))
    return f"{default:g}" if isinstance(default, float) else str(default)
