"""The driver keeps the contract: on the server that is there, and on one with an append-only file that is killed."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from asynctasq_conformance import DriverConformance

from .harness import AofRedisHarness, RedisHarness
from .servers import SERVER_URL, skip_without_binary, skip_without_server


@pytest.fixture(scope="module", autouse=True)
def _server() -> None:
    skip_without_server()


class TestRedis(DriverConformance):
    """The whole suite, on the server that is there."""

    harness = RedisHarness(SERVER_URL)


class TestRedisWithAppendOnlyFile(DriverConformance):
    """The whole suite, and restarts by SIGKILL, on a private server."""

    harness = AofRedisHarness()

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _private_server(cls) -> Iterator[None]:
        skip_without_binary()
        with tempfile.TemporaryDirectory() as folder:
            cls.harness.start(Path(folder))
            yield
            cls.harness.stop()
