"""The README's first program, typed into an empty folder as a newcomer would."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

README = Path(__file__).parents[2] / "README.md"
PROGRAM = re.compile(r"<!-- first program: (?P<file>\S+) -->\s*```python\n(?P<source>.*?)```", re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with the program in it."""
    found = PROGRAM.search(README.read_text())
    assert found is not None, "README.md marks its first program with <!-- first program: tasks.py -->"
    assert found["file"] == "tasks.py"
    (tmp_path / found["file"]).write_text(found["source"])
    return tmp_path


def environment() -> dict[str, str]:
    """Ours without settings: a newcomer has none."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ASYNCTASQ_")}


def test_the_first_program_prints_its_result(folder: Path) -> None:
    """`asynctasq worker &`, `python tasks.py`: the result is there, without a server and without configuration."""
    worker = subprocess.Popen(
        [Path(sys.executable).with_name("asynctasq"), "worker"], cwd=folder, env=environment(), stderr=subprocess.PIPE
    )
    try:
        program = subprocess.run(
            [sys.executable, "tasks.py"],
            cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert program.returncode == 0, program.stderr
        assert program.stdout == "Hello, world!\n"
        assert program.stderr == ""
    finally:
        worker.send_signal(signal.SIGINT)
        _, said = worker.communicate(timeout=10)
    assert worker.returncode == 0, said.decode()


def test_the_first_program_is_short() -> None:
    """At most eight lines of code to the first result, but for the three that make it a script."""
    found = PROGRAM.search(README.read_text())
    assert found is not None
    lines = [line for line in found["source"].splitlines() if line.strip()]
    script = [line for line in lines if "__main__" in line or line.strip() == "run(main())"]
    assert len(lines) - len(script) <= 8
