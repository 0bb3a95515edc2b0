"""The PostgreSQL driver of asynctasq: durable queues beside the application's own data, inside its own transactions.

The names below are loaded when they are asked for, so that looking at the plugin imports no client library.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynctasq_postgres.driver import PostgresDriver
    from asynctasq_postgres.settings import PostgresConfig

__all__ = ["PostgresConfig", "PostgresDriver"]


def __getattr__(name: str) -> Any:
    if name == "PostgresDriver":
        from asynctasq_postgres.driver import PostgresDriver

        return PostgresDriver
    if name == "PostgresConfig":
        from asynctasq_postgres.settings import PostgresConfig

        return PostgresConfig
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
