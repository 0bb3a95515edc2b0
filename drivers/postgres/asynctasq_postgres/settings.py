"""The PostgreSQL driver's settings."""

import os
import re
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote, urlencode

from msgspec import Meta

from asynctasq.driver_api import ConfigurationError, DriverSettings, Secret, Url

Identifier = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_]{0,47}\Z")]
"""A name that is quoted in every statement, and short enough for what is appended to it."""

Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class PostgresConfig(DriverSettings, frozen=True, kw_only=True):
    """Settings of the driver `postgres`.

    A URL such as `postgresql://user@host/database?schema=jobs&sslmode=verify-full` sets `dsn` by what stands before
    the `?` and the other fields by its query. What neither names comes from the environment variables of libpq
    (`PGHOST`, `PGUSER`, ...).
    """

    url_field: ClassVar[str | None] = "dsn"

    dsn: Url | None = None
    """`postgresql://[user[:password]@][host][:port][,...][/database]`; several hosts are tried in turn."""
    url: Url | None = None
    """Another name for `dsn`. Give one of them."""
    host: str | None = None
    """Instead of the host in `dsn`; a folder such as `/var/run/postgresql` for a Unix socket."""
    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    user: str | None = None
    password: Secret | None = None
    database: str | None = None
    target_session_attrs: Literal["any", "primary", "standby", "read-write", "read-only", "prefer-standby"] | None = (
        None
    )
    """Which of several hosts will do. `read-write` follows a failover."""
    application_name: Annotated[str, Meta(max_length=63)] = "asynctasq"
    """Shows in `pg_stat_activity`."""

    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = None
    """As in libpq. `verify-full` checks the server's certificate and name; the default, `prefer`, checks nothing."""
    sslrootcert: str | None = None
    """File of the certificate authorities to trust."""
    sslcert: str | None = None
    """File of this client's certificate."""
    sslkey: str | None = None
    """File of this client's key."""
    sslpassword: Secret | None = None

    schema: Identifier = "public"
    """The PostgreSQL schema of all tables. `asynctasq migrate` creates it if it is missing."""
    queue_table: Identifier = "task_queue"
    """The live table. The other tables and the functions are named after it: `task_queue_finished`, ..."""
    dead_letter_table: str | None = None
    """Accepted for applications that set it, and unused: dead letters are rows of `<queue_table>_finished`."""

    min_pool_size: Annotated[int, Meta(ge=0, le=1_000)] = 10
    """Idle connections that are kept. They are opened when they are needed first, never before."""
    max_pool_size: Annotated[int, Meta(ge=1, le=1_000)] = 10
    """Connections at most, without the one that listens. What is idle above `min_pool_size` closes after 5 minutes."""
    warmup_connections: Annotated[int, Meta(ge=0, le=1_000)] = 0
    """Connections to open in `connect()`; one is opened in any case."""
    connect_timeout: Seconds = 5.0
    """Seconds for one connection to open."""
    command_timeout: Seconds = 5.0
    """Seconds for one statement to be answered, and for a free connection; after that, `DriverUnavailable`."""
    statement_cache_size: Annotated[int, Meta(ge=0, le=10_000)] = 100
    """Prepared statements kept per connection. 0 behind PgBouncer in transaction mode."""

    listen: bool = True
    """Listen for wake-ups, on a connection of its own. Off behind PgBouncer in transaction mode: workers then poll."""
    notify: bool = True
    """Send wake-ups after enqueueing. Off saves a statement per few enqueue calls, and every worker polls."""

    max_payload_bytes: Annotated[int, Meta(ge=1, le=67_108_864)] = 262_144
    """The largest payload, and the largest result, in bytes."""
    dead_retention: Annotated[float, Meta(ge=0, le=315_360_000)] | None = None
    """Seconds that dead letters stay. None: until they are replayed, deleted or purged."""

    def __post_init__(self) -> None:
        if self.dsn is not None and self.url is not None and self.dsn != self.url:
            raise ConfigurationError("both `dsn` and `url` are set, and differ; they are two names of one setting")
        if self.min_pool_size > self.max_pool_size:
            raise ConfigurationError(
                f"min_pool_size is {self.min_pool_size} and max_pool_size {self.max_pool_size}; "
                "wanted the first to be the smaller one"
            )

    @property
    def address(self) -> str | None:
        """The DSN as asyncpg reads it: without the `+client` of its scheme."""
        given = self.dsn if self.dsn is not None else self.url
        return None if given is None else re.sub(r"^(postgres(?:ql)?)\+\w+:", r"\1:", given)

    def check_files(self) -> None:
        """Whether the files of the TLS settings are there.

        Raises:
            ConfigurationError: one of them is not.
        """
        for name in ("sslrootcert", "sslcert", "sslkey"):
            file: str | None = getattr(self, name)
            if file is not None and not os.path.exists(file):
                raise ConfigurationError(f"{name} is {file!r}, and there is no such file")

    def connect_arguments(self) -> dict[str, Any]:
        """What `asyncpg.connect` is called with."""
        arguments: dict[str, Any] = {
            "dsn": self._address_with_ssl(),
            "timeout": self.connect_timeout,
            "command_timeout": self.command_timeout,
            "statement_cache_size": self.statement_cache_size,
            "max_cached_statement_lifetime": 0,
            "server_settings": {"application_name": self.application_name},
        }
        for name in ("host", "port", "user", "password", "database", "target_session_attrs"):
            if (value := getattr(self, name)) is not None:
                arguments[name] = value
        return arguments

    def _address_with_ssl(self) -> str | None:
        """asyncpg takes files of certificates and keys in the query of its DSN only."""
        options = {
            name: value
            for name in ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword")
            if (value := getattr(self, name)) is not None
        }
        if not options:
            return self.address
        address = self.address or "postgresql://"
        return f"{address}{'&' if '?' in address else '?'}{urlencode(options, quote_via=quote)}"
