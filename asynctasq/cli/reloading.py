"""`worker --reload`: a worker that starts anew whenever a source file changes. For development."""

import importlib
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import click

from asynctasq.errors import ConfigurationError

_PATIENCE = 60.0
"""Seconds that a worker has to end before it is killed; its own grace is shorter."""


def run_reloading(arguments: Sequence[str]) -> int:
    """Run `asynctasq worker` with these arguments in a child process, again after every change of a Python file below
    the current folder. The exit code is the last child's.

    Raises:
        ConfigurationError: watchfiles is not installed.
    """
    watchfiles = _watchfiles()
    ending = threading.Event()
    child = _start(arguments)

    def end(number: int, frame: FrameType | None) -> None:
        if ending.is_set():
            child.send_signal(signal.SIGTERM)  # the first one was sent when the watching ended
        ending.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    python_files = watchfiles.PythonFilter()
    # A child that ended by itself, such as by a syntax error, is started again by the next change.
    for changes in watchfiles.watch(Path.cwd(), watch_filter=python_files, stop_event=ending):
        names = sorted({Path(path).name for _, path in changes})
        click.echo(f"reload: {', '.join(names)} changed", err=True)
        _end(child)
        child = _start(arguments)
    return _end(child)


def _watchfiles() -> Any:
    try:
        return importlib.import_module("watchfiles")
    except ImportError:
        raise ConfigurationError("--reload needs watchfiles, which is not installed; pip install watchfiles") from None


def _start(arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
    # In a session of its own, so that Ctrl-C reaches it once, by way of this process.
    return subprocess.Popen([sys.executable, "-m", "asynctasq", "worker", *arguments], start_new_session=True)


def _end(child: "subprocess.Popen[bytes]") -> int:
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
    code = child.wait()
    return 0 if code == -signal.SIGTERM else code  # it was asked to end before it had begun
