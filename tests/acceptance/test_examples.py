"""The examples, run as their first lines say."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_invoices(tmp_path: Path) -> None:
    """A retried task, a duplicate id and a dead letter end as the example says, without a server."""
    shutil.copy(EXAMPLES / "invoices.py", tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ASYNCTASQ_")}
    command = [sys.executable, "-m", "asynctasq", "worker", "--app", "invoices"]
    worker = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    try:
        program = subprocess.run(
            [sys.executable, "invoices.py"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    finally:
        worker.send_signal(signal.SIGINT)
        _, said = worker.communicate(timeout=30)
    assert program.returncode == 0, program.stderr
    lines = program.stdout.splitlines()
    assert lines[:2] == ["invoice-7.pdf", "sent to a@example.com - accepted again: False"]
    assert lines[2].startswith("a dead letter: ")
    assert b"gave up: invoice 8 has no address" in said
    assert worker.returncode == 0
