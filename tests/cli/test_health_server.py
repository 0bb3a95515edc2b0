"""The health server, and clients that are up to no good."""

from http import HTTPStatus

import anyio
import pytest

from asynctasq.cli.health_server import Answer, health_server
from asynctasq.cli.worker_health import WorkerHealth
from asynctasq.errors import ConfigurationError
from asynctasq.plugins.driver_factory import DriverFactory

pytestmark = pytest.mark.anyio


async def fine() -> Answer:
    """A path's answer."""
    return Answer(HTTPStatus.OK, "fine\n")


async def broken() -> Answer:
    """A path that fails."""
    raise RuntimeError("no")


async def ask(port: int, request: bytes) -> bytes:
    """Everything that comes back."""
    async with await anyio.connect_tcp("127.0.0.1", port) as client:
        await client.send(request)
        answer = b""
        with anyio.fail_after(5):
            try:
                while True:
                    answer += await client.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return answer


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n", b"200 OK"),
        (b"GET /live?x=1 HTTP/1.0\n\n", b"200 OK"),
        (b"HEAD /live HTTP/1.1\r\n\r\n", b"200 OK"),
        (b"GET /other HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"POST /live HTTP/1.1\r\n\r\n", b"405 Method Not Allowed"),
        (b"\xff\xfe\x00\r\n\r\n", b"405 Method Not Allowed"),
        (b"GET /live HTTP/1.1\r\n" + b"x" * 9000, b"431 Request Header Fields Too Large"),
    ],
)
async def test_requests(request_: bytes, status: bytes) -> None:
    """GET and HEAD of what is there; everything else is refused in one line."""
    async with health_server("127.0.0.1", 0, {"/live": fine}) as port:
        answer = await ask(port, request_)
    assert answer.startswith(b"HTTP/1.1 " + status)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == (b"" if request_.startswith(b"HEAD") else body)
    assert b"Connection: close" in head


async def test_a_client_that_goes_away_harms_nobody() -> None:
    """After a client that says nothing, one that breaks off, and a path that fails, the next is answered."""
    async with health_server("127.0.0.1", 0, {"/live": fine, "/broken": broken}) as port:
        silent = await anyio.connect_tcp("127.0.0.1", port)
        async with await anyio.connect_tcp("127.0.0.1", port) as client:
            await client.send(b"GET /li")
        assert await ask(port, b"GET /broken HTTP/1.1\r\n\r\n") == b""
        assert (await ask(port, b"GET /live HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await silent.aclose()


@pytest.mark.parametrize("host", ["0.0.0.0", "10.1.2.3", "example.org"])
async def test_no_other_address_without_a_token(host: str) -> None:
    """Only loopback addresses are open to all."""
    with pytest.raises(ConfigurationError, match="ASYNCTASQ_WORKER_HEALTH_TOKEN"):
        async with health_server(host, 0, {}):
            pass


class Status(dict[str, object]):
    """A worker's status."""

    def __init__(self, **changes: object) -> None:
        super().__init__(
            status="running", last_reserve_seconds_ago=0.5, active_tasks=1, concurrency=10, worker_id="w", queues=["q"]
        )
        self.update(changes)


@pytest.mark.parametrize(
    ("status", "is_ready"),
    [
        (Status(), True),
        (Status(last_reserve_seconds_ago=31.0), False),
        (Status(last_reserve_seconds_ago=31.0, active_tasks=10), True),
        (Status(last_reserve_seconds_ago=None), False),
        (Status(status="starting"), False),
        (Status(status="draining"), False),
    ],
)
async def test_ready_means_that_the_backend_answered_lately(status: Status, is_ready: bool) -> None:
    """Silence of the backend makes a worker not ready, unless every slot is taken; nor does it while it ends."""
    async with DriverFactory.create("memory://") as driver:
        health = WorkerHealth(lambda: status, driver, patience=30, version="1", driver_name="memory")
        assert (await health.ready()).status == (HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)
        assert (await health.live()).status == HTTPStatus.OK
        assert f'asynctasq_worker_ready{{worker="w"}} {int(is_ready)}\n' in (await health.metrics()).body


async def test_labels_are_escaped() -> None:
    """Whatever a worker or queue is called, the metrics stay readable."""
    async with DriverFactory.create("memory://") as driver:
        status = Status(worker_id='a"b\\c\nd')
        health = WorkerHealth(lambda: status, driver, patience=30, version="1", driver_name="memory")
        assert 'worker="a\\"b\\\\c\\nd"' in (await health.metrics()).body
