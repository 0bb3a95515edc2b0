"""Settings and URLs."""

import subprocess
import sys

import anyio
import msgspec
import pytest
from asynctasq_redis import RedisConfig, RedisDriver, RedisSinkConfig, event_sink_plugin, plugin
from asynctasq_redis.locations import Location, location_of
from asynctasq_redis.settings import settings_from_url

from asynctasq.driver_api import ConfigurationError, DriverSpec
from asynctasq.plugins.driver_factory import DriverFactory
from asynctasq.plugins.event_sink_factory import EventSinkFactory

LOCATIONS = {
    "redis://": Location(kind="server", hosts=(("localhost", 6379),)),
    "redis://host": Location(kind="server", hosts=(("host", 6379),)),
    "redis://user:p%40ss@host:7/3": Location(
        kind="server", hosts=(("host", 7),), db=3, username="user", password="p@ss"
    ),
    "redis://:word@[::1]:7": Location(kind="server", hosts=(("::1", 7),), password="word"),
    "rediss://host": Location(kind="server", is_tls=True, hosts=(("host", 6379),)),
    "unix:///run/redis.sock": Location(kind="socket", path="/run/redis.sock"),
    "redis+sentinel://a,b:7/master/2": Location(
        kind="sentinel", hosts=(("a", 26379), ("b", 7)), service="master", db=2
    ),
    "rediss+cluster://a:1,b:2": Location(kind="cluster", is_tls=True, hosts=(("a", 1), ("b", 2))),
}


@pytest.mark.parametrize("url", LOCATIONS)
def test_a_url_says_where_the_server_is(url: str) -> None:
    """Each form of URL that the settings document."""
    assert location_of(url) == LOCATIONS[url]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://host", "scheme"),
        ("redis://host/16", "database"),
        ("redis://host/x", "database"),
        ("redis://a,b", "several hosts"),
        ("redis://host:0", "host:port"),
        ("redis://host:x", "host:port"),
        ("redis+sentinel://a:1", "mymaster"),
        ("redis+cluster://a:1/2", "database 0"),
        ("unix://", "socket"),
    ],
)
def test_a_url_that_can_never_work_is_refused_without_io(url: str, message: str) -> None:
    """Making the driver tells of it, with what was wanted."""
    with pytest.raises(ConfigurationError, match=message):
        RedisDriver(RedisConfig(url=url))


def test_a_urls_query_sets_options() -> None:
    """The query goes into the fields, with several hosts too; an unknown option is an error that shows no password."""
    settings = settings_from_url("redis+sentinel://:secret@a:1,b:2/m?namespace=x&max_connections=4&wait_aof=true")
    assert (settings.namespace, settings.max_connections, settings.wait_aof) == ("x", 4, True)
    assert settings.url == "redis+sentinel://:secret@a:1,b:2/m"
    with pytest.raises(ConfigurationError, match="no_such_option") as caught:
        settings_from_url("redis://:secret@a?no_such_option=1")
    assert "secret" not in str(caught.value)


def test_secrets_never_show() -> None:
    """Neither in the settings nor in the driver nor in the sink."""
    settings = RedisConfig(
        url="redis://user:secret1@host/0",
        password="secret2",
        ssl_keyfile_password="secret3",
        sentinel_password="secret4",
    )
    sink = RedisSinkConfig(url="redis://user:secret5@host/0")
    assert "secret" not in repr(settings) + repr(RedisDriver(settings)) + repr(sink)
    assert "user" in repr(settings)


def test_a_password_with_a_bare_slash_does_not_come_to_light() -> None:
    """Its end stands where the database should be, and is not told."""
    with pytest.raises(ConfigurationError, match="%2F") as caught:
        RedisDriver(RedisConfig(url="redis://user:12/secret@host/0"))
    assert "secret" not in str(caught.value)


def test_the_names_that_applications_use_are_there() -> None:
    """Every option of RedisConfig that existing applications set, with its default."""
    settings = RedisConfig()
    found = (settings.password, settings.db, settings.max_connections, settings.warmup_connections)
    assert found == (None, 0, 100, 0)
    assert settings.delayed_task_interval == 1.0
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"db": 16}, RedisConfig)


def test_two_databases_are_a_contradiction() -> None:
    """A database in the URL and another one in `db`: neither wins in silence."""
    with pytest.raises(ConfigurationError, match="wanted one of them"):
        RedisDriver(RedisConfig(url="redis://host/1", db=2))
    RedisDriver(RedisConfig(url="redis://host/2", db=2))
    RedisDriver(RedisConfig(url="redis://host", db=2))


def test_the_plugins_import_no_client_library() -> None:
    """Reading the descriptions costs neither redis-py nor hiredis."""
    code = (
        "import sys, asynctasq_redis, asynctasq_redis.plugin, asynctasq_redis.event_sink_plugin\n"
        "sys.exit(any(name.split('.')[0] in ('redis', 'hiredis') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "name", ["redis", "redis://h", "rediss://h", "unix:///s", "redis+sentinel://a,b/m", "redis+cluster://a:1,b:2"]
)
def test_the_core_finds_the_driver(name: str) -> None:
    """By its name and by every scheme, through the entry points of the installed distribution."""
    assert isinstance(DriverFactory.create(name), RedisDriver)
    assert EventSinkFactory.create("redis", url="redis://h", channel="c") is not None


def test_another_event_loop_is_refused() -> None:
    """On trio `connect()` says what is wanted."""
    with pytest.raises(ConfigurationError, match="asyncio alone"):
        anyio.run(RedisDriver(RedisConfig()).connect, backend="trio")


def test_the_specs_describe_what_opens() -> None:
    """One spec each, whose `open` makes the thing without I/O."""
    (spec,) = plugin.asynctasq_driver_specs()
    assert isinstance(spec, DriverSpec)
    assert isinstance(spec.open(RedisConfig()), RedisDriver)
    (sink_spec,) = event_sink_plugin.asynctasq_event_sink_specs()
    assert sink_spec.open(RedisSinkConfig()) is not None
