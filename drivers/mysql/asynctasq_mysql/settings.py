"""The settings of the MySQL and MariaDB driver."""

import ssl
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import unquote, urlsplit

from msgspec import Meta

from asynctasq.driver_api import ConfigurationError, DriverSettings, Secret, Url

Identifier = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_]{0,47}\Z")]
"""A name that is quoted in every statement, and short enough for what is appended to it."""

Seconds = Annotated[float, Meta(gt=0, le=86_400)]

DEFAULT_ADDRESS = "mysql://root@127.0.0.1:3306/test"


class MySQLConfig(DriverSettings, frozen=True, kw_only=True):
    """Settings of the driver `mysql`. Times are seconds.

    A URL such as `mysql://user@host/database?ssl_mode=verify_identity` sets `dsn` by what stands before the `?`, and
    the other fields by its query.
    """

    url_field: ClassVar[str | None] = "dsn"

    dsn: Url | None = None
    """`mysql://[user[:password]@]host[:port]/database`, or `mariadb://`. None: `mysql://root@127.0.0.1:3306/test`."""
    url: Url | None = None
    """Another name for `dsn`. Give one of them."""
    user: str | None = None
    """Instead of the one in `dsn`."""
    password: Secret | None = None
    """Instead of the one in `dsn`."""
    database: str | None = None
    """Instead of the one in `dsn`."""
    unix_socket: str | None = None
    """File of a Unix socket, instead of host and port."""

    ssl_mode: Literal["disabled", "required", "verify_ca", "verify_identity"] | None = None
    """None: `verify_identity` if a certificate is given below, else `disabled`. `required` encrypts, and trusts
    anybody."""
    ssl_ca: str | None = None
    """File of the authorities to trust, instead of the system's."""
    ssl_cert: str | None = None
    """File of this client's certificate."""
    ssl_key: str | None = None
    """File of this client's key."""

    queue_table: Identifier = "task_queue"
    """The live table. The other tables are named after it: `task_queue_known`, ..."""
    dead_letter_table: str | None = None
    """Accepted for applications that set it, and unused: dead letters are rows of the live table."""

    min_pool_size: Annotated[int, Meta(ge=0, le=1_000)] = 10
    """Idle connections that are kept, but no more than `max_pool_size`. None is opened before it is needed."""
    max_pool_size: Annotated[int, Meta(ge=1, le=1_000)] = 10
    """Connections at most. What is idle above `min_pool_size` closes after 5 minutes."""
    warmup_connections: Annotated[int, Meta(ge=0, le=1_000)] = 0
    """Connections to open in `connect()`; one is opened in any case."""
    connect_timeout: Seconds = 5.0
    """For one connection to open."""
    command_timeout: Seconds = 10.0
    """For one round trip to be answered, and for a free connection; after that, `DriverUnavailable`. Locks are waited
    for at most 5 seconds."""

    poll_interval: Annotated[float, Meta(ge=0.001, le=60)] = 0.005
    """Between two looks for new work, while work is coming in, and twice as much when it stops. The server has no
    push."""
    max_poll_interval: Annotated[float, Meta(ge=0.001, le=60)] = 0.05
    """Between two looks for new work at most: the pause grows to it in the half minute after the last work. At least
    `poll_interval`."""

    max_payload_bytes: Annotated[int, Meta(ge=1, le=16_000_000)] = 262_144
    """The largest payload, and the largest result, in bytes."""
    dead_retention: Annotated[float, Meta(ge=0, le=315_360_000)] | None = None
    """How long dead letters stay. None: until they are replayed, deleted or purged."""

    def __post_init__(self) -> None:
        if self.dsn is not None and self.url is not None and self.dsn != self.url:
            raise ConfigurationError("both `dsn` and `url` are set, and differ; they are two names of one setting")
        if self.ssl_mode == "disabled" and (self.ssl_ca or self.ssl_cert or self.ssl_key):
            raise ConfigurationError("certificates are given, but ssl_mode is disabled; wanted one of the two")
        if self.database_name == "":
            raise ConfigurationError(
                "no database is named; wanted one in `dsn`, as in mysql://user@host/database, or in `database`"
            )

    @property
    def database_name(self) -> str:
        """The database that holds the tables."""
        if self.database is not None:
            return self.database
        return unquote(urlsplit(self._address).path.lstrip("/"))

    @property
    def _address(self) -> str:
        return self.dsn or self.url or DEFAULT_ADDRESS

    def connect_arguments(self) -> dict[str, Any]:
        """What `aiomysql.Connection` is made with."""
        address = urlsplit(self._address)
        arguments: dict[str, Any] = {
            "host": address.hostname or "127.0.0.1",
            "port": address.port or 3306,
            "user": self.user or unquote(address.username or ""),
            "password": self.password if self.password is not None else unquote(address.password or ""),
            "db": self.database_name,
            "charset": "utf8mb4",
            "autocommit": True,
            "local_infile": False,
            "connect_timeout": self.connect_timeout,
            "program_name": "asynctasq",
        }
        if self.unix_socket is not None:
            arguments["unix_socket"] = self.unix_socket
        if (context := self._ssl_context()) is not None:
            arguments["ssl"] = context
        return arguments

    def _ssl_context(self) -> ssl.SSLContext | None:
        mode = self.ssl_mode
        if mode is None:
            mode = "verify_identity" if self.ssl_ca or self.ssl_cert else "disabled"
        if mode == "disabled":
            return None
        try:
            context = ssl.create_default_context(cafile=self.ssl_ca)
            context.check_hostname = mode == "verify_identity"
            if mode == "required":
                context.verify_mode = ssl.CERT_NONE
            if self.ssl_cert is not None:
                context.load_cert_chain(self.ssl_cert, self.ssl_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"the certificates can't be read: {error}") from error
        return context
