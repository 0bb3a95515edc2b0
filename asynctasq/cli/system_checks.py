"""What `asynctasq doctor` looks at."""

import sys
import time
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version

from msgspec import Struct

from asynctasq.cli.error_lines import error_lines
from asynctasq.cli.exit_codes import ExitCode
from asynctasq.config import Config
from asynctasq.contract.driver import Driver
from asynctasq.contract.traits import Guarantee
from asynctasq.errors import AsyncTasqError
from asynctasq.event_loop import has_uvloop
from asynctasq.plugins.driver_factory import verify_traits
from asynctasq.plugins.load_report import LoadStatus, check_plugins

SKEW = 2.0
"""Seconds by which this machine's clock may differ from the backend's before it is worth a word."""
SLOW = 0.1
"""Seconds for one answer of the backend above which a worker gets little done."""


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Check(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    about: str
    severity: Severity = Severity.OK
    message: str
    cure: str = ""

    @classmethod
    def of_error(cls, about: str, error: AsyncTasqError) -> "Check":
        """A check that ended with this error."""
        lines = error_lines(error)
        return cls(about=about, severity=Severity.ERROR, message=lines.cause, cure=lines.cure)


def check_surroundings() -> list[Check]:
    """Versions, event loop, plugins."""
    checks = [
        Check(about="versions", message=f"asynctasq {version('asynctasq')}, Python {sys.version.split()[0]}"),
        Check(about="event loop", message="uvloop is installed, and used")
        if has_uvloop()
        else Check(
            about="event loop",
            severity=Severity.INFO,
            message="uvloop is not installed",
            cure='workers do more per second with it: pip install "asynctasq[uvloop]"',
        ),
    ]
    for report in check_plugins():
        about = f"{report.plugin.kind.noun} {report.plugin.names[0]}"
        if report.is_trouble:
            severity = Severity.WARNING  # an error only for whom it is the configured one: that comes below
            checks.append(Check(about=about, severity=severity, message=f"{report.status}: {report.reason}"))
        elif report.status is LoadStatus.LOADED and report.plugin.version != version("asynctasq"):
            checks.append(Check(about=about, message=str(report.plugin)))
    return checks


def check_configuration(config: Config) -> list[Check]:
    """What is configured."""
    checks = [Check(about="configuration", message=f"driver {config.driver} ({config.origins['driver']})")]
    if config.ignored_variables:
        checks.append(
            Check(
                about="configuration",
                severity=Severity.WARNING,
                message=f"{', '.join(config.ignored_variables)} mean nothing to asynctasq",
                cure="remove them, or install the driver that they are for",
            )
        )
    return checks


async def check_backend(config: Config) -> tuple[list[Check], ExitCode]:
    """The connection and what is behind it; the exit code if it can't be had."""
    loaded = config.load_driver()
    checks = [_client_library(loaded.plugin.distribution, loaded.plugin.version)]
    driver = config.open_driver()
    started = time.perf_counter()
    try:
        await driver.connect()
    except AsyncTasqError as error:
        return [*checks, Check.of_error("connection", error)], error_lines(error).exit_code
    try:
        checks.append(Check(about="connection", message=f"open after {_milliseconds(time.perf_counter() - started)}"))
        try:
            verify_traits(driver, loaded.spec)
            checks += [await _clock(driver), *_promises(driver), *_connections(config)]
            checks += [
                Check(
                    about=finding.code, severity=_severity(finding.severity), message=finding.message, cure=finding.cure
                )
                for finding in await driver.diagnose()
            ]
            checks += await _queues(driver)
        except AsyncTasqError as error:
            checks.append(Check.of_error("backend", error))
    finally:
        await driver.disconnect()
    return checks, ExitCode.FINE


async def _clock(driver: Driver) -> Check:
    """The backend's clock decides; ours matters for logs alone."""
    before, started = datetime.now(UTC), time.perf_counter()
    theirs = await driver.now()
    took = time.perf_counter() - started
    skew = (theirs - before).total_seconds() - took / 2
    message = f"answers after {_milliseconds(took)}, and its clock differs from this one's by {abs(skew):.2f} s"
    if abs(skew) > SKEW:
        return Check(
            about="clock",
            severity=Severity.WARNING,
            message=message,
            cure="tasks are timed by the backend's clock alone, but times in logs will not fit: synchronize both (NTP)",
        )
    if took > SLOW:
        return Check(
            about="clock", severity=Severity.WARNING, message=message, cure="run workers closer to the backend"
        )
    return Check(about="clock", message=message)


def _promises(driver: Driver) -> list[Check]:
    traits = driver.traits
    words = ", ".join(sorted(guarantee.value for guarantee in traits.guarantees)) or "nothing beyond the contract"
    checks = [Check(about="guarantees", message=words)]
    if Guarantee.DURABLE not in traits.guarantees:
        checks.append(
            Check(
                about="guarantees",
                severity=Severity.WARNING,
                message="what was enqueued may be lost when the backend restarts",
                cure="see the driver's documentation for what makes it durable, or use a durable backend",
            )
        )
    if Guarantee.SHARED_BETWEEN_PROCESSES not in traits.guarantees:
        checks.append(
            Check(
                about="guarantees",
                severity=Severity.WARNING,
                message="no other process sees these tasks: workers and clients have to be one process",
                cure="for anything but tests, use a backend that processes share, such as sqlite",
            )
        )
    return checks


def _connections(config: Config) -> list[Check]:
    """A pool that is smaller than what one worker needs at least: two for heartbeats and settling, one to reserve."""
    settings = config.driver_settings()
    for name in ("max_pool_size", "max_connections"):
        most = getattr(settings, name, None)
        if isinstance(most, int) and most < 3:
            return [
                Check(
                    about="connections",
                    severity=Severity.WARNING,
                    message=f"{name} is {most}; a worker needs one to reserve, one to settle and one for heartbeats",
                    cure=f"set {name} to 3 or more",
                )
            ]
    return []


async def _queues(driver: Driver) -> list[Check]:
    checks: list[Check] = []
    stats = await driver.queue_stats()
    paused = frozenset[str]() if driver.pausing is None else await driver.pausing.paused_queues()
    for queue in sorted(paused):
        checks.append(
            Check(
                about=f"queue {queue}",
                severity=Severity.INFO,
                message="is paused",
                cure=f"asynctasq queues resume {queue}",
            )
        )
    for queue, each in sorted(stats.items()):
        if each.dead:
            checks.append(
                Check(
                    about=f"queue {queue}",
                    severity=Severity.INFO,
                    message=f"{each.dead:,} dead letters",
                    cure=f"asynctasq dead list --queue {queue}",
                )
            )
    return checks


def _client_library(distribution: str, own_version: str) -> Check:
    """The driver's version, and those of what it requires."""
    from importlib.metadata import requires
    from re import match

    parts: list[str] = []
    for requirement in requires(distribution) or ():
        name = match(r"[A-Za-z0-9._-]+", requirement)
        if name is None or "extra ==" in requirement or name[0] == "asynctasq" or distribution == "asynctasq":
            continue
        try:
            parts.append(f"{name[0]} {version(name[0])}")
        except PackageNotFoundError:
            parts.append(f"{name[0]} is missing")
    return Check(about="driver", message=", ".join([f"{distribution} {own_version}", *parts]))


def _severity(word: str) -> Severity:
    return Severity(word) if word in set(Severity) else Severity.WARNING


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
