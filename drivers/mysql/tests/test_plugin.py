"""What the core sees of the driver before it opens it."""

import subprocess
import sys

import anyio
import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver
from asynctasq_mysql.plugin import asynctasq_driver_specs

from asynctasq.driver_api import ConfigurationError, DriverUnavailable, Guarantee


def test_the_plugin_imports_no_client_library() -> None:
    """Looking at the plugin imports neither aiomysql nor PyMySQL."""
    code = (
        "import sys, asynctasq_mysql, asynctasq_mysql.plugin as plugin; plugin.asynctasq_driver_specs();"
        "print([name for name in ('aiomysql', 'pymysql', 'sqlalchemy', 'ssl') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    heavy = told.stdout.strip()
    assert "aiomysql" not in heavy
    assert "pymysql" not in heavy
    assert "sqlalchemy" not in heavy


def test_the_driver_is_what_its_spec_says() -> None:
    """Name, schemes, all four guarantees, all four features, asyncio alone."""
    [spec] = asynctasq_driver_specs()
    driver = spec.open(MySQLConfig())
    assert isinstance(driver, MySQLDriver)
    assert (spec.name, spec.url_schemes) == ("mysql", ("mysql", "mariadb"))
    assert driver.traits.guarantees <= spec.guarantees == frozenset(Guarantee)
    assert all(getattr(driver, feature) is not None for feature in spec.features)
    assert driver.traits.event_loops == spec.event_loops == {"asyncio"}


def test_another_event_loop_is_refused() -> None:
    """On trio `connect()` says that the driver runs on asyncio, rather than failing somewhere inside."""
    with pytest.raises(ConfigurationError, match="runs on asyncio"):
        anyio.run(MySQLDriver().connect, backend="trio")


def test_a_missing_server_is_a_short_error() -> None:
    """Nobody listening is `DriverUnavailable`, in a line, without a password."""
    driver = MySQLDriver(MySQLConfig(dsn="mysql://root:s3cret@127.0.0.1:1/test"))
    with pytest.raises(DriverUnavailable) as caught:
        anyio.run(driver.connect, backend="asyncio")
    assert "s3cret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
