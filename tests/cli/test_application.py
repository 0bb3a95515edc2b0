"""Finding the application that a worker runs. Every case is a worker of its own, since imports stay."""

import subprocess
import sys
from pathlib import Path

import pytest

TASK = "from asynctasq import task\n@task\ndef hello() -> None: ...\n"


def burst(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A worker that ends at once, since there is nothing to do."""
    return subprocess.run(
        [sys.executable, "-m", "asynctasq", "worker", "--burst", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={"PATH": "/usr/bin:/bin", **environment},
    )


pytestmark = pytest.mark.slow


@pytest.mark.parametrize("file", ["tasks.py", "app.py", "main.py", "app/tasks.py"])
def test_the_usual_files_are_found(own_folder: Path, file: str) -> None:
    """Without a word about the application, the usual files of the current folder are tried."""
    (own_folder / file).parent.mkdir(exist_ok=True)
    (own_folder / file).write_text(TASK)
    done = burst(own_folder)
    assert done.returncode == 0, done.stderr
    assert "1 task: " in done.stderr
    assert ":hello" in done.stderr


def test_no_driver_is_needed_but_the_one_that_is_used(own_folder: Path) -> None:
    """Looking for the application and its log settings asks for no driver, so that any of the others may be blocked."""
    (own_folder / "tasks.py").write_text(TASK)
    done = burst(own_folder, ASYNCTASQ_DISABLE_PLUGINS="memory,redis,jsonl")
    assert done.returncode == 0, done.stderr


def test_a_file_without_tasks_is_passed_over(own_folder: Path) -> None:
    """An app.py that defines no task does not hide the app/tasks.py or main.py that does."""
    (own_folder / "app.py").write_text("x = 1\n")
    (own_folder / "main.py").write_text(TASK)
    assert "main:hello" in burst(own_folder).stderr


def test_nothing_found_lists_what_was_tried(own_folder: Path) -> None:
    """An empty folder is exit code 4 and one line of everything that was tried."""
    (own_folder / "app.py").write_text("x = 1\n")
    done = burst(own_folder)
    assert done.returncode == 4
    for tried in ("--app", "ASYNCTASQ_APP", "tasks.py (not there)", "app.py (defines no task)", "app/tasks.py"):
        assert tried in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_the_order_is_flag_environment_configuration(own_folder: Path) -> None:
    """--app wins over ASYNCTASQ_APP, which wins over .env, which wins over the usual files."""
    for name in ("tasks", "one", "two", "three"):
        (own_folder / f"{name}.py").write_text(TASK)
    (own_folder / ".env").write_text("ASYNCTASQ_APPS=three\n")
    assert "application three" in burst(own_folder).stderr
    assert "application two" in burst(own_folder, ASYNCTASQ_APP="two").stderr
    assert "application one" in burst(own_folder, "--app", "one", ASYNCTASQ_APP="two").stderr


def test_app_is_repeatable_and_takes_an_object(own_folder: Path) -> None:
    """`--app a --app b:thing` imports both; the object must be there."""
    (own_folder / "one.py").write_text(TASK)
    (own_folder / "two.py").write_text(TASK + "thing = 1\n")
    done = burst(own_folder, "--app", "one", "--app", "two:thing")
    assert done.returncode == 0, done.stderr
    assert "one:hello, two:hello" in done.stderr
    assert burst(own_folder, "--app", "two:other").returncode == 4


def test_the_console_script_finds_the_current_folder(own_folder: Path) -> None:
    """`asynctasq worker` imports from the current folder, as `python -m asynctasq worker` does."""
    (own_folder / "tasks.py").write_text(TASK)
    script = Path(sys.executable).with_name("asynctasq")
    done = subprocess.run([script, "worker", "--burst"], cwd=own_folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import not_there_at_all\n", "No module named 'not_there_at_all'"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def broken(:\n", "SyntaxError"),
        ("raise SystemExit(0)\n", "SystemExit"),
        ("x = 1\n", "no task was defined"),
    ],
)
def test_an_application_that_fails_is_exit_4(own_folder: Path, source: str, told: str) -> None:
    """Whatever an application's import does, the worker says it in two lines and exits with 4."""
    (own_folder / "tasks.py").write_text(source)
    done = burst(own_folder, "--app", "tasks")
    assert done.returncode == 4
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_module_that_is_not_there(own_folder: Path) -> None:
    """A misspelt module is told from one that fails; a path is told how it is written as a module."""
    assert "not to be found" in burst(own_folder, "--app", "taks").stderr
    assert "tasks" in burst(own_folder, "--app", "./tasks.py").stderr


def test_the_applications_own_init_counts(own_folder: Path) -> None:
    """What init() says in the application's code is the worker's configuration; flags win over it."""
    (own_folder / "tasks.py").write_text("from asynctasq import init\ninit(url='sqlite:///code.db')\n" + TASK)
    assert burst(own_folder, ASYNCTASQ_URL="sqlite:///environment.db").returncode == 0
    assert (own_folder / "code.db").exists()
    assert not (own_folder / "environment.db").exists()
    assert burst(own_folder, "--url", "sqlite:///flag.db").returncode == 0
    assert (own_folder / "flag.db").exists()
