"""The entry point: parses, runs, and turns every error into two lines and an exit code."""

import os
import signal
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from asynctasq.cli.command_state import CommandState, common_options
from asynctasq.cli.exit_codes import ExitCode
from asynctasq.cli.lazy_group import LazyCommand, LazyGroup

_COMMANDS = {
    "worker": LazyCommand("asynctasq.cli.worker_command", "worker", "Run tasks."),
    "demo": LazyCommand(
        "asynctasq.cli.demo_command", "demo", "Watch two workers do real work; one is killed half-way."
    ),
    "migrate": LazyCommand("asynctasq.cli.migrate_command", "migrate", "Create or upgrade the storage."),
    "publish": LazyCommand("asynctasq.cli.publish_command", "publish", "Write a commented .env.example."),
    "config": LazyCommand("asynctasq.cli.config_commands", "config", "Show the configuration, and where it is from."),
    "plugins": LazyCommand("asynctasq.cli.plugins_command", "plugins", "List drivers, serializers and event sinks."),
    "driver": LazyCommand("asynctasq.cli.driver_new_command", "driver", "Write the package of a driver of your own."),
    "doctor": LazyCommand("asynctasq.cli.doctor_command", "doctor", "Look for what is wrong, and say what to do."),
    "queues": LazyCommand("asynctasq.cli.queues_commands", "queues", "List, measure, pause, resume and purge queues."),
    "tasks": LazyCommand("asynctasq.cli.tasks_commands", "tasks", "List, show, cancel, retry and delete tasks."),
    "dead": LazyCommand("asynctasq.cli.dead_commands", "dead", "List, show, replay and delete dead letters."),
    "move": LazyCommand("asynctasq.cli.move_command", "move", "Move waiting tasks to another store."),
    "workers": LazyCommand("asynctasq.cli.workers_command", "workers", "List the workers that report themselves."),
    "events": LazyCommand("asynctasq.cli.events_command", "events", "Follow what happens."),
}


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"asynctasq {version('asynctasq')} (Python {sys.version.split()[0]})")
        ctx.exit()


class _OutputClosed(Exception):
    """Whoever read our output has gone."""


@contextmanager
def _reader_gone_is_ours() -> Generator[None]:
    """click would end the process with 1 where a pipe is closed, as if the command had failed."""
    try:
        yield
    except BrokenPipeError as error:
        raise _OutputClosed from error


class _CommandLine(LazyGroup):
    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _reader_gone_is_ours():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_gone_is_ours():
            return super().invoke(ctx)


command_line = _CommandLine(
    name="asynctasq",
    lazy_commands=_COMMANDS,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    help="A task queue for async Python whose backends are plugins.",
    epilog="Every setting is a flag, a variable ASYNCTASQ_..., or a line in .env: see `asynctasq publish`.",
    params=[
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_print_version,
            help="Show the version and exit.",
        ),
        *common_options(),
    ],
)


def main() -> None:
    """Run the command line with the arguments of this process, and exit."""
    sys.exit(run_command_line(sys.argv[1:]))


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command; the exit code. Nothing but a forced exit comes out of it as an exception."""
    state = CommandState()
    color = False if os.environ.get("NO_COLOR") else None
    try:
        outcome = command_line.main(
            list(arguments), prog_name="asynctasq", standalone_mode=False, obj=state, color=color
        )
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "asynctasq"
        _say(error.format_message(), f"see: {where} --help", color)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except (_OutputClosed, BrokenPipeError):
        # The interpreter would complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        return _show(error, debug=state.debug or "--debug" in arguments, color=color)
    return outcome if isinstance(outcome, int) else ExitCode.FINE


def _show(error: Exception, *, debug: bool, color: bool | None) -> int:
    from asynctasq.cli.error_lines import error_lines

    if debug:
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    lines = error_lines(error)
    _say(lines.cause, lines.cure, color)
    return lines.exit_code


def _say(cause: str, cure: str, color: bool | None) -> None:
    styled = click.style("error:", fg="red", bold=True)
    click.echo(f"{styled} {cause}", err=True, color=color)
    if cure:
        click.echo(f"  {cure}", err=True, color=color)
