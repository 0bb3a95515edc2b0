"""`asynctasq tasks` and `asynctasq dead`."""

import json

import pytest

from asynctasq.contract.envelopes import Failure
from tests.cli.conftest import Store, Type, new_task


def ids(type_command: Type, store: Store, *arguments: str) -> list[str]:
    """The ids that a list shows."""
    typed = type_command(*arguments, "--json", "--url", store.url)
    assert typed.code == 0, typed.err
    return sorted(task["id"] for task in json.loads(typed.out))


def test_list_filters(type_command: Type, store: Store) -> None:
    """Tasks are found by queue, state, name, correlation id and the text of their error."""
    store.bury(new_task("dead"))
    store.enqueue(
        new_task("a", correlation_id="order-7"),
        new_task("b", queue="other"),
        new_task("c", name="app:receive", delay=9.0),
    )
    assert ids(type_command, store, "tasks", "list") == ["a", "b", "c", "dead"]
    assert ids(type_command, store, "tasks", "list", "--queue", "other") == ["b"]
    assert ids(type_command, store, "tasks", "list", "--state", "scheduled") == ["c"]
    assert ids(type_command, store, "tasks", "list", "--name", "app:receive") == ["c"]
    assert ids(type_command, store, "tasks", "list", "--correlation-id", "order-7") == ["a"]
    assert ids(type_command, store, "tasks", "list", "--error", "NO SUCH user") == ["dead"]
    assert ids(type_command, store, "tasks", "list", "--older-than", "1h") == []


def test_list_says_when_there_is_more(type_command: Type, store: Store) -> None:
    """A list that was cut says so; --all cuts nothing."""
    store.enqueue(*(new_task(f"t{number}") for number in range(250)))
    typed = type_command("tasks", "list", "--limit", "3", "--json", "--url", store.url)
    assert len(json.loads(typed.out)) == 3
    assert "more than 3" in typed.err
    assert len(ids(type_command, store, "tasks", "list", "--all")) == 250


def test_show_reads_the_options_but_not_the_arguments(type_command: Type, store: Store) -> None:
    """The options of the frame are shown flat; arguments and results, which may be private, only when asked for."""
    store.complete(new_task("a", keep_for=60.0), result={"sent": True})
    plain = type_command("tasks", "show", "a", "--json", "--url", store.url)
    (task,) = json.loads(plain.out)
    assert (task["state"], task["max_attempts"], task["timeout"], task["content_type"]) == (
        "completed", 5, 12.5, "msgpack",
    )  # fmt: skip
    assert "a@b.c" not in plain.out
    assert "result" not in task
    typed = type_command("tasks", "show", "a", "--json", "--arguments", "--result", "--url", store.url)
    (task,) = json.loads(typed.out)
    assert task["arguments"] == {"to": "a@b.c"}
    assert task["result"] == {"sent": True}
    people = type_command("tasks", "show", "a", "--url", store.url)
    assert "max attempts:" in people.out
    assert "a@b.c" not in people.out


def test_show_of_an_unknown_task_fails(type_command: Type, store: Store) -> None:
    """A task that is not there is exit code 1, and what is there is shown all the same."""
    store.enqueue(new_task("a"))
    typed = type_command("tasks", "show", "a", "zzz", "--json", "--url", store.url)
    assert typed.code == 1
    assert [task["id"] for task in json.loads(typed.out)] == ["a"]
    assert "zzz" in typed.err


def test_cancel_retry_delete(type_command: Type, store: Store) -> None:
    """Each action says what became of every id, and fails if one was left as it is."""
    store.bury(new_task("dead"))
    store.enqueue(new_task("waiting"))
    assert type_command("tasks", "cancel", "waiting", "--url", store.url).out == "waiting  cancelled\n"
    typed = type_command("tasks", "cancel", "dead", "nobody", "--url", store.url)
    assert typed.code == 1
    assert typed.out == "dead  too late: it has ended\nnobody  not found\n"
    assert type_command("tasks", "retry", "dead", "--url", store.url).out == "dead  replayed\n"
    assert type_command("tasks", "delete", "dead", "--yes", "--url", store.url).code == 0
    assert ids(type_command, store, "tasks", "list", "--state", "ready") == []


def test_a_running_task_is_asked_to_stop(type_command: Type, store: Store) -> None:
    """Cancelling a running task is a request, and deleting one is refused."""
    store.lease(new_task("a"))
    typed = type_command("tasks", "cancel", "a", "--json", "--url", store.url)
    assert typed.code == 0
    assert json.loads(typed.out)[0]["outcome"].startswith("requested")
    assert type_command("tasks", "delete", "a", "--yes", "--url", store.url).code == 1


def test_dead_by_queue_name_and_error(type_command: Type, store: Store) -> None:
    """Dead letters are listed and replayed by what they have in common."""
    store.bury(new_task("a"), new_task("b", name="app:receive"))
    store.bury(new_task("c"), error=Failure(type="TimeoutError", message="too slow"))
    assert ids(type_command, store, "dead", "list", "--error", "timeout") == ["c"]
    assert ids(type_command, store, "dead", "list", "--name", "app:receive") == ["b"]
    assert type_command("dead", "replay", "--error", "too slow", "--dry-run", "--url", store.url).code == 0
    assert ids(type_command, store, "dead", "list") == ["a", "b", "c"]
    assert type_command("dead", "replay", "--error", "too slow", "--url", store.url).out == "c  replayed\n"
    assert ids(type_command, store, "dead", "list") == ["a", "b"]
    assert type_command("dead", "delete", "--name", "app:receive", "--yes", "--url", store.url).out == "b  deleted\n"
    assert type_command("dead", "replay", "--all", "--url", store.url).out == "a  replayed\n"


def test_dead_show_has_every_traceback(type_command: Type, store: Store) -> None:
    """`dead show` prints error and traceback, and knows no other tasks."""
    store.bury(new_task("a"))
    store.enqueue(new_task("b"))
    typed = type_command("dead", "show", "a", "--url", store.url)
    assert "ValueError: no such user" in typed.out
    assert "Traceback: here" in typed.out
    assert type_command("dead", "show", "b", "--url", store.url).code == 1


@pytest.mark.parametrize("arguments", [(), ("a", "--all"), ("a", "--queue", "mail"), ("--all", "--queue", "mail")])
def test_which_dead_letters_has_to_be_said(type_command: Type, store: Store, arguments: tuple[str, ...]) -> None:
    """Neither nothing nor two ways at once to say which: that is a usage error."""
    assert type_command("dead", "replay", *arguments, "--url", store.url).code == 2


def test_dead_delete_leaves_the_living_alone(type_command: Type, store: Store) -> None:
    """An id that is no dead letter is refused, and nothing is deleted."""
    store.bury(new_task("a"))
    store.enqueue(new_task("b"))
    assert type_command("dead", "delete", "a", "b", "--yes", "--url", store.url).code == 2
    assert ids(type_command, store, "tasks", "list") == ["a", "b"]


def test_what_a_task_says_does_not_reach_the_terminal(type_command: Type, store: Store) -> None:
    """Escape sequences in an error's text are not obeyed."""
    store.bury(new_task("a"), error=Failure(type="E", message="\x1b[2Jgone\x07", traceback="\x1b]0;title\x07"))
    for command in (("dead", "list"), ("dead", "show", "a")):
        out = type_command(*command, "--url", store.url).out
        assert "gone" in out
        assert "\x1b" not in out
        assert "\x07" not in out


def test_a_payload_of_somebody_else_is_shown_all_the_same(type_command: Type, store: Store) -> None:
    """A payload that is no frame of ours costs its options, not the command."""
    task = new_task("a")
    store.enqueue(type(task)(id="x", queue="mail", name="n", payload=b"\xff\x00junk"))
    typed = type_command("tasks", "show", "x", "--arguments", "--result", "--url", store.url)
    assert typed.code == 0
    assert "6 bytes that this version can't read" in typed.out
    assert type_command("tasks", "list", "--url", store.url).code == 0
