"""TLS: verified unless the settings say otherwise, and used if they ask for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from asynctasq_mysql import MySQLConfig, MySQLDriver

from asynctasq.driver_api import ConfigurationError, NewTask

from .certificates import make_certificates
from .servers import MariaDBServer, skip_without_binaries

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """Certificates for 127.0.0.1."""
    make_certificates(tmp_path / "tls", address="127.0.0.1")
    return tmp_path / "tls"


@pytest.fixture
def tls_server(tmp_path: Path, certificates: Path) -> Iterator[MariaDBServer]:
    """A server that has a certificate."""
    skip_without_binaries()
    server = MariaDBServer(
        tmp_path / "mariadb",
        f"--ssl-ca={certificates / 'ca.pem'}",
        f"--ssl-cert={certificates / 'server.pem'}",
        f"--ssl-key={certificates / 'server.key'}",
    )
    server.start()
    yield server
    server.kill()


async def cipher_of(settings: MySQLConfig) -> str:
    """What a driver's connections are encrypted with; empty if they are not."""
    driver = MySQLDriver(settings)
    await driver.prepare_storage()
    async with driver:
        await driver.enqueue_many([NewTask(id=settings.namespace, queue="q", name="n", payload=b"x" * 100_000)])
        [found] = await driver._connected.run(lambda connection: connection.run("SHOW STATUS LIKE 'Ssl_cipher'"))
        return str(found.rows[0][1])


async def test_modes(tls_server: MariaDBServer, certificates: Path) -> None:
    """An authority alone verifies everything; each mode does what it says; without any there is no TLS."""
    authority = str(certificates / "ca.pem")
    url = tls_server.url
    assert await cipher_of(MySQLConfig(dsn=url, ssl_ca=authority, namespace="a"))
    assert await cipher_of(MySQLConfig(dsn=url, ssl_ca=authority, ssl_mode="verify_ca", namespace="b"))
    assert await cipher_of(MySQLConfig(dsn=url, ssl_mode="required", namespace="c"))
    assert not await cipher_of(MySQLConfig(dsn=url, namespace="d"))


async def test_a_stranger_is_refused(tls_server: MariaDBServer, certificates: Path, tmp_path: Path) -> None:
    """A certificate by another authority, or for another name, is refused before a password is sent."""
    make_certificates(tmp_path / "others", address="127.0.0.1")
    for settings in (
        MySQLConfig(dsn=tls_server.url, ssl_ca=str(tmp_path / "others" / "ca.pem")),
        MySQLConfig(dsn=tls_server.url.replace("127.0.0.1", "localhost"), ssl_ca=str(certificates / "ca.pem")),
    ):
        with pytest.raises(ConfigurationError, match=r"not trusted.*certificate"):
            await MySQLDriver(settings).connect()
