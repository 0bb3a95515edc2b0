"""The memory driver's settings."""

from typing import Annotated

from msgspec import Meta

from asynctasq.plugins.settings import DriverSettings, Url


class MemoryConfig(DriverSettings, frozen=True, kw_only=True):
    """Settings of the built-in driver `memory`: one store per namespace in this process, gone when it ends."""

    url: Url = "memory://"
    """There is nothing to address: only the options behind `?` have a meaning."""
    max_payload_bytes: Annotated[int, Meta(ge=1)] = 262_144
    """The largest payload, and the largest result, in bytes."""
    dead_retention: Annotated[float, Meta(ge=0)] | None = None
    """How long a dead letter is kept, in seconds; by default until it is replayed, deleted or purged. Drivers that are
    connected at the same time to one namespace can't have different ones: the later one is refused."""
