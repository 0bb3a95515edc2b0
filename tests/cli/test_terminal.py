"""What is shown on a real terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Store, new_task


def on_terminal(folder: Path, *arguments: str, **environment: str) -> str:
    """The output of a command whose standard output and error are a terminal."""
    ours, theirs = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if not name.startswith("ASYNCTASQ_")}
    variables.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "asynctasq", *arguments],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        env={**variables, "TERM": "xterm", "COLUMNS": "120", **environment},
    )  # fmt: skip
    os.close(theirs)
    read = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        read += block
    os.close(ours)
    process.wait(30)
    return read.decode()


@pytest.mark.slow
def test_tables_and_errors_are_coloured_unless_told_otherwise(own_folder: Path) -> None:
    """A terminal gets a table with styles; NO_COLOR takes the colours away, of tables and of errors."""
    table = on_terminal(own_folder, "plugins")
    assert "\x1b[1m" in table
    assert "asynctasq-sqlite" in table
    assert "\x1b[31m" in on_terminal(own_folder, "queues", "list", "--driver", "nothing")
    assert "\x1b" not in on_terminal(own_folder, "queues", "list", "--driver", "nothing", NO_COLOR="1")
    assert "\x1b[3" not in on_terminal(own_folder, "doctor", NO_COLOR="1")


@pytest.mark.slow
def test_the_demo_has_a_progress_bar_on_a_terminal(tmp_path: Path) -> None:
    """The bar counts files while the demonstration runs, and is gone in the end."""
    sources = tmp_path / "sources"
    sources.mkdir()
    for number in range(40):
        (sources / f"module{number}.py").write_text(f"value = {number}\n" * 500)
    output = on_terminal(tmp_path, "demo", str(sources))
    assert "45/45" in output
    assert "exactly once: yes" in output


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["40", "80"])
def test_an_id_is_never_torn(own_folder: Path, store: Store, columns: str) -> None:
    """On a narrow terminal, where a table would fold its columns into crumbs, rows stand below one another."""
    store.bury(new_task("01a2106e-aa65-7000-873c-d5b78e4896c1"))
    output = on_terminal(own_folder, "dead", "list", "--url", store.url, COLUMNS=columns)
    assert "01a2106e-aa65-7000-873c-d5b78e4896c1\r\n" in output
    assert "error:" in output
    assert "id:" in output
