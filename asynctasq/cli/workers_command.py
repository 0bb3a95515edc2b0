"""`asynctasq workers`."""

from typing import Any, cast

import click
import msgspec

from asynctasq.cli.driver_commands import json_option, run_with_driver
from asynctasq.cli.durations import spoken_age
from asynctasq.cli.output import write_json, write_table
from asynctasq.cli.setting_flags import ConfiguredCommand
from asynctasq.contract.driver import Driver
from asynctasq.contract.envelopes import WorkerReport
from asynctasq.errors import AsyncTasqError


@click.command(cls=ConfiguredCommand)
@json_option
@click.pass_context
def workers(ctx: click.Context, as_json: bool) -> int:
    """List the workers that report themselves to the store. A report that stays away is gone within seconds."""

    async def show(driver: Driver) -> None:
        if driver.worker_reports is None:
            raise AsyncTasqError(f"{type(driver).__name__} keeps no reports of workers")
        now = await driver.now()
        reports = sorted(await driver.worker_reports.reports(), key=lambda report: report.worker)
        told = [(report, _read(report), (now - report.reported_at).total_seconds()) for report in reports]
        if as_json:
            write_json(
                [{**said, "worker_id": report.worker, "reported_at": report.reported_at} for report, said, _ in told]
            )
            return
        write_table(
            ("worker", "host", "queues", "running", "processed", "up", "seen"),
            [
                (
                    report.worker,
                    str(said.get("hostname", "-")),
                    ",".join(map(str, cast("list[object]", said.get("queues") or ()))),
                    said.get("active_tasks"),
                    said.get("tasks_processed"),
                    spoken_age(_uptime(said, age)),
                    f"{spoken_age(max(age, 0.0))} ago",
                )
                for report, said, age in told
            ],
            nothing="no worker reports itself",
        )

    return run_with_driver(ctx, show)


def _read(report: WorkerReport) -> dict[str, Any]:
    """What the worker says. Anybody may write to the store: what is no such report is shown empty."""
    try:
        return msgspec.json.decode(report.data, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def _uptime(said: dict[str, Any], age: float) -> float | None:
    """What it was at the report, and what has passed since."""
    uptime = said.get("uptime_seconds")
    return uptime + max(age, 0.0) if isinstance(uptime, int | float) else None
