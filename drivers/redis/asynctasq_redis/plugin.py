"""What the core reads to learn of this driver. Importing it imports no client library."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from asynctasq.driver_api import DriverSpec, Guarantee, hookimpl
from asynctasq_redis.locations import SCHEMES
from asynctasq_redis.settings import RedisConfig

if TYPE_CHECKING:
    from asynctasq_redis.driver import RedisDriver


def _open(settings: RedisConfig) -> "RedisDriver":
    from asynctasq_redis.driver import RedisDriver

    return RedisDriver(settings)


@hookimpl
def asynctasq_driver_specs() -> Sequence[DriverSpec]:
    """The Redis driver."""
    return [
        DriverSpec(
            name="redis",
            url_schemes=SCHEMES,
            api_version="1.0",
            settings_type=RedisConfig,
            open=_open,
            guarantees=frozenset(
                {
                    Guarantee.STRICT_ORDER,
                    Guarantee.DURABLE,
                    Guarantee.EXACT_STATS,
                    Guarantee.SHARED_BETWEEN_PROCESSES,
                }
            ),
            features=frozenset({"wake_ups", "pausing", "worker_reports"}),
            event_loops=frozenset({"asyncio"}),
        )
    ]
