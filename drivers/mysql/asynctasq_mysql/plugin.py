"""What the core reads of this driver. It imports no client library."""

from collections.abc import Sequence

from asynctasq.driver_api import FEATURE_NAMES, Driver, DriverSpec, Guarantee, hookimpl
from asynctasq_mysql.settings import MySQLConfig


def _open(settings: MySQLConfig) -> Driver:
    from asynctasq_mysql.driver import MySQLDriver

    return MySQLDriver(settings)


@hookimpl
def asynctasq_driver_specs() -> Sequence[DriverSpec]:
    """One driver: `mysql`."""
    return [
        DriverSpec(
            name="mysql",
            url_schemes=("mysql", "mariadb"),
            api_version="1.0",
            settings_type=MySQLConfig,
            open=_open,
            guarantees=frozenset(Guarantee),
            features=FEATURE_NAMES,
            event_loops=frozenset({"asyncio"}),
        )
    ]
