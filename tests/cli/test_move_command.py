"""`asynctasq move`, as it is typed."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asynctasq.moving.turn import TURN_QUEUE
from tests.cli.conftest import Store, Type, new_task


def test_what_moved_and_what_stays(type_command: Type, store: Store, own_folder: Path) -> None:
    """The counts are data; what an operator has to know beside them is said on standard error."""
    store.bury(new_task("dead"))
    store.enqueue(new_task("one"), new_task("two"))
    target = f"sqlite:///{own_folder}/other.db"
    typed = type_command("move", "--from", store.url, "--to", target)
    assert (typed.code, typed.out) == (0, "mail: 2 of 2 tasks moved\n")
    assert "mail: 1 dead letters stay in the source; --dead takes them along" in typed.err
    assert "in the source these stay paused: mail" in typed.err
    assert "one" in type_command("tasks", "list", "--url", target).out


def test_a_key_that_is_held_is_exit_1(type_command: Type, store: Store, own_folder: Path) -> None:
    """A task that stayed behind makes the exit code 1, and is named, in JSON too."""
    store.enqueue(new_task("mine", dedupe_key="k"))
    other = Store(own_folder)
    other.url = f"sqlite:///{own_folder}/other.db"
    other.enqueue(new_task("theirs", dedupe_key="k"))
    typed = type_command("move", "--from", store.url, "--to", other.url, "--json")
    assert typed.code == 1
    [queue] = json.loads(typed.out)
    assert (queue["queue"], queue["moved"], queue["kept"]) == ("mail", 0, ["mine"])
    assert "such as mine" in typed.err


def test_dead_letters_that_stay_though_they_were_asked_for(type_command: Type, store: Store, own_folder: Path) -> None:
    """Whoever has said --dead is not told to say it."""
    store.bury(new_task("mine", dedupe_key="k"))
    other = Store(own_folder)
    other.url = f"sqlite:///{own_folder}/other.db"
    other.enqueue(new_task("theirs", dedupe_key="k"))
    typed = type_command("move", "--from", store.url, "--to", other.url, "--dead")
    assert typed.code == 1
    assert "mail: 1 dead letters stay in the source\n" in typed.err


def interrupted(store: Store, target: str, *, after: str) -> str:
    """What a move still says when it gets Ctrl-C after it has said this."""
    process = subprocess.Popen(
        [sys.executable, "-m", "asynctasq", "move", "--from", store.url, "--to", target],
        stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a background shell ignores it
    )  # fmt: skip
    assert process.stderr is not None
    assert after in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    return said


def test_ctrl_c_says_how_to_go_on(store: Store, own_folder: Path) -> None:
    """An interrupted move leaves queues paused: it says so, and that the same command goes on."""
    store.lease(new_task("runs"))
    said = interrupted(store, f"sqlite:///{own_folder}/other.db", after="waiting for 1 tasks that run")
    assert said.startswith("interrupted: the queues stay paused in both stores; run the same move again")


def test_ctrl_c_before_its_turn(store: Store, own_folder: Path) -> None:
    """A move that has not had its turn has paused nothing, and does not say that it has."""
    store.lease(new_task(TURN_QUEUE, queue=TURN_QUEUE))
    said = interrupted(store, f"sqlite:///{own_folder}/other.db", after="waiting for another move")
    assert said == "interrupted, before this move paused or moved anything\n"


def test_nothing_to_move_is_said(type_command: Type, store: Store, own_folder: Path) -> None:
    """A misspelt file is an empty store: a move out of it does not end in silence."""
    typed = type_command("move", "--from", store.url, "--to", f"sqlite:///{own_folder}/other.db")
    assert (typed.code, typed.out) == (0, "")
    assert "nothing to move" in typed.err


@pytest.mark.parametrize("queues", ["with space", "", ",", "mail,asynctasq-move-turn"])
def test_queues_that_cannot_be_are_a_usage_error(type_command: Type, store: Store, queues: str) -> None:
    """A name that no queue can have is refused before anything is paused, and is not tried again."""
    typed = type_command("move", "--from", store.url, "--to", f"{store.url}2", "--queues", queues)
    assert typed.code == 2
    assert "--queues" in typed.err


@pytest.mark.parametrize("flags", [("--from", "--to"), ("--to", "--from")])
def test_memory_is_refused(type_command: Type, store: Store, flags: tuple[str, str]) -> None:
    """Tasks that are moved into the memory of this command would end with it."""
    store.enqueue(new_task("one"))
    typed = type_command("move", flags[0], store.url, flags[1], "memory://")
    assert typed.code == 4
    assert f"{flags[1]}: the driver memory keeps its tasks in this one process" in typed.err
    assert "one" in type_command("tasks", "list", "--url", store.url).out
