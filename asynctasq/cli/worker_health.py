"""What the health server says of a worker. Health is "when did the backend last answer", not "is the process there"."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import anyio
import anyio.lowlevel

from asynctasq.cli.health_server import Answer, Respond
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import QueueStats
from asynctasq.errors import DriverError

STATS_AGE = 5.0
"""Seconds for which the depth of the queues is not asked for again, however often metrics are scraped."""

_LOOK = 0.05

Status = dict[str, Any]


class WorkerHealth:
    """Answers `/live`, `/ready` and `/metrics`."""

    def __init__(
        self,
        status: Callable[[], Status],
        driver: Driver,
        *,
        patience: float,
        version: str,
        driver_name: str,
    ) -> None:
        """`patience`: seconds without an answer of the backend after which the worker is not ready."""
        self._status = status
        self._driver = driver
        self._patience = patience
        self._labels = f'version="{_escaped(version)}",driver="{_escaped(driver_name)}"'
        self._stats: dict[str, QueueStats] = {}
        self._asked_at: float | None = None
        self._asking = anyio.Lock()

    def paths(self) -> dict[str, Respond]:
        """Path -> answer."""
        return {"/live": self.live, "/ready": self.ready, "/metrics": self.metrics}

    @property
    def stage(self) -> str:
        """`starting`, `running`, `draining` or `cancelling`."""
        return str(self._status()["status"])

    async def wait_until_started(self) -> None:
        """Wait until the worker has reached its backend and takes tasks."""
        while True:
            if self.stage != "starting":
                return
            await anyio.sleep(_LOOK)

    def is_ready(self) -> bool:
        """Whether it takes tasks: the backend answered lately, or every slot is taken, and it is not ending."""
        status = self._status()
        return status["status"] == "running" and (self._heard_lately(status) or self._is_full(status))

    async def live(self) -> Answer:
        """200 as long as the event loop turns: that is what answering proves."""
        await anyio.lowlevel.checkpoint()
        return Answer(HTTPStatus.OK, f"live: {self._status()['status']}\n")

    async def ready(self) -> Answer:
        """200, or 503 with the reason."""
        await anyio.lowlevel.checkpoint()
        status = self._status()
        if self.is_ready():
            return Answer(HTTPStatus.OK, "ready\n")
        last = status["last_reserve_seconds_ago"]
        heard = "never" if last is None else f"{last:.1f} s ago"
        return Answer(
            HTTPStatus.SERVICE_UNAVAILABLE, f"not ready: {status['status']}, the backend last answered {heard}\n"
        )

    async def metrics(self) -> Answer:
        """Prometheus' text format."""
        status = self._status()
        await self._refresh(status["queues"])
        return Answer(HTTPStatus.OK, "".join(self._lines(status)))

    def _heard_lately(self, status: Status) -> bool:
        last = status["last_reserve_seconds_ago"]
        return last is not None and last <= self._patience

    @staticmethod
    def _is_full(status: Status) -> bool:
        """While every slot is taken nothing is reserved: silence then is no sign of trouble."""
        return status["last_reserve_seconds_ago"] is not None and status["active_tasks"] >= status["concurrency"]

    async def _refresh(self, queues: list[str]) -> None:
        async with self._asking:
            now = anyio.current_time()
            if self._asked_at is not None and now - self._asked_at < STATS_AGE:
                return
            self._asked_at = now
            try:
                with anyio.fail_after(STATS_AGE / 2):
                    self._stats = await self._driver.queue_stats(queues)
            except (DriverError, TimeoutError):
                self._stats = {}  # no figure is better than an old one

    def _lines(self, status: Status) -> list[str]:
        worker = f'worker="{_escaped(status["worker_id"])}"'
        lines = _family("asynctasq_build_info", "gauge", "What runs here.", [(self._labels, 1)])
        lines += _family("asynctasq_worker_ready", "gauge", "1 if it takes tasks.", [(worker, int(self.is_ready()))])
        for name, kind, text, key in (
            ("asynctasq_tasks_in_progress", "gauge", "Tasks that run in this worker.", "active_tasks"),
            ("asynctasq_tasks_buffered", "gauge", "Tasks that this worker took ahead.", "buffered_tasks"),
            ("asynctasq_worker_concurrency", "gauge", "Tasks that may run at a time.", "concurrency"),
            ("asynctasq_worker_uptime_seconds", "gauge", "Since the worker started.", "uptime_seconds"),
            ("asynctasq_worker_tasks_processed_total", "counter", "Tasks settled by this worker.", "tasks_processed"),
            ("asynctasq_stale_settlements_total", "counter", "Outcomes that no longer counted.", "stale_settlements"),
            ("asynctasq_dropped_events_total", "counter", "Events that no sink took.", "dropped_events"),
            (
                "asynctasq_last_reserve_seconds", "gauge", "Since the backend last answered a reserve.",
                "last_reserve_seconds_ago",
            ),
        ):  # fmt: skip
            if status.get(key) is not None:
                lines += _family(name, kind, text, [(worker, status[key])])
        depths = [
            (f'queue="{_escaped(queue)}",state="{state}"', getattr(stats, state))
            for queue, stats in self._stats.items()
            for state in ("ready", "scheduled", "leased", "dead")
        ]
        ages = [(f'queue="{_escaped(queue)}"', stats.oldest_ready_age or 0.0) for queue, stats in self._stats.items()]
        lines += _family("asynctasq_queue_depth", "gauge", "Tasks in a queue.", depths)
        lines += _family("asynctasq_queue_latency_seconds", "gauge", "How long the oldest ready task waits.", ages)
        totals = [
            (f'queue="{_escaped(queue)}",outcome="{outcome}"', getattr(stats, f"total_{outcome}"))
            for queue, stats in self._stats.items()
            for outcome in ("completed", "dead", "retried", "cancelled")
        ]
        return lines + _family("asynctasq_queue_tasks_total", "counter", "Tasks of a queue, by outcome.", totals)


def _family(name: str, kind: str, text: str, samples: list[tuple[str, float]]) -> list[str]:
    if not samples:
        return []
    values = [f"{name}{{{labels}}} {_number(value)}\n" for labels, value in samples]
    return [f"# HELP {name} {text}\n", f"# TYPE {name} {kind}\n", *values]


def _number(value: float) -> str:
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
