"""The plugin module of the driver `sqlite`. It imports neither sqlite3 nor aiosqlite."""

from collections.abc import Sequence

from asynctasq.driver_api import FEATURE_NAMES, Driver, DriverSpec, Guarantee, hookimpl
from asynctasq_sqlite.settings import SQLiteConfig


def _open(settings: SQLiteConfig) -> Driver:
    from asynctasq_sqlite.driver import SQLiteDriver

    return SQLiteDriver(settings)


@hookimpl
def asynctasq_driver_specs() -> Sequence[DriverSpec]:
    """The one driver of this plugin."""
    return [
        DriverSpec(
            name="sqlite",
            url_schemes=("sqlite",),
            api_version="1.0",
            settings_type=SQLiteConfig,
            open=_open,
            guarantees=frozenset(Guarantee),
            features=FEATURE_NAMES,
            event_loops=frozenset({"asyncio"}),
        )
    ]
