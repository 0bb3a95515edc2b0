"""What the server says of itself, and what an operator should change."""

from typing import Any

from msgspec import Struct
from redis.exceptions import NoPermissionError

from asynctasq.driver_api import ConfigurationError, DriverError, Finding
from asynctasq_redis.connection_pool import ConnectionPool

OLDEST_VERSION = (7, 0)
OLDEST_WITH_WAITAOF = (7, 2)
_SECTIONS = ("server", "memory", "persistence", "replication")


class ServerReport(Struct, frozen=True, kw_only=True):
    """The part of INFO that matters. Unknown is None: a hosted server may refuse INFO."""

    name: str = "Redis"
    version: tuple[int, ...] | None = None
    has_aof: bool | None = None
    has_snapshots: bool | None = None
    eviction: str | None = None
    fsync: str | None = None


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
    save = await _configured(pool, "save")
    return ServerReport(
        name="Valkey" if info.get("server_name") == "valkey" else "Redis",
        version=_version(info.get("redis_version", "")),
        has_aof=info.get("aof_enabled") == "1",
        has_snapshots=None if save is None else bool(save),
        eviction=info.get("maxmemory_policy"),
        fsync=await _configured(pool, "appendfsync"),
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


def findings(report: ServerReport) -> list[Finding]:
    """What an operator should change."""
    found: list[Finding] = []
    if report.eviction not in (None, "noeviction"):
        is_dangerous = report.eviction.startswith("allkeys")
        danger = "Redis drops tasks when its memory is full" if is_dangerous else "that is for caches, not for tasks"
        found.append(
            Finding(
                code="redis.eviction",
                severity="error" if is_dangerous else "warning",
                message=f"maxmemory-policy is {report.eviction}: {danger}",
                cure="CONFIG SET maxmemory-policy noeviction, and in redis.conf",
            )
        )
    if report.has_aof is False:
        lost = "since the last snapshot" if report.has_snapshots else "that it holds"
        found.append(
            Finding(
                code="redis.persistence",
                severity="warning",
                message=f"appendonly is off: when Redis restarts, the tasks {lost} are lost",
                cure="CONFIG SET appendonly yes, and in redis.conf",
            )
        )
    elif report.has_aof and report.fsync == "no":
        found.append(
            Finding(
                code="redis.fsync",
                severity="warning",
                message="appendfsync is no: when the machine fails, as much is lost as its operating system holds back",
                cure="CONFIG SET appendfsync everysec, and in redis.conf",
            )
        )
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


def _fields(info: bytes) -> dict[str, str]:
    lines = info.decode("utf-8", "replace").splitlines()
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}


def _version(text: str) -> tuple[int, ...] | None:
    numbers = text.split(".")[:3]
    return tuple(int(number) for number in numbers) if numbers and all(n.isdecimal() for n in numbers) else None


def _text(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)


async def _configured(pool: ConnectionPool, name: str) -> str | None:
    """A setting of the server, or None where it may not be read."""
    try:
        reply: Any = await pool.call("CONFIG", "GET", name)
    except DriverError:  # the user may not, or a hosted server has no CONFIG
        return None
    return reply[1].decode() if len(reply) > 1 else None
