"""`asynctasq plugins`."""

from collections.abc import Iterable
from typing import Any

import click

from asynctasq.cli.command_state import PlainCommand
from asynctasq.cli.driver_commands import json_option
from asynctasq.cli.exit_codes import ExitCode
from asynctasq.cli.output import write_json, write_table
from asynctasq.plugins.discovery import InstalledPlugin, installed_plugins
from asynctasq.plugins.load_report import PluginReport, check_plugins


@click.command(cls=PlainCommand)
@click.option("--check", is_flag=True, help="Import every one, each by itself, and tell how it went.")
@json_option
def plugins(check: bool, as_json: bool) -> int:
    """List the drivers, serializers and event sinks that are installed.

    Installed is not active: a plugin is imported when it is used. --check imports all that are not blocked; the exit
    code is 1 if one of them can't be used.
    """
    if not check:
        _print(
            ((plugin, "BLOCKED" if plugin.blocked else "installed", plugin.blocked) for plugin in installed_plugins()),
            as_json,
        )
        return ExitCode.FINE
    reports = check_plugins()
    _print(((report.plugin, str(report.status), report.reason) for report in reports), as_json)
    return ExitCode.FAILED if any(map(_is_trouble, reports)) else ExitCode.FINE


def _is_trouble(report: PluginReport) -> bool:
    return report.is_trouble


def _print(rows: Iterable[tuple[InstalledPlugin, str, str | None]], as_json: bool) -> None:
    if as_json:
        write_json([_as_mapping(plugin, status, reason) for plugin, status, reason in rows])
        return
    write_table(
        ("kind", "names", "distribution", "version", "status", "reason"),
        [
            (plugin.kind.noun, ", ".join(plugin.names), plugin.distribution, plugin.version, status, reason or "")
            for plugin, status, reason in rows
        ],
        nothing="no plugin is installed",
    )


def _as_mapping(plugin: InstalledPlugin, status: str, reason: str | None) -> dict[str, Any]:
    return {
        "kind": plugin.kind.noun,
        "names": plugin.names,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.value,
        "status": status,
        "reason": reason or None,
    }
