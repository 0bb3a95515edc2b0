"""TLS: a server that can't prove who it is gets nothing, once `sslmode` asks for a proof."""

import datetime
import ipaddress
from collections.abc import Iterator
from pathlib import Path

import pytest
from asynctasq_postgres.driver import PostgresDriver
from asynctasq_postgres.settings import PostgresConfig
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from asynctasq.driver_api import ConfigurationError, NewTask

from .servers import PostgresServer, skip_without_binary

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HOST = ipaddress.ip_address("127.0.0.1")


def _write_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    files[1].chmod(0o600)
    return files


@pytest.fixture(scope="module")
def tls_server() -> Iterator[tuple[str, Path]]:
    """The URL of a server that speaks TLS, and its certificate."""
    skip_without_binary()
    server = PostgresServer()
    try:
        certificate, key = _write_certificate(server.folder)
        server.own()
        server.use("-c", "ssl=on", "-c", f"ssl_cert_file={certificate}", "-c", f"ssl_key_file={key}")
        server.start()
        yield server.url, certificate
    finally:
        server.remove()


async def test_a_trusted_server_is_used(tls_server: tuple[str, Path]) -> None:
    """With its authority at hand the driver works, wake-ups included, and every session is encrypted."""
    url, certificate = tls_server
    driver = PostgresDriver(PostgresConfig(dsn=url, sslmode="verify-full", sslrootcert=str(certificate)))
    await driver.prepare_storage()
    async with driver:
        assert driver.wake_ups is not None
        async with driver.wake_ups.listen(["q"]) as stream:
            await driver.enqueue_many([NewTask(id="task", queue="q", name="n", payload=b"x")])
            assert await stream.wait(5)
            rows = await driver._connected.run(
                lambda connection: connection.fetch(
                    "SELECT bool_and(ssl) FROM pg_stat_ssl NATURAL JOIN pg_stat_activity WHERE application_name = $1",
                    "asynctasq",
                )
            )
            assert rows[0][0]


async def test_an_unknown_certificate_is_refused(tls_server: tuple[str, Path], tmp_path: Path) -> None:
    """Another authority, or another name than the certificate's: no retry would help, and the setting is named."""
    url, certificate = tls_server
    other, _ = _write_certificate(tmp_path)
    for settings in (
        PostgresConfig(dsn=url, sslmode="verify-full", sslrootcert=str(other)),
        PostgresConfig(dsn=url.replace("127.0.0.1", "localhost"), sslmode="verify-full", sslrootcert=str(certificate)),
    ):
        with pytest.raises(ConfigurationError, match="sslrootcert"):
            await PostgresDriver(settings).connect()


async def test_a_missing_file_is_named(tls_server: tuple[str, Path], tmp_path: Path) -> None:
    """A mistyped file is a matter of configuration, and not an outage."""
    missing = str(tmp_path / "authority.pem")
    settings = PostgresConfig(dsn=tls_server[0], sslmode="verify-full", sslrootcert=missing)
    with pytest.raises(ConfigurationError, match=f"sslrootcert is '{missing}'"):
        await PostgresDriver(settings).connect()
