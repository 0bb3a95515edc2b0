"""The plugin module of the driver `postgres`. It imports no client library; `_open` does."""

from collections.abc import Sequence

from asynctasq.driver_api import FEATURE_NAMES, Driver, DriverSpec, Guarantee, hookimpl
from asynctasq_postgres.settings import PostgresConfig


def _open(settings: PostgresConfig) -> Driver:
    from asynctasq_postgres.driver import PostgresDriver

    return PostgresDriver(settings)


@hookimpl
def asynctasq_driver_specs() -> Sequence[DriverSpec]:
    """The one driver of this plugin."""
    return [
        DriverSpec(
            name="postgres",
            url_schemes=("postgresql", "postgres"),
            api_version="1.0",
            settings_type=PostgresConfig,
            open=_open,
            guarantees=frozenset(Guarantee),
            features=FEATURE_NAMES,
            event_loops=frozenset({"asyncio"}),
        )
    ]
