"""The SQLite driver of asynctasq: a durable queue in one file, shared by all processes of a machine, without a server.

The names below are loaded when they are asked for, so that looking at the plugin imports no client library.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asynctasq_sqlite.driver import SQLiteDriver
    from asynctasq_sqlite.settings import SQLiteConfig

__all__ = ["SQLiteConfig", "SQLiteDriver"]


def __getattr__(name: str) -> Any:
    if name == "SQLiteDriver":
        from asynctasq_sqlite.driver import SQLiteDriver

        return SQLiteDriver
    if name == "SQLiteConfig":
        from asynctasq_sqlite.settings import SQLiteConfig

        return SQLiteConfig
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
