"""`migrate`, `publish`, `config show`, `plugins`, `doctor`, `workers`."""

import json
from pathlib import Path

import pytest

from asynctasq.configuration.layers import read_dotenv
from asynctasq.contract.driver import Driver
from tests.cli.conftest import Store, Type, new_task
from tests.fixtures.distributions import Distributions, distributions

__all__ = ["distributions"]


def test_migrate_dry_run_runs_nothing(type_command: Type, own_folder: Path) -> None:
    """--dry-run prints the statements and leaves the store alone; migrating again has nothing to do."""
    flags = ("--url", f"sqlite:///{own_folder}/new.db?prepare=false")
    dry = type_command("migrate", "--dry-run", *flags)
    assert dry.code == 0
    assert "CREATE TABLE" in dry.out
    assert type_command("queues", "list", *flags).code == 5
    assert type_command("migrate", *flags).code == 0
    again = type_command("migrate", "--dry-run", *flags)
    assert (again.code, again.out) == (0, "")
    assert "up to date" in again.err


def test_migrate_takes_the_flags_of_older_scripts(type_command: Type, own_folder: Path) -> None:
    """`migrate --driver sqlite --force` goes on working."""
    assert type_command("migrate", "--driver", "sqlite", "--force").code == 0
    assert (own_folder / "asynctasq.db").exists()


def test_publish_writes_every_setting(type_command: Type, own_folder: Path) -> None:
    """.env.example names every variable of the core and of the installed drivers, all commented out."""
    typed = type_command("publish")
    assert typed.code == 0
    text = (own_folder / ".env.example").read_text()
    for variable in (
        "ASYNCTASQ_URL", "ASYNCTASQ_WORKER_LEASE=30", "ASYNCTASQ_TASK_DEFAULTS_MAX_ATTEMPTS=3",
        "ASYNCTASQ_SQLITE_PATH=asynctasq.db", "ASYNCTASQ_MEMORY_NAMESPACE=asynctasq", "ASYNCTASQ_EVENTS_JSONL_PATH",
    ):  # fmt: skip
        assert f"# {variable}" in text
    assert all(line.startswith("#") or not line for line in text.splitlines())
    assert read_dotenv(own_folder / ".env.example") == {}


def test_what_publish_writes_is_a_configuration(type_command: Type, own_folder: Path) -> None:
    """Taking the # from every line of the core gives a .env that is accepted, and changes nothing."""
    type_command("publish")
    core = (own_folder / ".env.example").read_text().partition("# -- driver")[0]
    lines = [line.removeprefix("# ") for line in core.splitlines() if line.startswith("# ASYNCTASQ_")]
    (own_folder / ".env").write_text("\n".join(lines) + "\n")
    typed = type_command("config", "show", "--json")
    assert typed.code == 0, typed.err
    (own_folder / ".env").unlink()
    before = {row["name"]: row["value"] for row in json.loads(typed.out)}
    after = {row["name"]: row["value"] for row in json.loads(type_command("config", "show", "--json").out)}
    assert before == after


def test_publish_never_writes_over_a_file_unasked(type_command: Type, own_folder: Path) -> None:
    """A file that is there stays, unless --force; --output-dir is made."""
    (own_folder / ".env.example").write_text("mine\n")
    assert type_command("publish").code == 1
    assert (own_folder / ".env.example").read_text() == "mine\n"
    assert type_command("publish", "--force").code == 0
    assert type_command("publish", "--output-dir", "new/folder").out == "new/folder/.env.example\n"


def test_config_show_names_what_means_nothing(type_command: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that looks like ours and is none is told on standard error."""
    monkeypatch.setenv("ASYNCTASQ_XYZZY", "1")
    typed = type_command("config", "show", "--set-only")
    assert typed.code == 0
    assert "ASYNCTASQ_XYZZY" in typed.err


def test_config_show_imports_the_application_it_is_told_of(type_command: Type, own_folder: Path) -> None:
    """With --app, what the application's init() says is shown, with `code` as its origin."""
    (own_folder / "application_of_show.py").write_text("from asynctasq import init\ninit(worker={'lease': 7})\n")
    rows = json.loads(type_command("config", "show", "--json", "--app", "application_of_show").out)
    (lease,) = [row for row in rows if row["name"] == "worker.lease"]
    assert (lease["value"], lease["origin"]) == (7.0, "code")


@pytest.fixture
def broken_plugin(distributions: Distributions) -> None:
    """A driver whose import fails."""
    (distributions.folder / "broken_of_cli.py").write_text("raise RuntimeError('not today')\n")
    distributions.describe("asynctasq-broken", "1.0", {"asynctasq.drivers": {"broken": "broken_of_cli"}})


@pytest.mark.usefixtures("broken_plugin")
def test_plugins_check_tells_of_a_broken_one(type_command: Type) -> None:
    """`plugins` imports nothing and is fine; `plugins --check` imports all, names the broken one, and exits with 1."""
    listed = type_command("plugins", "--json")
    assert listed.code == 0
    assert {"broken", "sqlite", "memory"} <= {name for each in json.loads(listed.out) for name in each["names"]}
    checked = type_command("plugins", "--check", "--json")
    assert checked.code == 1
    (broken,) = [each for each in json.loads(checked.out) if "broken" in each["names"]]
    assert broken["status"] == "FAILED"
    assert "not today" in broken["reason"]


@pytest.mark.usefixtures("broken_plugin")
def test_a_broken_plugin_stops_no_other_command(type_command: Type, store: Store) -> None:
    """A broken plugin elsewhere is never touched, not even by --help."""
    assert type_command("queues", "list", "--url", store.url).code == 0
    assert type_command("queues", "list", "--help").code == 0
    typed = type_command("queues", "list", "--broken-url", "x")
    assert typed.code == 4
    assert "not today" in typed.err


def test_doctor_is_content_with_a_good_store(type_command: Type, store: Store) -> None:
    """A store that works: exit code 0, and a line for versions, connection, clock and guarantees."""
    store.bury(new_task("a"))
    typed = type_command("doctor", "--json", "--url", store.url)
    assert typed.code == 0, typed.out
    checks = {check["about"]: check for check in json.loads(typed.out)}
    assert {"versions", "event loop", "driver", "connection", "clock", "guarantees"} <= set(checks)
    assert "aiosqlite" in checks["driver"]["message"]
    assert checks["queue mail"]["cure"] == "asynctasq dead list --queue mail"


def test_doctor_warns_of_a_store_in_one_process(type_command: Type) -> None:
    """The memory driver is neither durable nor shared: both are said, with what to do."""
    typed = type_command("doctor", "--json", "--url", "memory://")
    warnings = [check for check in json.loads(typed.out) if check["severity"] == "warning"]
    assert len([check for check in warnings if check["about"] == "guarantees"]) == 2
    assert all(check["cure"] for check in warnings)


def test_doctor_of_what_can_not_work(type_command: Type) -> None:
    """An unusable configuration is exit code 4, an unmigrated store 5, each with its cure."""
    assert type_command("doctor", "--driver", "nothing").code == 4
    typed = type_command("doctor", "--url", "sqlite:///x.db?prepare=false")
    assert typed.code == 5
    assert "asynctasq migrate" in typed.out


def test_workers(type_command: Type, store: Store) -> None:
    """Workers are listed by their own reports; one that nobody can read is listed all the same."""

    async def report(driver: Driver) -> None:
        assert driver.worker_reports is not None
        data = json.dumps({"hostname": "h1", "queues": ["mail"], "active_tasks": 2, "tasks_processed": 7})
        await driver.worker_reports.report("w1", data.encode(), ttl=60)
        await driver.worker_reports.report("w2", b"\xffjunk", ttl=60)

    store.fill(report)
    first, second = json.loads(type_command("workers", "--json", "--url", store.url).out)
    assert (first["worker_id"], first["hostname"], first["active_tasks"]) == ("w1", "h1", 2)
    assert second["worker_id"] == "w2"
    table = type_command("workers", "--url", store.url).out
    assert "h1" in table
    assert "w2" in table
