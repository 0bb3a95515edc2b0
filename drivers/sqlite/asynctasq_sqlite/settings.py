"""The SQLite driver's settings."""

from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import unquote

from msgspec import Meta

from asynctasq.driver_api import ConfigurationError, DriverSettings, split_url

LARGEST_PAYLOAD = 256 * 1024 * 1024
"""A quarter of what SQLite stores in one value: more than one payload has to fit into a claim."""


class SQLiteConfig(DriverSettings, frozen=True, kw_only=True):
    """Settings of the driver `sqlite`: one file, and how to wait for it.

    As a URL: `sqlite:///relative.db`, `sqlite:////absolute.db`, with the other fields behind `?`.
    """

    path: str = "asynctasq.db"
    """The database file; relative to the working directory. `~` is the home folder. Other tables in it are welcome."""

    synchronous: Literal["full", "normal"] = "full"
    """`full` syncs every commit to the disk. `normal` is faster, and a power cut may undo the last commits: the driver
    then no longer claims `DURABLE`."""

    busy_timeout: Annotated[float, Meta(gt=0, le=600)] = 10.0
    """Seconds to wait for another process's transaction to end before `DriverUnavailable`."""

    command_timeout: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    """Seconds after which a call that got no answer raises `DriverUnavailable`. More than `busy_timeout`."""

    max_payload_bytes: Annotated[int, Meta(ge=1, le=LARGEST_PAYLOAD)] = 262_144
    """The largest payload, and the largest result, in bytes."""

    dead_retention: Annotated[float, Meta(ge=0)] | None = None
    """Seconds that a dead letter is kept. None: until it is replayed, deleted or purged."""

    prepare: bool = True
    """Create or upgrade the tables when connecting. False: `asynctasq migrate` does it."""

    secure_delete: bool = False
    """Overwrite deleted content with zeros, at the price of more writing."""

    watch_files: bool = True
    """Let the operating system report writes of other processes (inotify, on Linux). False: poll the file's status."""

    poll_interval: Annotated[float, Meta(ge=0.001, le=60)] = 0.05
    """Seconds between two looks at the file's status at rest, where the operating system does not report writes."""

    url_field: ClassVar[str | None] = "path"

    def __post_init__(self) -> None:
        if ":memory:" in self.path or "mode=memory" in self.path:
            raise ConfigurationError(
                f"path is {self.path!r}; wanted a file, which all connections and processes share. For a queue in this "
                "process's memory use the driver `memory` (url=`memory://`)"
            )
        if not self.path or "\0" in self.path:
            raise ConfigurationError(f"path is {self.path!r}; wanted the name of a file, such as asynctasq.db")
        if self.command_timeout <= self.busy_timeout:
            raise ConfigurationError(
                f"command_timeout is {self.command_timeout:g} s and busy_timeout {self.busy_timeout:g} s; wanted a "
                "command_timeout above busy_timeout"
            )

    @classmethod
    def from_url(cls, url: str) -> dict[str, Any]:
        """`path` from what stands behind `sqlite:///`, the other fields from the query.

        Raises:
            ConfigurationError: the URL can't be read, names a host, or sets one option twice.
        """
        if url.partition("?")[0].endswith(":memory:"):
            return {"path": ":memory:"}
        parts, fields = split_url(url)
        if parts.netloc:
            raise ConfigurationError(
                f"the URL {url!r} names a host; wanted sqlite:///relative.db or, for an absolute path, "
                "sqlite:////folder/file.db"
            )
        if len(parts.path) > 1:
            fields["path"] = unquote(parts.path[1:])
        return fields
