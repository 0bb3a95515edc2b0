"""Real processes: workers that are started, hurt, watched and replaced, and none of which is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import anyio

REPOSITORY = Path(__file__).parents[2]


def clean_environment(**more: str) -> dict[str, str]:
    """Ours without settings of asynctasq, and with the repository importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASYNCTASQ_")}
    return kept | {"PYTHONPATH": str(REPOSITORY), "PYTHONFAULTHANDLER": "", "NO_COLOR": "1"} | more


class Process:
    """A child process with its own group, whose output goes to a file."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str], folder: Path) -> None:
        self.log = log
        self.started_at = time.monotonic()
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.popen.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self.popen.poll() is None

    @property
    def has_children(self) -> bool:
        """Whether it, or anything that it has started, is left."""
        self.popen.poll()  # an ended process that nobody asks about counts as one that is there
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    @property
    def open_files(self) -> int:
        """How many file descriptors it has; needs /proc."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def resident_mebibytes(self) -> float:
        """How much memory it has; needs /proc."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def send(self, number: int) -> None:
        """Send a signal to this process alone."""
        self.popen.send_signal(number)

    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace")

    async def wait_for_output(self, text: str, *, within: float = 20.0) -> None:
        """Wait until it has written this."""
        await eventually(lambda: text in self.output() or not self.is_alive, within=within, what=f"output {text!r}")
        assert text in self.output(), f"{text!r} never came; there was:\n{self.output()}"

    async def wait_until_ended(self, *, within: float) -> int:
        """Wait for its end; its exit code."""
        await eventually(lambda: not self.is_alive, within=within, what=self._not_ended)
        return self.popen.returncode

    def _not_ended(self) -> str:
        return f"the end of the process; it wrote:\n{self.output()}"

    def destroy(self) -> None:
        """End it with everything that it has started, whatever state it is in."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # the whole group has ended
        finally:
            self.popen.wait()


class Processes:
    """Everything that a test has started. Use as a context manager: at its end none is left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Process] = []

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.started:
            process.destroy()

    def start(self, command: list[str], *, name: str, **environment: str) -> Process:
        """Start a program."""
        log = self.folder / f"{name}-{len(self.started)}.log"
        process = Process(command, log, clean_environment(**environment), self.folder)
        self.started.append(process)
        return process

    def start_worker(self, *arguments: str, **environment: str) -> Process:
        """Start `asynctasq worker`."""
        command = [sys.executable, "-m", "asynctasq", "worker", *arguments]
        return self.start(command, name="worker", **environment)

    def output(self) -> str:
        """What all of them have written."""
        return "\n".join(process.output() for process in self.started)


class Fleet:
    """A number of equal workers. One that ends is replaced, as a process manager would."""

    def __init__(self, start: Callable[[int], Process], size: int) -> None:
        self._start = start
        self.size = size
        self.workers: dict[int, Process] = {}
        """Place -> the worker that is there now."""
        self.restarts = 0
        self._left_alone: set[int] = set()

    def start(self) -> None:
        """Start all."""
        for place in range(self.size):
            self.workers[place] = self._start(place)

    async def look_after(self) -> None:
        """Replace workers that have ended, until cancelled."""
        while True:
            for place, worker in self.workers.items():
                if place not in self._left_alone and not worker.is_alive:
                    self.restart(place)
            await anyio.sleep(0.02)

    def restart(self, place: int) -> None:
        """Start a new worker in a place whose worker has ended."""
        self.restarts += 1
        self.workers[place] = self._start(place)

    def leave_alone(self, place: int) -> None:
        """Replace nothing here until `restart_left_alone`: somebody else watches it end."""
        self._left_alone.add(place)

    def restart_left_alone(self, place: int) -> None:
        """Whoever watched it end is done."""
        self.restart(place)
        self._left_alone.discard(place)


async def eventually(
    condition: Callable[[], bool | Awaitable[bool]],
    *,
    within: float,
    what: str | Callable[[], str],
    look: float = 0.02,
) -> None:
    """Wait until `condition` holds; fails if that takes longer than `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        holds = condition()
        if holds is True or (not isinstance(holds, bool) and await holds):
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what() if callable(what) else what}")
        await anyio.sleep(look)
