"""`asynctasq doctor`."""

import click
import msgspec

from asynctasq.cli.driver_commands import json_option, prepare_configuration
from asynctasq.cli.exit_codes import ExitCode
from asynctasq.cli.output import printable, write_json
from asynctasq.cli.setting_flags import ConfiguredCommand
from asynctasq.cli.system_checks import Check, Severity, check_backend, check_configuration, check_surroundings
from asynctasq.errors import AsyncTasqError
from asynctasq.event_loop import run_event_loop

_COLORS = {Severity.OK: "green", Severity.INFO: "cyan", Severity.WARNING: "yellow", Severity.ERROR: "red"}


@click.command(cls=ConfiguredCommand)
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> int:
    """Look for what is wrong or could be better, and say what to do about it.

    It checks versions, event loop, plugins, the configuration, the connection, clocks, what the backend promises, and
    what the driver knows of its store. The exit code is 1 if something is wrong, 3 if the backend does not answer.
    """
    checks = check_surroundings()
    code = ExitCode.FINE
    try:
        config = prepare_configuration(ctx)
        checks += check_configuration(config)
        loaded = config.load_driver()
        found, code = run_event_loop(lambda: check_backend(config), event_loops=loaded.spec.event_loops)
        checks += found
    except AsyncTasqError as error:
        checks.append(Check.of_error("configuration", error))
        code = ExitCode.NOT_LOADABLE
    if code is ExitCode.FINE and any(check.severity is Severity.ERROR for check in checks):
        code = ExitCode.FAILED
    if as_json:
        write_json([msgspec.structs.asdict(check) for check in checks])
    else:
        for check in checks:
            _print(check)
    return code


def _print(check: Check) -> None:
    word = click.style(check.severity.value.upper().ljust(7), fg=_COLORS[check.severity], bold=True)
    click.echo(f"{word}  {check.about}: {printable(check.message)}")
    if check.cure:
        click.echo(f"         {printable(check.cure)}")
