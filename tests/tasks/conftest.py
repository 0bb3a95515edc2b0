"""What the tests of task definitions share."""

from collections.abc import Iterator

import pytest

from asynctasq.tasks.task_registry import default_registry


@pytest.fixture(autouse=True)
def no_tasks_of_other_tests() -> Iterator[None]:
    """Every test sees the registry as it was before it."""
    before = dict(vars(default_registry)["_definitions"])
    yield
    vars(default_registry)["_definitions"].clear()
    vars(default_registry)["_definitions"].update(before)
