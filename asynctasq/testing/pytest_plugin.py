"""The pytest plugin: `asynctasq_sandbox`, and its inline sister."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from asynctasq.testing.sandboxes import Sandbox


@pytest.fixture
def asynctasq_sandbox() -> "Iterator[Sandbox]":
    """A memory store of the test's own, with a clock that the test moves. A test that leaves a task running fails."""
    yield from _sandbox(inline=False)


@pytest.fixture
def asynctasq_inline() -> "Iterator[Sandbox]":
    """As `asynctasq_sandbox`, and every task runs when it is dispatched."""
    yield from _sandbox(inline=True)


def _sandbox(*, inline: bool) -> "Iterator[Sandbox]":
    import anyio

    from asynctasq.testing.sandboxes import sandbox

    with sandbox(inline=inline) as box:
        yield box
        if running := anyio.run(box.running):
            tasks = ", ".join(f"{record.name} ({record.id})" for record in running)
            pytest.fail(f"the test ended while {len(running)} of its tasks were running: {tasks}", pytrace=False)
