"""Settings as flags, those of drivers included."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Type


def shown(type_command: Type, *arguments: str) -> dict[str, dict[str, object]]:
    """What `config show` prints, by the setting's name."""
    typed = type_command("config", "show", "--json", *arguments)
    assert typed.code == 0, typed.err
    return {row["name"]: row for row in json.loads(typed.out)}


def test_a_drivers_settings_are_flags(type_command: Type) -> None:
    """Every field of a driver's settings is a flag, which also chooses the driver if none is named."""
    rows = shown(type_command, "--sqlite-path", "x.db", "--no-sqlite-prepare", "--sqlite-busy-timeout=3")
    assert rows["driver"]["value"] == "sqlite"
    assert rows["sqlite.path"]["value"] == "x.db"
    assert rows["sqlite.path"]["place"] == "--sqlite-path"
    assert rows["sqlite.prepare"]["value"] is False
    assert rows["sqlite.busy_timeout"]["value"] == 3.0


def test_a_flag_wins_over_the_environment_and_says_so(type_command: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags come before all other places, and `config show` names what lost."""
    monkeypatch.setenv("ASYNCTASQ_WORKER_LEASE", "9")
    row = shown(type_command, "--lease", "5")["worker.lease"]
    assert (row["value"], row["origin"], row["place"]) == (5.0, "flag", "--lease")
    assert row["overrides"] == ["environment (ASYNCTASQ_WORKER_LEASE)"]


def test_only_the_plugin_whose_flag_is_typed_is_imported(own_folder: Path) -> None:
    """Installed is not active: the flags of one driver import that driver's plugin, and no client library."""
    code = (
        "import sys\nfrom asynctasq.cli.main import run_command_line\n"
        "run_command_line(['config', 'show', '--sqlite-path', 'x.db'])\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'asynctasq_redis', 'asynctasq_postgres', 'asynctasq_mysql', 'asynctasq_sqlite', 'aiosqlite', 'redis'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "['asynctasq_sqlite']"


def test_help_shows_every_drivers_flags_but_no_client_library(own_folder: Path) -> None:
    """`worker --help` lists the settings of all installed drivers without importing what they talk with."""
    code = (
        "import sys\nfrom asynctasq.cli.main import run_command_line\n"
        "run_command_line(['worker', '--help'])\n"
        "print(sorted(set(sys.modules) & {'redis', 'asyncpg', 'aiomysql', 'aiosqlite', 'sqlite3'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--sqlite-path" in done.stdout
    assert "--memory-namespace" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--lease", "soon"), "wanted a number from 0.1 to 3600"),
        (("--concurrency", "0"), "wanted a whole number from 1 to 10000"),
        (("--queues", "a b"), "wanted a list with commas"),
        (("--log-level", "loud"), "wanted one of DEBUG"),
        (("--sqlite-synchronous", "off"), "wanted one of full, normal"),
    ],
)
def test_a_wrong_value_is_a_usage_error(type_command: Type, arguments: tuple[str, str], told: str) -> None:
    """A flag's value is checked where it is typed: exit code 2, and what would fit."""
    typed = type_command("worker", *arguments)
    assert typed.code == 2
    assert told in typed.err
    assert arguments[0] in typed.err


def test_words_in_any_case(type_command: Type) -> None:
    """`--log-level debug` is meant as DEBUG."""
    assert shown(type_command, "--log-level", "debug")["worker.log_level"]["value"] == "DEBUG"


def test_lists_may_be_repeated(type_command: Type) -> None:
    """`--queues a --queues b,c` is `--queues a,b,c`."""
    assert shown(type_command, "--queues", "a", "--queues", "b:3,c")["worker.queues"]["value"] == ["a", "b:3", "c"]


def test_secrets_never_show(type_command: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are masked, in a URL as well as alone."""
    pytest.importorskip("asynctasq_redis")
    monkeypatch.setenv("ASYNCTASQ_REDIS_PASSWORD", "hunter2")
    typed = type_command("config", "show", "--url", "redis://user:hunter3@localhost/0")
    assert typed.code == 0
    assert "hunter" not in typed.out + typed.err
    assert "***" in typed.out
