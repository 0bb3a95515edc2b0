"""The plugin module of the built-in driver `memory`."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from asynctasq.contract.driver import Driver
from asynctasq.contract.traits import Guarantee
from asynctasq.errors import ConfigurationError
from asynctasq.memory.settings import MemoryConfig
from asynctasq.plugins.hookspecs import hookimpl
from asynctasq.plugins.settings import redact_url
from asynctasq.plugins.specs import DriverSpec


def _open(settings: MemoryConfig) -> Driver:
    parts = urlsplit(settings.url)
    if parts.scheme != "memory" or parts.netloc or parts.path not in ("", "/"):
        raise ConfigurationError(
            f"the URL {redact_url(settings.url)} names a place, but the memory driver has none; "
            "wanted memory://, with ?namespace=NAME to tell stores apart"
        )
    from asynctasq.memory.driver import MemoryDriver

    return MemoryDriver(
        settings.namespace, max_payload_bytes=settings.max_payload_bytes, dead_retention=settings.dead_retention
    )


@hookimpl
def asynctasq_driver_specs() -> Sequence[DriverSpec]:
    """The one driver of this plugin."""
    return [
        DriverSpec(
            name="memory",
            url_schemes=("memory",),
            api_version="1.0",
            settings_type=MemoryConfig,
            open=_open,
            guarantees=frozenset({Guarantee.STRICT_ORDER, Guarantee.EXACT_STATS}),
            features=frozenset({"wake_ups", "pausing", "worker_reports"}),
            event_loops=frozenset({"asyncio", "trio"}),
        )
    ]
