"""What a run of the tests says of backends that are not there."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.private_backends import BACKENDS, needed, private_backend, variable

ROOT = Path(__file__).resolve().parents[1]
NOWHERE = "redis://127.0.0.1:1/0"
NEEDS_REDIS = "drivers/redis/tests/test_storage.py"


def run_tests(*arguments: str) -> tuple[int, str]:
    """A run in a process of its own, which is told of a Redis server that is not there: exit code and output."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env={**os.environ, variable("redis"): NOWHERE},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


@pytest.mark.slow
def test_a_missing_backend_is_named_at_the_end() -> None:
    """A run without a server succeeds, and its last section says what was not tested and which variable helps."""
    code, output = run_tests(NEEDS_REDIS)
    assert code == 0, output
    summary = output.partition("NOT TESTED, for want of a backend")[2]
    assert "NO REDIS SERVER at 127.0.0.1:1; set ASYNCTASQ_TEST_REDIS_URL" in summary
    assert "--require-backends" in summary


@pytest.mark.slow
def test_a_required_backend_that_is_missing_is_a_failure() -> None:
    """With `--require-backends` each test that would be skipped for want of a server fails."""
    code, output = run_tests("--require-backends", NEEDS_REDIS)
    assert code == 1
    assert "this backend has to be there" in output
    assert " skipped" not in output.splitlines()[-1]


@pytest.mark.slow
def test_what_the_machine_lacks_is_named_and_no_failure(tmp_path: Path) -> None:
    """A test that needs what no server gives, such as the right to mount, is skipped loudly, with `--require-backends`
    too."""
    test = tmp_path / "test_mounting.py"
    test.write_text('import pytest\n\ndef test_it():\n    pytest.skip("machine: NO FILE SYSTEM CAN BE MOUNTED")\n')
    code, output = run_tests("-p", "conftest", "--require-backends", str(test))
    assert code == 0, output
    assert "NO FILE SYSTEM CAN BE MOUNTED" in output.partition("NOT TESTED, for what this machine lacks")[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "reason"),
    [("--no-such-option", "the server has ended with"), ("--skip-networking", "OperationalError")],
    ids=["it ends", "it does not answer"],
)
def test_a_private_server_that_does_not_come_up(
    option: str, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing but its own tests suffers: the reason is said, no URL is promised, and no process is left."""
    servers: Any = pytest.importorskip("drivers.mysql.tests.servers")
    servers.skip_without_binaries()
    monkeypatch.setattr(servers, "START_TIME", 4.0)
    monkeypatch.setenv(variable("mysql"), "")  # what other tests find there comes back afterwards
    folders: list[Path] = []

    def broken(folder: Path, _: int, servers: Any) -> Any:
        folders.append(folder)
        return servers.MariaDBServer(folder / "data", option)

    monkeypatch.setitem(BACKENDS, "mysql", broken)
    with private_backend("mysql") as url:
        assert url is None
        assert variable("mysql") not in os.environ
        assert f"{folders[0]}/data" not in running_commands()
    said = capsys.readouterr().err
    assert "no private server for mysql" in said
    assert reason in said


def running_commands() -> str:
    """The command lines of every process."""
    lines: list[str] = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended meanwhile
            lines.append(process.read_text(errors="replace").replace("\0", " "))
    return "\n".join(lines)


def test_servers_are_started_for_those_who_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is asked for costs the start of servers, and only where no URL is given."""
    for name in ("redis", "postgres", "mysql"):
        monkeypatch.delenv(variable(name), raising=False)
    everything = ["redis", "postgres", "mysql"]
    assert needed([str(ROOT / "drivers")]) == needed([str(ROOT / "tests"), str(ROOT / "drivers")]) == everything
    assert needed([str(ROOT / "tests/packaging/test_wheels.py::test_x[redis]")]) == everything
    assert needed([str(ROOT / "drivers/mysql/tests/test_tls.py")]) == ["mysql"]
    assert needed([str(ROOT / "tests/cli"), str(ROOT / "drivers/sqlite")]) == []
    monkeypatch.setenv("ASYNCTASQ_TEST_POSTGRES_URL", "postgresql://somewhere/test")
    assert needed([str(ROOT)]) == ["redis", "mysql"]
