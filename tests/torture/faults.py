"""What is done to the processes of a trial. Each fault runs until it is cancelled, and writes down when it fired."""

import random
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import anyio
from asynctasq_conformance.faults.proxy import TcpProxy
from msgspec import Struct

from tests.torture.history import FaultFired, History
from tests.torture.worker_fleet import Fleet
from tests.torture.wrong_environments import NO_LIMIT, PAGES_FILE

EXIT_SLACK = 4.0
"""Seconds beyond the contract's own that an exit may take: two noisy processors, eight processes."""


class Scene(Struct):
    """What a fault may touch."""

    fleet: Fleet
    folder: Path
    chooser: random.Random
    history: History
    lease: float
    grace: float
    complaints: list[str]
    """What must hold beyond the checker, and did not."""
    proxy: TcpProxy | None = None
    """Between the processes and their server, in plans with a network."""

    def fired(self, fault: str, pid: int, *, since: float | None = None) -> None:
        """Write down that a fault happened."""
        now = time.monotonic()
        self.history.write(FaultFired(now if since is None else since, fault, pid, now))


Fault = Callable[[Scene], Awaitable[None]]


async def kill_workers(scene: Scene) -> None:
    """F1: SIGKILL of some worker, once a second on average."""
    while True:
        await anyio.sleep(scene.chooser.expovariate(1.0))
        worker = scene.fleet.workers[scene.chooser.randrange(scene.fleet.size)]
        if worker.is_alive:
            worker.send(signal.SIGKILL)
            scene.fired("F1", worker.pid)


async def kill_often(scene: Scene) -> None:
    """F25: SIGKILL, again and again."""
    while True:
        await anyio.sleep(scene.chooser.expovariate(4.0))
        worker = scene.fleet.workers[scene.chooser.randrange(scene.fleet.size)]
        if worker.is_alive:
            worker.send(signal.SIGKILL)
            scene.fired("F25", worker.pid)


async def roll_workers(scene: Scene) -> None:
    """F2: SIGTERM of one worker after the other: in full swing, right after its start, and twice in a row."""
    place = 0
    while True:
        for delay, twice in ((1.0, False), (scene.chooser.uniform(0.0, 0.6), False), (1.0, True)):
            await anyio.sleep(delay)
            await _terminate(scene, place % scene.fleet.size, twice=twice)
        place += 1


async def _terminate(scene: Scene, place: int, *, twice: bool) -> None:
    worker = scene.fleet.workers[place]
    if not worker.is_alive:
        return
    scene.fleet.leave_alone(place)
    try:
        worker.send(signal.SIGTERM)
        if twice:
            await anyio.sleep(0.2)
            worker.send(signal.SIGTERM)
        scene.fired("F2", worker.pid)
        within = (2.0 if twice else scene.grace + 2.0) + EXIT_SLACK
        code = await worker.wait_until_ended(within=within)
        # By default action only while it was still being loaded, and had no handlers yet.
        if code not in (0, 143) and not (code == -signal.SIGTERM and "serves default" not in worker.output()):
            scene.complaints.append(f"F2: a worker exited with {code}:\n{worker.output()[-2000:]}")
    except AssertionError as error:
        scene.complaints.append(f"F2: {error}")
    finally:
        scene.fleet.restart_left_alone(place)


async def freeze_workers(scene: Scene) -> None:
    """F3: SIGSTOP for 1.5 to 3 leases, then SIGCONT: a zombie."""
    while True:
        await anyio.sleep(scene.chooser.uniform(0.5, 1.5))
        worker = scene.fleet.workers[scene.chooser.randrange(scene.fleet.size)]
        if not worker.is_alive:
            continue
        since = time.monotonic()
        worker.send(signal.SIGSTOP)
        try:
            await anyio.sleep(scene.lease * scene.chooser.uniform(1.5, 3.0))
        finally:
            worker.send(signal.SIGCONT)
        scene.fired("F3", worker.pid, since=since)


async def wrong_clocks(scene: Scene) -> None:
    """F12: the plan's environments shift the wall clocks of workers, which say so when they are up."""
    await _until_said(scene, "F12", "the wall clock is wrong by")


async def lost_wake_ups(scene: Scene) -> None:
    """F22: the plan's environments let no worker hear of new work; they poll."""
    await _until_said(scene, "F22", "wake-ups are lost")


async def twins(scene: Scene) -> None:
    """F18: the plan's environments give two workers the same id."""
    await _until_said(scene, "F18", "worker twin serves")


async def blocked_loops(scene: Scene) -> None:
    """F21: a body blocks its worker's event loop for 3 leases; the worker logs where."""
    await _until_said(scene, "F21", "the event loop has been blocked")


async def _until_said(scene: Scene, fault: str, text: str) -> None:
    while True:
        for worker in scene.fleet.workers.values():
            if text in worker.output():
                scene.fired(fault, worker.pid)
                return
        await anyio.sleep(0.2)


async def full_disk(scene: Scene) -> None:
    """F25: again and again the file may not grow for a while: QueueFull, wherever something is to be stored."""
    control, store = scene.folder / PAGES_FILE, scene.folder / "store.db"
    try:
        while True:
            await anyio.sleep(scene.chooser.uniform(0.3, 1.0))
            before = _count(scene, "database is full")
            with closing(sqlite3.connect(store, timeout=10)) as connection:
                (pages,) = connection.execute("PRAGMA page_count").fetchone()
            control.write_text(str(max(pages, 1)))
            await anyio.sleep(scene.chooser.uniform(1.0, 2.0))
            control.write_text(str(NO_LIMIT))
            if _count(scene, "database is full") > before:
                scene.fired("F25", scene.fleet.workers[0].pid)
    finally:
        control.write_text(str(NO_LIMIT))


async def lock_store(scene: Scene) -> None:
    """F6: again and again the file is locked by a stranger for longer than every time-out."""
    with closing(sqlite3.connect(scene.folder / "store.db", timeout=10, isolation_level=None)) as stranger:
        while True:
            await anyio.sleep(scene.chooser.uniform(1.0, 2.0))
            before = _count(scene, "DriverUnavailable")
            stranger.execute("BEGIN IMMEDIATE")
            try:
                await anyio.sleep(scene.chooser.uniform(1.0, 2.0))
            finally:
                stranger.execute("ROLLBACK")
            if _count(scene, "DriverUnavailable") > before:
                scene.fired("F6", scene.fleet.workers[0].pid)


def _count(scene: Scene, text: str) -> int:
    """How often the workers that are there now have said this."""
    return sum(worker.output().count(text) for worker in scene.fleet.workers.values())
