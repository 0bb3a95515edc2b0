"""The settings of the MySQL and MariaDB driver."""

from typing import Annotated, ClassVar

from msgspec import Meta

from asynctasq.driver_api import DriverSettings, Secret, Url


class MySQLConfig(DriverSettings, frozen=True, kw_only=True):
    """How to reach one MySQL or MariaDB database. Times are seconds."""

    url_field: ClassVar[str | None] = "dsn"

    dsn: Url = "mysql://root@127.0.0.1:3306/test"
    """`mysql://user:password@host:port/database`, or `mariadb://`."""
    password: Secret | None = None
    """Instead of the one in `dsn`."""
    queue_table: Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_]{0,47}$")] = "task_queue"
    """Names the live table, and prefixes the others."""
    dead_letter_table: str | None = None
    """Accepted for older configurations: dead tasks stay in the driver's own tables."""
    min_pool_size: Annotated[int, Meta(ge=1)] = 1
    max_pool_size: Annotated[int, Meta(ge=1)] = 10
    connect_timeout: Annotated[float, Meta(gt=0)] = 5.0
    command_timeout: Annotated[float, Meta(gt=0)] = 30.0
    max_payload_bytes: Annotated[int, Meta(ge=1)] = 262_144
    dead_retention: Annotated[float, Meta(ge=0)] | None = None
    """Seconds after which a dead letter may be forgotten; None keeps it until it is replayed, deleted or purged."""
