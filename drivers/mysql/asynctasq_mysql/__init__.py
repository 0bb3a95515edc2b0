"""The MySQL and MariaDB driver of asynctasq: durable queues beside the application's own data, inside its transactions.

The names below are loaded when they are asked for, so that looking at the plugin imports no client library.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynctasq_mysql.driver import MySQLDriver
    from asynctasq_mysql.settings import MySQLConfig

__all__ = ["MySQLConfig", "MySQLDriver"]


def __getattr__(name: str) -> Any:
    if name == "MySQLDriver":
        from asynctasq_mysql.driver import MySQLDriver

        return MySQLDriver
    if name == "MySQLConfig":
        from asynctasq_mysql.settings import MySQLConfig

        return MySQLConfig
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
