"""Waiting for a forked child has an end."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable

import anyio
import pytest
from asynctasq_conformance.child_processes import exit_code_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def fork(work: Callable[[], int]) -> int:
    """A child that ends with what `work` returns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child does next to nothing
        child = os.fork()
    if child == 0:
        os._exit(work())
    return child


def hang() -> int:
    """Longer than any test waits."""
    time.sleep(600)
    return 0


def test_the_exit_code_is_told() -> None:
    """A child that ends by itself tells how."""
    assert anyio.run(exit_code_of, fork(lambda: 3)) == 3


def test_a_child_that_hangs_is_killed() -> None:
    """A child that does not end fails the example instead of holding up the run, and is gone afterwards."""
    child = fork(hang)
    with pytest.raises(AssertionError, match="had not ended"):
        anyio.run(exit_code_of, child, 0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_child_does_not_outlive_a_cancelled_wait() -> None:
    """An example whose time is over leaves no child behind."""
    child = fork(hang)

    async def wait() -> None:
        with anyio.move_on_after(0.1):
            await exit_code_of(child)

    anyio.run(wait)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
