"""The commands that the documentation shows."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from asynctasq.cli.main import command_line
from tests.cli.conftest import Type

DOCS = Path(__file__).parents[2] / "docs"


def commands() -> Iterator[str]:
    """Every `asynctasq ...` in a bash block of the documents about the command line."""
    for name in ("command-line.md", "running-workers.md"):
        for block in re.findall(r"```bash\n(.*?)```", (DOCS / name).read_text(), re.DOTALL):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if words[:3] == ["python", "-m", "asynctasq"]:
                    words = words[2:]
                if words[:1] == ["asynctasq"]:
                    yield shlex.join(words[1:])


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_every_command_in_the_documents_can_be_typed(type_command: Type, command: str) -> None:
    """Its flags exist: with --help behind it, it is parsed and not run."""
    if "postgres" in command:
        pytest.importorskip("asynctasq_postgres")
    typed = type_command(*shlex.split(command), "--help")
    assert typed.code == 0, typed.err
    assert "Usage: asynctasq" in typed.out


def test_every_command_has_its_row() -> None:
    """The table of docs/command-line.md has each command that `asynctasq --help` lists, and no other."""
    rows = re.findall(r"^\| `(\w+)", (DOCS / "command-line.md").read_text(), re.MULTILINE)
    assert sorted(set(rows)) == sorted(command_line.list_commands(click.Context(command_line)))
