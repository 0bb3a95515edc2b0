"""TLS: verified by default, with client certificates where they are given."""

import datetime
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from asynctasq_redis.driver import RedisDriver
from asynctasq_redis.settings import RedisConfig
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from asynctasq.driver_api import ConfigurationError, NewTask

from .servers import RedisServer, skip_without_binary

HOST = ipaddress.ip_address("127.0.0.1")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
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
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


@pytest.fixture(scope="module")
def tls_port(certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that speaks TLS alone, and wants a client's certificate."""
    skip_without_binary()
    certificate_file, key_file = certificate
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    options = ("--tls-port", str(server.port), "--port", "0", "--tls-cert-file", str(certificate_file))
    options += ("--tls-key-file", str(key_file), "--tls-ca-cert-file", str(certificate_file))
    with RedisServer(server.folder, *options, port=server.port):
        yield server.port


def _settings(port: int, namespace: str, **options: Any) -> RedisConfig:
    return RedisConfig(url=f"rediss://127.0.0.1:{port}/0", namespace=namespace, **options)


@pytest.mark.anyio
async def test_a_trusted_server_is_used(tls_port: int, certificate: tuple[Path, Path], namespace: str) -> None:
    """With the right files the driver works, wake-ups included."""
    files = {"ssl_ca_certs": certificate[0], "ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]}
    settings = _settings(tls_port, namespace, **{name: str(path) for name, path in files.items()})
    async with RedisDriver(settings) as driver:
        assert driver.wake_ups is not None
        async with driver.wake_ups.listen(["q"]) as stream:
            await driver.enqueue_many([NewTask(id="task", queue="q", name="n", payload=b"x")])
            assert await stream.wait(5)


@pytest.mark.anyio
async def test_an_unknown_certificate_is_refused(tls_port: int, namespace: str) -> None:
    """Without a reason to trust the server, the driver does not talk to it, and says which setting helps."""
    with pytest.raises(ConfigurationError, match="ssl_ca_certs"):
        await RedisDriver(_settings(tls_port, namespace)).connect()
    await anyio.wait_all_tasks_blocked()  # asyncio closes the socket of a handshake that failed a little later


def test_certificates_without_tls_are_a_mistake() -> None:
    """Options for TLS with a URL that has none would be ignored in silence."""
    with pytest.raises(ConfigurationError, match="rediss"):
        RedisDriver(RedisConfig(url="redis://127.0.0.1/0", ssl_ca_certs="ca.pem"))
