"""Processes that an example forks, with an end to waiting for them."""

from __future__ import annotations

import os
import signal

import anyio

CHILD_TIME_LIMIT = 30.0
"""Seconds after which a child that has not ended is killed."""


async def exit_code_of(child: int, time_limit: float = CHILD_TIME_LIMIT) -> int:
    """Wait for a forked child; its exit code, negative if a signal ended it. No child outlives the call.

    Raises:
        AssertionError: the child had not ended within `time_limit` seconds, and was killed.
    """
    code: int | None = None
    try:
        with anyio.move_on_after(time_limit):
            while True:
                code = _exit_code_so_far(child)
                if code is not None:
                    return code
                await anyio.sleep(0.02)
        raise AssertionError(f"another process had not ended after {time_limit:g} seconds")
    finally:
        if code is None:
            _kill(child)


def _exit_code_so_far(child: int) -> int | None:
    """None while it runs: asked again and again, so that no thread waits in the kernel for a child that hangs."""
    pid, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def _kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
