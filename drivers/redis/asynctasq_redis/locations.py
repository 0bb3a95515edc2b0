"""Where a URL says that the server is."""

import re
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from asynctasq.driver_api import ConfigurationError, redact_url

_DEFAULT_PORT = 6379
_DEFAULT_SENTINEL_PORT = 26379
_host_and_port = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::(\d+))?").fullmatch

SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")


class Location(Struct, frozen=True, kw_only=True):
    """A URL, taken apart."""

    kind: str
    """`server`, `socket`, `sentinel` or `cluster`."""
    is_tls: bool = False
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    """Of a socket."""
    service: str = ""
    """The name that the Sentinels give to the master."""
    db: int | None = None
    username: str | None = None
    password: str | None = None


def location_of(url: str) -> Location:
    """Take a URL apart.

    Raises:
        ConfigurationError: it is not one of the forms that the driver knows.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in SCHEMES:
        raise ConfigurationError(f"the URL {redact_url(url)} has the scheme {scheme!r}; wanted {', '.join(SCHEMES)}")
    credentials, _, places = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    path = unquote(parts.path)
    bare = Location(kind="server", username=unquote(username) or None, password=unquote(password) or None)
    base, _, suffix = scheme.partition("+")
    is_tls = base == "rediss"
    if scheme == "unix":
        if not path:
            raise ConfigurationError("a unix URL names no socket; wanted unix:///path/to/redis.sock")
        return replace(bare, kind="socket", path=path)
    hosts = _hosts(url, places, _DEFAULT_SENTINEL_PORT if suffix == "sentinel" else _DEFAULT_PORT)
    if suffix == "sentinel":
        service, _, database = path.strip("/").partition("/")
        if not service:
            raise ConfigurationError(
                f"the URL {redact_url(url)} names no master; wanted redis+sentinel://host:26379/mymaster"
            )
        db = _database(url, database)
        return replace(bare, kind="sentinel", is_tls=is_tls, hosts=hosts, service=service, db=db)
    if suffix == "cluster":
        if _database(url, path.strip("/")):
            raise ConfigurationError(f"the URL {redact_url(url)} names a database; a cluster has database 0 alone")
        return replace(bare, kind="cluster", is_tls=is_tls, hosts=hosts)
    if len(hosts) > 1:
        raise ConfigurationError(
            f"the URL {redact_url(url)} names several hosts; wanted one, or the scheme redis+cluster or redis+sentinel"
        )
    return replace(bare, is_tls=is_tls, hosts=hosts, db=_database(url, path.strip("/")))


def _hosts(url: str, places: str, default_port: int) -> tuple[tuple[str, int], ...]:
    hosts: list[tuple[str, int]] = []
    for place in places.split(","):
        match = _host_and_port(place)
        port = int(match[2] or default_port) if match else 0
        if match is None or not 0 < port < 65_536:
            raise ConfigurationError(f"the URL {redact_url(url)} has a host that can't be read; wanted host:port")
        hosts.append((match[1].strip("[]") or "localhost", port))
    return tuple(hosts)


def _database(url: str, text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or int(text) > 15:
        raise ConfigurationError(  # without what stands there: it is a password's end if the password has a bare slash
            f"the URL {redact_url(url)} names a database that is no number; wanted one from 0 to 15, and %2F for any "
            "slash in a password"
        )
    return int(text)
