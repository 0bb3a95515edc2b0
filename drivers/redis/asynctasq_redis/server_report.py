"""What the server says of itself, and what an operator should change."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from redis.exceptions import NoPermissionError

from asynctasq.driver_api import ConfigurationError, DriverError, Finding
from asynctasq_redis.connection_pool import ConnectionPool

OLDEST_VERSION = (7, 0)
OLDEST_WITH_WAITAOF = (7, 2)
_SECTIONS = ("server", "memory", "persistence", "replication")


class ServerReport(Struct, frozen=True, kw_only=True):
    """The part of INFO and CONFIG that matters. Unknown is None: a hosted server may refuse either."""

    name: str = "Redis"
    version: tuple[int, ...] | None = None
    has_aof: bool | None = None
    has_snapshots: bool | None = None
    eviction: str | None = None
    fsync: str | None = None
    """`appendfsync`: when the append-only file is synced to the disk."""
    pauses_fsync: bool | None = None
    """`no-appendfsync-on-rewrite`: nothing is synced while a child process writes a snapshot or a new file."""

    @property
    def is_durable(self) -> bool:
        """Whether what was acknowledged survives a crash, of the server and of its machine.

        With `everysec` Redis answers before it has even written the file if an earlier sync is still going on, so that
        the death of its process alone can lose two seconds. Only `always` syncs before it answers.
        """
        return bool(self.has_aof) and self.fsync == "always" and self.pauses_fsync is False


async def read_report(pool: ConnectionPool, *, connecting: bool) -> ServerReport:
    """Ask the server.

    Raises:
        ConfigurationError: if `connecting`, it refuses the credentials.
        DriverUnavailable: it does not answer.
    """
    try:
        replies = await pool.call_all([("INFO", section) for section in _SECTIONS], connecting=connecting)
    except (ConfigurationError, DriverError) as error:
        if not isinstance(error.__cause__, NoPermissionError):
            raise
        return ServerReport()
    info = _fields(b"\r\n".join(replies))
    settings = await _settings(pool, "save", "appendfsync", "no-appendfsync-on-rewrite")
    return ServerReport(
        name="Valkey" if info.get("server_name") == "valkey" else "Redis",
        version=_version(info.get("redis_version", "")),
        has_aof=info.get("aof_enabled") == "1",
        has_snapshots=bool(settings["save"]) if "save" in settings else None,
        eviction=info.get("maxmemory_policy"),
        fsync=settings.get("appendfsync"),
        pauses_fsync={"yes": True, "no": False}.get(settings.get("no-appendfsync-on-rewrite", "")),
    )


def check_version(report: ServerReport, *, wait_aof: bool) -> None:
    """Refuse what can never work.

    Raises:
        ConfigurationError: the server is too old, or can't do what the settings ask for.
    """
    if report.version is not None and report.version < OLDEST_VERSION:
        raise ConfigurationError(f"this is {report.name} {_text(report.version)}; wanted Redis {_text(OLDEST_VERSION)}")
    if not wait_aof:
        return
    if report.version is not None and report.version < OLDEST_WITH_WAITAOF:
        raise ConfigurationError(
            f"wait_aof is set, but this is {report.name} {_text(report.version)}; "
            f"WAITAOF wants Redis {_text(OLDEST_WITH_WAITAOF)}"
        )
    if report.has_aof is False:
        raise ConfigurationError("wait_aof is set, but the server has no append-only file; wanted `appendonly yes`")
    if report.fsync == "no":
        raise ConfigurationError(
            "wait_aof is set, but appendfsync is no, so that nothing would ever be confirmed; wanted always or everysec"
        )


def findings(report: ServerReport) -> list[Finding]:
    """What an operator should change."""
    found = [*_eviction(report), *_persistence(report)]
    if report.version is None:
        found.append(
            Finding(
                code="redis.info",
                severity="info",
                message="the server refuses INFO: its version, eviction and persistence can't be checked",
                cure="allow the Redis user +info and +config|get",
            )
        )
    return found


def _eviction(report: ServerReport) -> Iterator[Finding]:
    if report.eviction in (None, "noeviction"):
        return
    is_dangerous = report.eviction.startswith("allkeys")
    danger = "Redis drops tasks when its memory is full" if is_dangerous else "that is for caches, not for tasks"
    yield Finding(
        code="redis.eviction",
        severity="error" if is_dangerous else "warning",
        message=f"maxmemory-policy is {report.eviction}: {danger}",
        cure="CONFIG SET maxmemory-policy noeviction, and in redis.conf",
    )


_WEAK_FSYNC = {
    "everysec": "a crash of Redis can lose what it acknowledged in its last two seconds",
    "no": "when the machine fails, as much is lost as its operating system holds back",
}


def _persistence(report: ServerReport) -> Iterator[Finding]:
    """Why the driver does not claim `DURABLE`."""
    if report.has_aof is False:
        lost = "since the last snapshot" if report.has_snapshots else "that it holds"
        yield Finding(
            code="redis.persistence",
            severity="warning",
            message=f"appendonly is off: when Redis restarts, the tasks {lost} are lost",
            cure="CONFIG SET appendonly yes, and in redis.conf",
        )
    elif report.has_aof and report.fsync is None:
        yield Finding(
            code="redis.fsync",
            severity="info",
            message="the server refuses CONFIG GET: whether appendfsync is always can't be checked",
            cure="allow the Redis user +config|get",
        )
    elif report.has_aof and report.fsync in _WEAK_FSYNC:
        yield Finding(
            code="redis.fsync",
            severity="warning",
            message=f"appendfsync is {report.fsync}: {_WEAK_FSYNC[report.fsync]}",
            cure="CONFIG SET appendfsync always, and in redis.conf",
        )
    elif report.has_aof and report.pauses_fsync:
        yield Finding(
            code="redis.fsync",
            severity="warning",
            message="no-appendfsync-on-rewrite is yes: while Redis rewrites its file, nothing is synced to the disk",
            cure="CONFIG SET no-appendfsync-on-rewrite no, and in redis.conf",
        )


def _fields(info: bytes) -> dict[str, str]:
    lines = info.decode("utf-8", "replace").splitlines()
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}


def _version(text: str) -> tuple[int, ...] | None:
    numbers = text.split(".")[:3]
    return tuple(int(number) for number in numbers) if numbers and all(n.isdecimal() for n in numbers) else None


def _text(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)


async def _settings(pool: ConnectionPool, *names: str) -> dict[str, str]:
    """Settings of the server, or none of them where they may not be read."""
    try:
        reply: Any = await pool.call("CONFIG", "GET", *names)
    except DriverError:  # the user may not, or a hosted server has no CONFIG
        return {}
    return {name.decode(): value.decode() for name, value in zip(reply[::2], reply[1::2], strict=True)}
