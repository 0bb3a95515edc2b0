"""Settings and URLs."""

import subprocess
import sys

import msgspec
import pytest
from asynctasq_sqlite import SQLiteConfig

from asynctasq.driver_api import ConfigurationError


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        ("sqlite:///relative.db", {"path": "relative.db"}),
        ("sqlite:////folder/absolute.db", {"path": "/folder/absolute.db"}),
        ("sqlite:///a%20name.db?synchronous=normal", {"path": "a name.db", "synchronous": "normal"}),
        ("sqlite://", {}),
        ("sqlite:///?namespace=other", {"namespace": "other"}),
    ],
)
def test_url(url: str, fields: dict[str, str]) -> None:
    """Three slashes are a relative path, four an absolute one; the query sets the other fields."""
    assert SQLiteConfig.from_url(url) == fields


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "sqlite://:memory:"])
def test_memory_url_names_the_memory_driver(url: str) -> None:
    """A store in memory is refused with the name of the driver that has one."""
    with pytest.raises(ConfigurationError, match="driver `memory`"):
        SQLiteConfig(**SQLiteConfig.from_url(url))


def test_url_with_a_host_is_refused() -> None:
    """`sqlite://file.db` would be a host: the error shows how to write it."""
    with pytest.raises(ConfigurationError, match=r"sqlite:///relative\.db"):
        SQLiteConfig.from_url("sqlite://file.db")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"path": ""}, "wanted the name of a file"),
        ({"busy_timeout": 30.0, "command_timeout": 10.0}, "command_timeout above busy_timeout"),
    ],
)
def test_what_cannot_work_is_refused(fields: dict[str, object], message: str) -> None:
    """Settings that contradict each other are refused when they are made."""
    with pytest.raises(ConfigurationError, match=message):
        SQLiteConfig(**fields)


def test_settings_are_read_from_text() -> None:
    """Every field can come from the environment, as text."""
    texts = {"busy_timeout": "2.5", "dead_retention": "3600", "prepare": "false", "max_payload_bytes": "1024"}
    settings = msgspec.convert(texts, SQLiteConfig, strict=False)
    assert settings.busy_timeout == 2.5
    assert settings.dead_retention == 3600
    assert settings.prepare is False
    assert settings.max_payload_bytes == 1024


def test_the_plugin_imports_no_client_library() -> None:
    """Looking at the plugin loads neither aiosqlite nor sqlite3."""
    code = (
        "import sys, asynctasq_sqlite.plugin as plugin\n"
        "(spec,) = plugin.asynctasq_driver_specs()\n"
        "assert spec.name == 'sqlite' and not {'aiosqlite', 'sqlite3', '_sqlite3'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
