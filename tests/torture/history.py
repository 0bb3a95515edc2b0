"""What every process of a trial writes down: one JSON line per fact, stamped with CLOCK_MONOTONIC, which all processes
of one host share, so that the checker sees no skew."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct


class CallBegan(Struct, tag="began"):
    """A driver's method was called. Written before anything happens: a process that is killed leaves this behind."""

    call: int
    method: str
    at: float
    items: list[Any]


class CallEnded(Struct, tag="ended"):
    """It was answered, with outcomes or with an error."""

    call: int
    at: float
    outcomes: list[Any] | None = None
    error: str | None = None


class LeaseLookedAt(Struct, tag="look"):
    """A worker went on to a body, by what its clock had shown: right after this moment, or after whatever kept the
    process from running in between."""

    at: float
    task: str
    attempt: int
    worker: str


class BodyStarted(Struct, tag="started"):
    """A task's body began."""

    at: float
    task: str
    attempt: int
    worker: str


class BodyEnded(Struct, tag="finished"):
    """A task's body came to an end: `returned`, `raised` or `cancelled`."""

    at: float
    task: str
    attempt: int
    worker: str
    how: str


class FaultFired(Struct, tag="fault"):
    """The trial did something to a process."""

    at: float
    fault: str
    pid: int
    until: float = 0.0
    """Of a fault that lasts: when it ended."""


Fact = CallBegan | CallEnded | LeaseLookedAt | BodyStarted | BodyEnded | FaultFired

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Fact).decode


class History:
    """The file of one process. A line is one `write` to a file that is open for appending: whole, whatever happens to
    the process, and safe from any thread."""

    def __init__(self, folder: Path) -> None:
        name = f"{os.getpid()}-{time.monotonic_ns()}.jsonl"
        self._file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, fact: Fact) -> None:
        """Write one fact down."""
        os.write(self._file, _encode(fact) + b"\n")


def read_process(path: Path) -> Iterator[Fact]:
    """The facts of one process in the order of writing. A last line that was cut off is left out."""
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield _decode(line)


def read_histories(folder: Path) -> dict[str, list[Fact]]:
    """Process -> its facts."""
    return {path.stem: list(read_process(path)) for path in sorted(folder.glob("*.jsonl"))}
