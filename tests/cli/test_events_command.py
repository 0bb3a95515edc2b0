"""`asynctasq events`, and following a file."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from asynctasq.cli.file_tail import follow_lines
from tests.cli.conftest import Type
from tests.fixtures.distributions import Distributions, distributions

__all__ = ["distributions"]


def event(number: int, **fields: object) -> str:
    """A line as the sink writes it."""
    plain = {"event_type": "task_completed", "task_id": f"t{number}", "task_name": "app:send", "queue": "mail"}
    return json.dumps({**plain, "timestamp": "2026-01-01T00:00:00Z", "duration_ms": 1.25, **fields})


def test_without_a_file_it_says_which_sink_to_switch_on(type_command: Type) -> None:
    """Nothing to follow is exit code 4, and the variable that switches the sink on."""
    typed = type_command("events")
    assert typed.code == 4
    assert "ASYNCTASQ_EVENTS_SINKS=jsonl" in typed.err


def test_the_configured_file_is_followed(type_command: Type, own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is that of the sink's own settings."""
    (own_folder / "e.jsonl").write_text(event(1) + "\n")
    monkeypatch.setenv("ASYNCTASQ_EVENTS_SINKS", "jsonl")
    monkeypatch.setenv("ASYNCTASQ_EVENTS_JSONL_PATH", "e.jsonl")
    typed = type_command("events", "--no-follow")
    assert typed.code == 0, typed.err
    assert "task_completed" in typed.out
    assert "app:send t1" in typed.out


def test_filters_and_json(type_command: Type, own_folder: Path) -> None:
    """By type, queue and task; CloudEvents are read as what is in them; what is no event is left out."""
    lines = [
        event(1),
        event(2, queue="other"),
        event(3, event_type="task_failed", error="ValueError"),
        json.dumps({"specversion": "1.0", "data": json.loads(event(4))}),
        "no json",
    ]
    (own_folder / "e.jsonl").write_text("\n".join(lines) + "\n")

    def ids(*arguments: str) -> list[str]:
        typed = type_command("events", "--no-follow", "--json", "--file", "e.jsonl", *arguments)
        assert typed.code == 0
        events = [json.loads(line) for line in typed.out.splitlines()]
        return [each.get("data", each)["task_id"] for each in events]

    assert ids() == ["t1", "t2", "t3", "t4"]
    assert ids("--queue", "mail") == ["t1", "t3", "t4"]
    assert ids("--type", "task_failed") == ["t3"]
    assert ids("--task", "t4") == ["t4"]
    assert ids("--last", "2") == ["t4"]  # the last two lines, of which one is no event


def test_escape_sequences_are_not_obeyed(type_command: Type, own_folder: Path) -> None:
    """What an error says does not reach the terminal as it is."""
    (own_folder / "e.jsonl").write_text(event(1, error="\x1b[2Jgone") + "\n")
    out = type_command("events", "--no-follow", "--file", "e.jsonl").out
    assert "gone" in out
    assert "\x1b" not in out


def test_a_sink_that_can_be_followed_is_heard(
    type_command: Type, distributions: Distributions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin's sink may offer what its readers hear; it is chosen if it is switched on, and set as it is for them."""
    distributions.install("acme-followed", "followed_event_sink", event_sinks="followed")
    monkeypatch.setenv("ASYNCTASQ_EVENTS_SINKS", "logging,followed")
    monkeypatch.setenv("ASYNCTASQ_EVENTS_FOLLOWED_CHANNEL", "two")
    typed = type_command("events", "--json")
    assert typed.code == 0, typed.err
    assert json.loads(typed.out)["task_name"] == "two"
    assert type_command("events", "--queue", "other").out == ""


def test_a_sink_that_can_not_be_followed_is_refused(type_command: Type) -> None:
    """Asking for such a sink by name is exit code 4."""
    typed = type_command("events", "--sink", "logging")
    assert typed.code == 4
    assert "logging can not be followed" in typed.err


class Enough(Exception):
    """Ends the following."""


def steps(*actions: Callable[[], object]) -> Callable[[], None]:
    """A pause that does one thing after the other, and then ends the following."""
    left = list(actions)

    def pause() -> None:
        if not left:
            raise Enough
        left.pop(0)()

    return pause


def followed(path: Path, pause: Callable[[], None]) -> list[str]:
    """The lines up to the end of the steps."""
    lines: list[str] = []
    with pytest.raises(Enough):
        lines.extend(follow_lines(path, last=10, pause=pause))
    return lines


def append(path: Path, text: str) -> Callable[[], object]:
    """Writes at the end of a file."""

    def write() -> None:
        with path.open("a") as file:
            file.write(text)

    return write


def test_a_line_counts_once_it_is_whole(tmp_path: Path) -> None:
    """A writer that is half-way through a line is waited for."""
    path = tmp_path / "f"
    path.write_text("one\n")
    assert followed(path, steps(append(path, "tw"), append(path, "o\nthree\n"))) == ["one", "two", "three"]


def test_a_rotated_file_is_followed_on(tmp_path: Path) -> None:
    """After a rotation the rest of the old file and all of the new one are read."""
    path = tmp_path / "f"
    path.write_text("one\n")

    def rotate() -> None:
        append(path, "two\n")()
        path.rename(tmp_path / "f.1")

    assert followed(path, steps(rotate, lambda: None, append(path, "three\n"), lambda: None)) == ["one", "two", "three"]


def test_a_cut_file_is_read_from_its_start(tmp_path: Path) -> None:
    """A file that was truncated in place begins anew."""
    path = tmp_path / "f"
    path.write_text("one\ntwo\n")
    assert followed(path, steps(lambda: path.write_text("3\n"), lambda: None)) == ["one", "two", "3"]


def test_a_file_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    """Following may begin before the first event is written; then nothing of the file is left out."""
    path = tmp_path / "f"
    assert followed(path, steps(append(path, "one\n"), lambda: None)) == ["one"]
