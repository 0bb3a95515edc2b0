"""What the tasks of a test did, in order; empty when a test begins."""

from typing import Any

notes: list[Any] = []


def note(value: Any) -> None:
    """Note what a task saw."""
    notes.append(value)
