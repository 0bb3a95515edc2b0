"""The entry point: help, versions, and what becomes of errors."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from asynctasq.cli.main import command_line
from tests.cli.conftest import Type

HEAVY = ("anyio", "msgspec", "rich", "asyncio", "pluggy", "aiosqlite", "sqlite3")


def test_help_lists_the_commands_without_importing_any(own_folder: Path) -> None:
    """`asynctasq --help` is there at once: it imports neither a command nor an event loop."""
    code = (
        "import sys\nfrom asynctasq.cli.main import run_command_line\n"
        "assert run_command_line(['--help']) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for command in ("worker", "migrate", "publish", "config", "plugins", "doctor", "queues", "tasks", "dead", "demo"):
        assert f"\n  {command} " in done.stdout


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(type_command: Type, flag: str) -> None:
    """-V prints the version on standard output."""
    typed = type_command(flag)
    assert typed.code == 0
    assert typed.out.startswith("asynctasq ")


def every_command(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """The words of every command that can be typed."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from every_command(command, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize("command", [" ".join(words) for words in every_command(command_line)])
def test_every_command_has_help(type_command: Type, command: str) -> None:
    """-h and --help work everywhere, and say what the command does."""
    for flag in ("-h", "--help"):
        typed = type_command(*command.split(), flag)
        assert typed.code == 0
        assert "Usage: asynctasq" in typed.out
        assert all(option in typed.out for option in ("--debug", "--verbose", "--quiet"))


@pytest.mark.parametrize(
    "command",
    ["queues list", "queues stats", "tasks list", "tasks show", "dead list", "dead show", "workers", "plugins",
     "config show", "doctor", "events", "move"],
)  # fmt: skip
def test_every_list_and_show_has_json(type_command: Type, command: str) -> None:
    """Programs read --json, so no list and no show is without it."""
    assert "--json" in type_command(*command.split(), "--help").out


def test_a_misspelt_command_is_a_usage_error(type_command: Type) -> None:
    """A wrong command is exit code 2, with the closest one."""
    typed = type_command("wroker")
    assert typed.code == 2
    assert "did you mean 'worker'?" in typed.err


@pytest.mark.parametrize(
    "typed_line",
    ["worker --concurrency many", "queues pause", "tasks list --state odd", "queues purge mail", "nonsense",
     "worker --nonsense", "move --from sqlite:///a.db"],
)  # fmt: skip
def test_a_wrong_argument_is_two_lines_and_exit_2(type_command: Type, typed_line: str) -> None:
    """What was typed wrongly is a cause line and a line that says where the right words stand."""
    typed = type_command(*typed_line.split())
    assert (typed.code, typed.out) == (2, "")
    cause, cure = typed.err.splitlines()
    assert cause.startswith("error: ")
    assert cure.startswith("  ")
    assert cure.endswith("--help")


def test_an_unknown_driver_is_two_lines_and_exit_4(type_command: Type) -> None:
    """What can't be loaded is exit code 4: a cause line and a cure line, and no traceback."""
    typed = type_command("queues", "list", "--driver", "postgress")
    assert typed.code == 4
    assert typed.out == ""
    cause, cure = typed.err.splitlines()
    assert cause.startswith("error: no driver 'postgress' is installed")
    assert cure.startswith("  ")


def test_debug_shows_the_traceback(type_command: Type) -> None:
    """--debug, before or after the command, adds the traceback, and changes nothing else."""
    for arguments in (("--debug", "queues", "list", "--driver", "x"), ("queues", "list", "--driver", "x", "--debug")):
        typed = type_command(*arguments)
        assert typed.code == 4
        assert "Traceback (most recent call last)" in typed.err
        assert "error: no driver 'x' is installed" in typed.err


def test_an_unreachable_backend_is_exit_3(type_command: Type) -> None:
    """A backend that does not answer is exit code 3."""
    pytest.importorskip("redis")
    typed = type_command("queues", "list", "--url", "redis://127.0.0.1:1")
    assert typed.code == 3
    assert len(typed.err.splitlines()) == 2


def test_missing_storage_is_exit_5_and_names_migrate(type_command: Type, own_folder: Path) -> None:
    """A store without its tables is exit code 5, and the cure line is the command that makes them."""
    url = f"sqlite:///{own_folder}/empty.db?prepare=false"
    typed = type_command("queues", "list", "--url", url)
    assert typed.code == 5
    assert "asynctasq migrate" in typed.err
    assert type_command("migrate", "--url", url).code == 0
    assert type_command("queues", "list", "--url", url).code == 0


def test_no_colour_where_nobody_looks(own_folder: Path) -> None:
    """Output that is no terminal, and NO_COLOR, get no escape sequences."""
    done = subprocess.run(
        [sys.executable, "-m", "asynctasq", "doctor"], capture_output=True, check=False, cwd=own_folder
    )
    assert b"\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", ["--help", "config show", "plugins --json"])
def test_a_reader_that_goes_away_is_no_traceback(own_folder: Path, arguments: str) -> None:
    """`asynctasq plugins | head -1` ends quietly, with the exit code of a closed pipe rather than of a failure."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "asynctasq", *arguments.split()], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.stderr, done.returncode) == (b"", 128 + signal.SIGPIPE)
