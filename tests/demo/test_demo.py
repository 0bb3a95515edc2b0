"""The demonstration: real workers on a small folder, and its verdict when the store is wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

from asynctasq.contract.envelopes import NewTask
from asynctasq.contract.settlements import Complete
from asynctasq.demo.source_files import BROKEN_FILES
from asynctasq.plugins.driver_factory import DriverFactory

pytestmark = pytest.mark.slow

FILES = 400
"""Enough that both workers are still busy when one of them is killed."""


def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `asynctasq demo`."""
    return subprocess.run(
        [sys.executable, "-m", "asynctasq", "demo", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source tree with folders in folders, and two files of its own that are broken."""
    root = tmp_path_factory.mktemp("sources")
    for number in range(FILES):
        folder = root / f"package{number % 7}" / "deeper" if number % 3 else root
        folder.mkdir(parents=True, exist_ok=True)
        body = "\n".join(f"value_{number}_{line} = {line} + other" for line in range(200))
        (folder / f"module{number}.py").write_text(body + "\n")
    (root / "package1" / "unfinished.py").write_text("text = '''\n")
    (root / "package2" / "latin.py").write_bytes(b"name = '\xe4'\n")
    (root / "notes.txt").write_text("not python\n")
    return root


@pytest.fixture(scope="module")
def kept(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> "tuple[Path, subprocess.CompletedProcess[str]]":
    """One run, with its store kept."""
    folder = tmp_path_factory.mktemp("kept")
    return folder, demo(str(sources), "--keep", str(folder))


def test_every_file_is_counted_exactly_once(kept: "tuple[Path, subprocess.CompletedProcess[str]]") -> None:
    """One of two workers is killed half-way; still every file is counted once, and exactly the broken ones are dead."""
    _, done = kept
    assert done.returncode == 0, done.stdout + done.stderr
    report = done.stdout
    assert report.splitlines()[-1] == "exactly once: yes"
    assert f"files:             {FILES + 2 + len(BROKEN_FILES)}\n" in report
    assert f"dead letters:      {2 + len(BROKEN_FILES)}, {len(BROKEN_FILES)} of them added" in report
    assert "(SIGKILL)" in report
    assert "leases recovered:  0\n" not in report
    for name in (*BROKEN_FILES, "unfinished.py", "latin.py"):
        assert name in report


def test_output_that_is_no_terminal_has_no_bar(kept: "tuple[Path, subprocess.CompletedProcess[str]]") -> None:
    """The report is plain lines on standard output, and nothing is on standard error."""
    _, done = kept
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    assert done.stderr == ""


def test_check_of_an_untouched_store_says_yes(kept: "tuple[Path, subprocess.CompletedProcess[str]]") -> None:
    """--check reads the kept store again and comes to the same verdict, without running anything."""
    done = demo("--keep", str(kept[0]), "--check")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "exactly once: yes"


def test_a_count_that_is_gone_is_noticed(kept: "tuple[Path, subprocess.CompletedProcess[str]]", tmp_path: Path) -> None:
    """Deleting one count from the store makes the verdict no, and the exit code 1."""
    folder = copied(kept[0], tmp_path)
    completed = tasks(folder, "completed")
    done = subprocess.run(
        [sys.executable, "-m", "asynctasq", "tasks", "delete", completed[0], "--yes", "--url", url_of(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    checked = demo("--keep", str(folder), "--check")
    assert checked.returncode == 1
    assert "difference: never counted: " in checked.stdout
    assert checked.stdout.splitlines()[-1] == "exactly once: no"


def test_a_count_that_is_there_twice_is_noticed(
    kept: "tuple[Path, subprocess.CompletedProcess[str]]", tmp_path: Path
) -> None:
    """A second record with the same count makes the verdict no, and the exit code 1."""
    folder = copied(kept[0], tmp_path)
    double_one(folder, tasks(folder, "completed")[0])
    checked = demo("--keep", str(folder), "--check")
    assert checked.returncode == 1
    assert "difference: counted 2 times: " in checked.stdout
    assert checked.stdout.splitlines()[-1] == "exactly once: no"


def test_a_folder_too_small_to_kill_anybody_over_ends(tmp_path: Path) -> None:
    """With next to nothing to do, the run ends with its verdict, whether or not the killed worker held a task."""
    (tmp_path / "only.py").write_text("a = 1\n")
    done = demo(str(tmp_path))
    assert "exactly once: yes" in done.stdout
    assert done.returncode == (1 if "proves too little" in done.stdout else 0)


def test_ctrl_c_ends_it_and_its_workers(tmp_path: Path) -> None:
    """Ctrl-C is exit code 130 in one line, and leaves no process behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "asynctasq", "demo", "--all"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell has it ignored
    )  # fmt: skip
    assert process.stdout is not None
    while "indexing" not in process.stdout.readline():
        pass
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (130, "interrupted")
    assert list(tmp_path.iterdir()) == []


def test_check_without_a_kept_run_is_refused(tmp_path: Path) -> None:
    """--check needs the folder of an earlier run."""
    assert demo("--check").returncode == 4
    done = demo("--keep", str(tmp_path), "--check")
    assert done.returncode == 4
    assert "holds no earlier run" in done.stderr


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    """A wrong path is said before anything starts."""
    done = demo(str(tmp_path / "nowhere"))
    assert done.returncode == 4
    assert "is not a folder" in done.stderr


def copied(kept: Path, target: Path) -> Path:
    """The kept run as a copy that a test may spoil."""
    folder = target / "copy"
    shutil.copytree(kept, folder)
    plan = folder / "plan.json"
    plan.write_text(plan.read_text().replace(str(kept / "demo.db"), str(folder / "demo.db")))
    return folder


def url_of(folder: Path) -> str:
    """Where the run's tasks are."""
    return str(json.loads((folder / "plan.json").read_text())["url"])


def tasks(folder: Path, state: str) -> list[str]:
    """The ids of the counts in a state."""
    done = subprocess.run(
        [sys.executable, "-m", "asynctasq", "tasks", "list", "--name", "demo.count_file", "--state", state, "--all",
         "--json", "--url", url_of(folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [task["id"] for task in json.loads(done.stdout)]


def double_one(folder: Path, task_id: str) -> None:
    """Complete a second task with the result of this one, through the driver."""

    async def double() -> None:
        async with DriverFactory.create(url_of(folder)) as driver:
            record = (await driver.get_tasks([task_id]))[task_id]
            again = NewTask(
                id="again", queue=record.queue, name=record.name, payload=record.payload, keep_for=record.keep_for
            )
            await driver.enqueue_many([again])
            (delivery,) = await driver.reserve([record.queue], limit=1, lease=60, worker="w")
            await driver.settle_many([Complete(receipt=delivery.receipt, result=record.result)])

    anyio.run(double)
