"""`asynctasq queues`."""

import json

from tests.cli.conftest import Store, Type, new_task


def test_list_and_stats(type_command: Type, store: Store) -> None:
    """Gauges and totals per queue, as a table and as JSON."""
    store.bury(new_task("c", queue="slow"))
    store.enqueue(new_task("a"), new_task("b", delay=100.0))
    table = type_command("queues", "list", "--url", store.url)
    assert table.code == 0
    assert [line.split()[:5] for line in table.out.splitlines()] == [
        ["QUEUE", "READY", "SCHEDULED", "LEASED", "DEAD"],
        ["mail", "1", "1", "0", "0"],
        ["slow", "0", "0", "0", "1"],
    ]
    stats = json.loads(type_command("queues", "stats", "slow", "never", "--json", "--url", store.url).out)
    by_queue = {each["queue"]: each for each in stats}
    assert by_queue["slow"]["total_dead"] == 1
    assert by_queue["never"]["ready"] == 0


def test_pause_and_resume(type_command: Type, store: Store) -> None:
    """A paused queue shows as paused until it is resumed."""
    store.enqueue(new_task("a"))
    assert type_command("queues", "pause", "mail", "--url", store.url).code == 0
    assert json.loads(type_command("queues", "list", "--json", "--url", store.url).out)[0]["paused"] is True
    assert type_command("queues", "resume", "mail", "--url", store.url).code == 0
    assert json.loads(type_command("queues", "list", "--json", "--url", store.url).out)[0]["paused"] is False


def test_purge_asks(type_command: Type, store: Store) -> None:
    """Nothing is destroyed without --yes where nobody can answer."""
    store.enqueue(new_task("a"))
    typed = type_command("queues", "purge", "mail", "--url", store.url)
    assert typed.code == 2
    assert "--yes" in typed.err


def test_purge_dry_run_removes_nothing(type_command: Type, store: Store) -> None:
    """--dry-run counts, and --yes removes what it counted; only the states that were named."""
    store.bury(new_task("c"))
    store.enqueue(new_task("a"), new_task("b"))
    flags = ("queues", "purge", "mail", "--state", "ready", "--url", store.url)
    assert type_command(*flags, "--dry-run").out == "mail: 2 tasks would be removed\n"
    assert type_command(*flags, "--yes").out == "mail: 2 tasks removed\n"
    assert type_command(*flags, "--yes").out == "mail: 0 tasks removed\n"
    assert json.loads(type_command("queues", "list", "--json", "--url", store.url).out)[0]["dead"] == 1


def test_an_empty_store_says_so_on_standard_error(type_command: Type, store: Store) -> None:
    """Standard output carries data alone: none is nothing, and [] with --json."""
    typed = type_command("queues", "list", "--url", store.url)
    assert (typed.code, typed.out) == (0, "")
    assert "no queue" in typed.err
    assert type_command("queues", "list", "--json", "--url", store.url).out == "[]\n"
