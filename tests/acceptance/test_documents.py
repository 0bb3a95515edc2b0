"""What the documents show is true: their programs run, their commands can be typed, their links lead somewhere."""

import ast
import inspect
import logging
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import anyio
import click
import pytest

from asynctasq import Config, DriverFactory
from asynctasq.cli.main import command_line, run_command_line
from asynctasq.config import set_current

pytestmark = pytest.mark.usefixtures("fresh_application")

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
OF_THIS_INSTALLATION = [ROOT / "README.md", *(path for path in DOCS if path.name != "writing_a_driver.md")]
"""Documents whose commands need nothing that the reader has still to write."""
PROGRAMS = [ROOT / "docs" / name for name in ("best-practices.md", "configuration.md", "monitoring.md")]


def blocks(document: Path, language: str) -> list[str]:
    return [
        textwrap.dedent(block)
        for block in re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)
    ]


async def notify_admin(exception: Exception) -> None: ...


@pytest.mark.parametrize("document", PROGRAMS, ids=lambda document: document.name)
def test_programs_run(document: Path) -> None:
    """Every Python block of a document runs, one after another, in an empty folder."""
    # A document may lean on what every module has: a logger, and someone to tell.
    namespace: dict[str, Any] = {
        "__name__": f"document_{document.stem.replace('-', '_')}",
        "logger": logging.getLogger("document"),
        "notify_admin": notify_admin,
    }
    for block in blocks(document, "python"):
        code = compile(block, str(document), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:

            async def run(code: Any = code) -> None:
                await eval(code, namespace)

            anyio.run(run)
        else:
            exec(code, namespace)


def test_the_configuration_is_the_same_in_code_and_as_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two examples of docs/configuration.md that are said to be the same are the same."""
    document = ROOT / "docs" / "configuration.md"
    in_code = next(block for block in blocks(document, "python") if "init(" in block)
    variables = next(block for block in blocks(document, "bash") if block.startswith("ASYNCTASQ_URL"))
    exec(in_code, {})
    from_code = Config.get()
    set_current(None)
    for line in variables.splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)
    from_variables = Config.get()
    groups = ("driver", "url", "task_defaults", "process_pool", "events", "repository", "worker")
    assert [getattr(from_code, group) for group in groups] == [getattr(from_variables, group) for group in groups]


@pytest.mark.parametrize("document", [ROOT / "README.md", *DOCS], ids=lambda document: document.name)
def test_urls_of_drivers_can_be_used(document: Path) -> None:
    """Every URL of an installed driver that stands in a document is accepted, with its options."""
    for url in re.findall(r"(?:sqlite|memory):/{2,3}[^\s`\"')]*", document.read_text()):
        assert DriverFactory.create(url)


@pytest.mark.parametrize("document", OF_THIS_INSTALLATION, ids=lambda document: document.name)
def test_commands_in_the_text_exist(document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every `asynctasq ...` in the text and in its shell blocks names a command, arguments and flags that exist."""
    text = document.read_text()
    typed = re.findall(r"`(?:python -m )?asynctasq ([a-z][^`]*)`", text)
    typed += [
        line.partition("asynctasq ")[2].partition("#")[0].rstrip(" &")
        for block in blocks(document, "bash")
        for line in block.splitlines()
        if re.match(r"(?:\$ )?(?:python -m )?asynctasq ", line)
    ]
    for line in dict.fromkeys(typed):
        words = [word for word in shlex.split(line) if word != "..."]
        named = [words.pop()] if words[-1].startswith("--") else []  # in the text a flag may stand without its value
        code = run_command_line([*words, "--help"])
        said = capsys.readouterr()
        assert code == 0, f"{document.name}: `asynctasq {line}`: {said.err}"
        assert all(flag in said.out for flag in named), f"{document.name}: `asynctasq {line}`"
        assert surplus(words) == [], f"{document.name}: `asynctasq {line}`"


def surplus(words: list[str]) -> list[str]:
    """The words that no command takes, neither as a subcommand nor as an argument; a flag that does not exist is an
    error. (With `--help` any words would do.)"""
    command: click.Command = command_line
    context = click.Context(command)
    while True:
        _, words, _ = command.make_parser(context).parse_args(list(words))
        found = command.get_command(context, words[0]) if isinstance(command, click.Group) and words else None
        if found is None:
            return words
        # As completion does: then the command knows the flags of every driver.
        found.parse_args(click.Context(found, parent=context, resilient_parsing=True), [])
        command, context, words = found, click.Context(found, parent=context), words[1:]


def test_words_that_no_command_takes_are_found() -> None:
    """What the test of the documents finds: a subcommand that is none, an argument too many, a flag that is none."""
    assert surplus(["queues", "list", "--json"]) == surplus(["tasks", "show", "an-id"]) == []
    assert surplus(["worker", "list"]) == ["list"]
    assert surplus(["queues", "lists"]) == ["lists"]
    with pytest.raises(click.NoSuchOption):
        surplus(["queues", "list", "--jsn"])


@pytest.mark.parametrize("document", [ROOT / "README.md", *DOCS], ids=lambda document: document.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every link inside the repository names a file that exists, and a heading that is in it."""
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", document.read_text()):
        name, _, anchor = target.partition("#")
        linked = document if not name else (document.parent / name)
        assert linked.exists(), f"{document.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{document.name} links to {target}"


@pytest.mark.slow
def test_the_tests_of_the_testing_document_pass(tmp_path: Path) -> None:
    """The application and its tests that docs/testing.md shows, in a folder of their own."""
    text = (ROOT / "docs" / "testing.md").read_text()
    for name, source in re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(source)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "3 passed" in done.stdout, done.stdout
