"""Telling systemd how a `Type=notify` service is: ready, alive, stopping."""

import os
import socket

import anyio

from asynctasq.cli.worker_health import WorkerHealth

_LOOK = 0.2


def notify(state: str) -> bool:
    """Send one state, such as `READY=1`; False, without effect, where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0)) as sender:
        try:
            sender.sendto(state.encode(), "\0" + address[1:] if address[0] == "@" else address)
        except OSError:
            return False  # the manager has gone: nothing that a worker should end for
    return True


async def keep_notified(health: WorkerHealth) -> None:
    """Tell of the start, then of life as often as systemd's watchdog asks, then of the end. Until cancelled.

    The sign of life comes from the event loop: if a body blocks that for good, the watchdog starts the service anew.
    """
    await health.wait_until_started()
    notify(f"READY=1\nMAINPID={os.getpid()}")
    interval = int(os.environ.get("WATCHDOG_USEC") or 0) / 1e6 / 2
    next_sign = anyio.current_time()
    is_stopping = False
    try:
        while True:
            if not is_stopping and health.stage != "running":
                is_stopping = notify("STOPPING=1")
            if interval and anyio.current_time() >= next_sign:
                next_sign = anyio.current_time() + interval
                notify("WATCHDOG=1")
            await anyio.sleep(_LOOK)
    finally:
        if not is_stopping:
            notify("STOPPING=1")  # it had nothing to finish, and ended between two looks
