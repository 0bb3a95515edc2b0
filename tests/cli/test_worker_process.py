"""Real worker processes: how they start, what signals do, and with which code they end."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TASKS = """\
import anyio, logging, time
from asynctasq import task, run

@task
async def greet(name: str) -> str:
    logging.getLogger("mine").warning("greeting %s", name)
    return f"Hello, {name}!"

@task(queue="critical")
async def sleep(seconds: float) -> None:
    print("started", flush=True)
    await anyio.sleep(seconds)
    print("ended", flush=True)

async def main() -> None:
    import sys
    if sys.argv[1] == "greet":
        print(await (await greet(name=sys.argv[2]).dispatch()).result(timeout=20))
    else:
        print(await sleep(seconds=float(sys.argv[2])).dispatch())

if __name__ == "__main__":
    run(main())
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def folder(own_folder: Path) -> Path:
    """A folder with an application."""
    (own_folder / "tasks.py").write_text(TASKS)
    return own_folder


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts workers, and leaves none behind."""
    started: list[subprocess.Popen[str]] = []

    def start_it(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "asynctasq", "worker", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_it
    for process in started:
        process.kill()
        process.communicate()


def client(folder: Path, *arguments: str) -> str:
    """Run the application as a client."""
    done = subprocess.run(
        [sys.executable, "tasks.py", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip()


def wait_for_line(process: "subprocess.Popen[str]", text: str) -> str:
    """Read standard error up to the line that has this text."""
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} never came; there was:\n{seen}")


def test_the_seeds_line_runs_tasks(folder: Path, start: Start) -> None:
    """`python -m asynctasq worker --queues critical --concurrency 20` in a folder with tasks.py just works."""
    worker = start("--queues", "critical", "--concurrency", "20")
    said = wait_for_line(worker, "serves critical with concurrency 20")
    assert "asynctasq-sqlite 2." in said
    assert "tasks:greet, tasks:sleep" in said
    assert "SIGTERM or Ctrl-C" in said
    client(folder, "sleep", "0")
    assert worker.stdout is not None
    assert worker.stdout.readline() == "started\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_ends_within_two_seconds(start: Start, number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C end an idle worker gracefully, with exit code 0, within 2 s."""
    worker = start()
    wait_for_line(worker, "serves default")
    before = time.monotonic()
    worker.send_signal(number)
    assert worker.wait(10) == 0
    assert time.monotonic() - before < 2.0


def test_sigterm_lets_a_running_task_end(folder: Path, start: Start) -> None:
    """The first SIGTERM drains: what runs is completed, and the exit code is 0."""
    worker = start("--queues", "critical")
    wait_for_line(worker, "serves")
    client(folder, "sleep", "1")
    assert worker.stdout is not None
    assert worker.stdout.readline() == "started\n"
    worker.send_signal(signal.SIGTERM)
    out, err = worker.communicate(timeout=10)
    assert (worker.returncode, out) == (0, "ended\n")
    assert "the next signal cancels and releases" in err


def test_a_second_signal_releases_and_exits_143(folder: Path, start: Start) -> None:
    """The second SIGTERM cancels what runs, gives it back without burning an attempt, and the exit code is 143."""
    worker = start("--queues", "critical")
    wait_for_line(worker, "serves")
    task_id = client(folder, "sleep", "60")
    assert worker.stdout is not None
    worker.stdout.readline()
    worker.send_signal(signal.SIGTERM)
    wait_for_line(worker, "SIGTERM")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(5) == 143
    shown = subprocess.run(
        [sys.executable, "-m", "asynctasq", "tasks", "show", task_id, "--json"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (task,) = json.loads(shown.stdout)
    assert (task["state"], task["attempts"]) == ("ready", 0)


def test_burst_ends_when_the_queue_is_empty(folder: Path, start: Start) -> None:
    """--burst runs what is there and ends with 0."""
    client(folder, "sleep", "0")
    worker = start("--burst", "--queues", "critical")
    out, _ = worker.communicate(timeout=20)
    assert (worker.returncode, out) == (0, "started\nended\n")


def test_max_tasks(folder: Path, start: Start) -> None:
    """--max-tasks 1 runs one task and ends."""
    client(folder, "sleep", "0")
    client(folder, "sleep", "0")
    worker = start("--max-tasks", "1", "--queues", "critical")
    out, _ = worker.communicate(timeout=20)
    assert (worker.returncode, out) == (0, "started\nended\n")


def test_json_logs_name_the_task(folder: Path, start: Start) -> None:
    """--log-format json writes one object per line, and a line logged inside a task says which."""
    worker = start("--log-format", "json")
    wait_for_line(worker, "serves")
    assert client(folder, "greet", "world") == "Hello, world!"
    assert worker.stderr is not None
    line = json.loads(worker.stderr.readline())
    assert line["message"] == "greeting world"
    assert line["task_name"] == "tasks:greet"
    assert line["current_attempt"] == 1
    assert line["queue_name"] == "default"


def test_text_logs_name_the_task(folder: Path, start: Start) -> None:
    """A text line logged inside a task ends with the task's name, id and attempt."""
    worker = start()
    wait_for_line(worker, "serves")
    client(folder, "greet", "world")
    assert "[task=tasks:greet id=" in wait_for_line(worker, "greeting world")


def test_quiet(start: Start) -> None:
    """-q leaves the start message out."""
    worker = start("-q", "--burst")
    _, err = worker.communicate(timeout=20)
    assert (worker.returncode, err) == (0, "")


def test_an_unreachable_backend_is_tried_and_then_exit_3(start: Start) -> None:
    """At the start the worker says each attempt in one line, gives up after its time, and exits with 3."""
    pytest.importorskip("asynctasq_redis.driver")
    worker = start("--url", "redis://127.0.0.1:1", "--worker-connect-timeout", "1.5")
    _, err = worker.communicate(timeout=20)
    assert worker.returncode == 3
    assert 2 <= err.count("the backend does not answer, trying again") <= 12
    assert "Traceback" not in err
    assert err.splitlines()[-2].startswith("error: ")


def test_missing_storage_is_exit_5(folder: Path, start: Start) -> None:
    """A store without its tables is exit code 5 at once; it never loops."""
    worker = start("--url", "sqlite:///empty.db?prepare=false")
    _, err = worker.communicate(timeout=20)
    assert worker.returncode == 5
    assert "asynctasq migrate" in err


def test_a_store_that_nobody_else_sees_is_warned_of(start: Start) -> None:
    """A worker on the memory driver can only run what its own tasks put in, and says so."""
    worker = start("--url", "memory://")
    assert "memory" in wait_for_line(worker, "nobody else can put any in")


def get(port: int, path: str, **headers: str) -> tuple[int, str]:
    """Status and body of a page of the health server."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_port(folder: Path, start: Start) -> None:
    """/live, /ready and /metrics answer on the loopback address."""
    worker = start("--health-port", "0", "--queues", "default,critical")
    said = wait_for_line(worker, "serves")
    port = int(said.partition("http://127.0.0.1:")[2].partition("/")[0])
    deadline = time.monotonic() + 5
    while get(port, "/ready")[0] != 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert get(port, "/ready") == (200, "ready\n")
    assert get(port, "/live")[0] == 200
    assert get(port, "/other")[0] == 404
    client(folder, "greet", "you")
    status, text = get(port, "/metrics")
    assert status == 200
    assert 'asynctasq_build_info{version="2.' in text
    assert 'asynctasq_queue_depth{queue="critical",state="ready"} 0' in text
    assert "asynctasq_worker_tasks_processed_total" in text


def test_another_address_needs_a_token(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the loopback address the health server refuses to start without a token, and to answer without it."""
    worker = start("--health-port", "0", "--health-host", "0.0.0.0")
    _, err = worker.communicate(timeout=20)
    assert worker.returncode == 4
    assert "ASYNCTASQ_WORKER_HEALTH_TOKEN" in err
    monkeypatch.setenv("ASYNCTASQ_WORKER_HEALTH_TOKEN", "open sesame")
    worker = start("--health-port", "0", "--health-host", "0.0.0.0")
    said = wait_for_line(worker, "serves")
    port = int(said.partition("http://0.0.0.0:")[2].partition("/")[0])
    assert get(port, "/live")[0] == 401
    assert get(port, "/live", Authorization="Bearer open")[0] == 401
    assert get(port, "/live", Authorization="Bearer open sesame")[0] == 200
    assert "open sesame" not in said


def test_a_taken_health_port_is_said(start: Start) -> None:
    """A port that is taken ends the worker with 4 and names the flag."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        worker = start("--health-port", str(taken.getsockname()[1]))
        _, err = worker.communicate(timeout=20)
    assert worker.returncode == 4
    assert "--health-port" in err


def test_systemd_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    """A Type=notify service says READY=1 once it takes tasks, WATCHDOG=1 while it lives, STOPPING=1 at its end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(folder / "notify"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        worker = start()
        assert systemd.recv(1000).startswith(b"READY=1")
        assert systemd.recv(1000) == b"WATCHDOG=1"
        worker.send_signal(signal.SIGTERM)
        said = set()
        while b"STOPPING=1" not in said:
            said.add(systemd.recv(1000))
        assert worker.wait(5) == 0


@pytest.mark.skipif(find_spec("watchfiles") is not None, reason="watchfiles is installed")
def test_reload_without_watchfiles_says_what_to_install(start: Start) -> None:
    """--reload names the package that it needs."""
    worker = start("--reload")
    _, err = worker.communicate(timeout=20)
    assert worker.returncode == 4
    assert "pip install watchfiles" in err


@pytest.mark.skipif(find_spec("watchfiles") is None, reason="watchfiles is not installed")
def test_reload_starts_anew_after_a_change(folder: Path, start: Start) -> None:
    """A changed source file ends the worker gracefully and starts another one; one SIGTERM ends both."""
    worker = start("--reload")
    assert "2 tasks: " in wait_for_line(worker, "serves")
    time.sleep(1.0)  # the watcher begins once the worker has been started
    (folder / "tasks.py").write_text(TASKS + "\n@task\ndef third() -> None: ...\n")
    assert "tasks.py changed" in wait_for_line(worker, "3 tasks: ")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0


ENDINGS = """\
import os, signal
from asynctasq import init, task

@task
async def nothing() -> None: ...

class Engine:
    def dispose(self) -> None:
        for _ in range(CLEANING_UP):
            signal.raise_signal(signal.SIGTERM)

class Last:
    def __del__(self, write=os.write, kill=os.kill, pid=os.getpid(), number=signal.SIGTERM) -> None:
        write(1, b"the very end")
        kill(pid, number)

init(url="sqlite:///tasks.db", sqlalchemy_engine=Engine())
last = Last() if AT_THE_VERY_END else None
"""


@pytest.mark.parametrize(
    ("cleaning_up", "at_the_very_end", "code"), [(1, False, 0), (2, False, 143), (0, True, 0), (1, True, 0)]
)
def test_signals_after_the_work(folder: Path, start: Start, cleaning_up: int, at_the_very_end: bool, code: int) -> None:
    """A signal that arrives once the worker has ended, while the process cleans up or the interpreter shuts down, does
    not change the exit code; an impatient second one during the cleanup does."""
    head = f"CLEANING_UP, AT_THE_VERY_END = {cleaning_up}, {at_the_very_end}\n"
    (folder / "endings.py").write_text(head + ENDINGS)
    worker = start("--app", "endings", "--burst")
    out, err = worker.communicate(timeout=30)
    assert (worker.returncode, "Traceback" in err) == (code, False), err
    assert ("the very end" in out) is at_the_very_end


PROCESS_TASKS = """\
import os
from asynctasq import init, run, task

init(url="sqlite:///code.db")

@task
async def note(worker: int, child: int) -> None:
    print(f"apart={worker != child}", flush=True)

@task(process=True)
async def in_child(worker: int) -> None:
    await note(worker=worker, child=os.getpid()).dispatch()

@task
async def begin() -> None:
    await in_child(worker=os.getpid()).dispatch()
"""


def test_the_flags_count_in_the_children_of_the_process_pool(folder: Path, start: Start) -> None:
    """What a process task dispatches goes where --url says, although the application's own init() says another place:
    the child imports the application itself, and flags win there as they do in the worker."""
    (folder / "processes.py").write_text(PROCESS_TASKS)
    worker = start("--app", "processes:begin", "--url", "sqlite:///flag.db", "--process-pool-size", "1")
    wait_for_line(worker, "serves")
    begin = "import processes; processes.init(url='sqlite:///flag.db'); processes.run(processes.begin().dispatch())"
    subprocess.run([sys.executable, "-c", begin], cwd=folder, check=True, timeout=30)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "apart=True\n"
    assert not (folder / "code.db").exists()
