"""How the driver and the event sink are configured."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from asynctasq.driver_api import ConfigurationError, DriverSettings, PluginSettings, Secret, Url, redact_url, split_url

Seconds = Annotated[float, Meta(gt=0)]

DEFAULT_URL = "redis://127.0.0.1:6379/0"
DEFAULT_CHANNEL = "asynctasq:events"


class RedisConfig(DriverSettings, frozen=True, kw_only=True):
    """Where the Redis server is, how to reach it, and what the driver does there.

    A URL names one server (`redis://host:6379/0`, `rediss://` for TLS, `unix:///run/redis.sock`), the Sentinels of a
    master (`redis+sentinel://host:26379,host:26379/mymaster/0`) or some nodes of a cluster
    (`redis+cluster://host:6379,host:6379`); `rediss+sentinel` and `rediss+cluster` are the same over TLS.
    """

    url: Url = DEFAULT_URL
    username: str | None = None
    """Wins over the URL's."""
    password: Secret | None = None
    """Wins over the URL's."""
    db: Annotated[int, Meta(ge=0, le=15)] = 0
    """The database, if the URL names none."""

    connect_timeout: Seconds = 2.0
    command_timeout: Seconds = 5.0
    """Seconds for a whole call, waiting for a connection included."""

    ssl_ca_certs: str | None = None
    """A file of certificates to trust instead of the system's."""
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_keyfile_password: Secret | None = None
    ssl_cert_reqs: Literal["required", "optional", "none"] = "required"
    ssl_check_hostname: bool = True

    sentinel_username: str | None = None
    sentinel_password: Secret | None = None

    max_connections: Annotated[int, Meta(ge=1)] = 100
    """Calls beyond that wait for a connection. Each stream of wake-ups has one more of its own."""
    warmup_connections: Annotated[int, Meta(ge=0)] = 0
    """How many connections `connect()` opens at once."""
    wait_aof: bool = False
    """Answer a call only when the server says that its effects are on disk (WAITAOF, Redis 7.2). With `appendfsync
    always` they are without being asked."""
    max_payload_bytes: Annotated[int, Meta(ge=1, le=67_108_864)] = 262_144
    dead_retention: Annotated[float, Meta(ge=0, le=315_360_000)] | None = None
    """Seconds that a dead task is kept; None is for ever."""
    delayed_task_interval: float = 1.0
    """Accepted and not used: a delayed task becomes ready by itself."""

    @classmethod
    def from_url(cls, url: str) -> dict[str, Any]:
        """The URL without its query, which may name several hosts, and the query's fields.

        Raises:
            ConfigurationError: the query can't be read, or sets one option twice.
        """
        place, _, query = url.partition("#")[0].partition("?")
        _, fields = split_url(f"redis://server?{query}")
        fields["url"] = place
        return fields


class RedisSinkConfig(PluginSettings, frozen=True, kw_only=True):
    """The settings of the event sink `redis`."""

    url: Url = DEFAULT_URL
    """A URL as the driver takes it, with any option of the driver's that concerns connections in its query."""
    channel: Annotated[str, Meta(min_length=1)] = DEFAULT_CHANNEL
    encoding: Literal["msgpack", "json"] = "msgpack"


def settings_from_url(url: str) -> RedisConfig:
    """The settings that a URL alone gives.

    Raises:
        ConfigurationError: an option in the URL's query is unknown or wrong.
    """
    try:
        return msgspec.convert(RedisConfig.from_url(url), RedisConfig, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"the URL {redact_url(url)} has a wrong option: {error}") from error
