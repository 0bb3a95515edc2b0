"""`--health-port`: `/live`, `/ready` and `/metrics` over HTTP, on the loopback address unless told otherwise."""

import hmac
import ipaddress
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import anyio
import anyio.abc
from msgspec import Struct

from asynctasq.errors import ConfigurationError

_logger = logging.getLogger("asynctasq.health")

_LONGEST_REQUEST = 8 * 1024
_PATIENCE = 5.0
"""Seconds that a client has to send its request and to take the answer."""
_MOST_CLIENTS = 16


class Answer(Struct, frozen=True):
    """What a path is answered with."""

    status: HTTPStatus
    body: str


Respond = Callable[[], Awaitable[Answer]]


@asynccontextmanager
async def health_server(
    host: str, port: int, paths: dict[str, Respond], *, token: str | None = None
) -> AsyncGenerator[int]:
    """Serve these paths inside the block; the port that is listened on.

    Args:
        host: The address to bind.
        port: 0 takes any free one.
        paths: What to answer with.
        token: What clients have to send as a bearer token; None asks for nothing.

    Raises:
        ConfigurationError: the address can't be bound, or others could reach it without a token.
    """
    if token is None and not _is_loopback(host):
        raise ConfigurationError(
            f"the health server would listen on {host}, for everybody who can reach it; set "
            "ASYNCTASQ_WORKER_HEALTH_TOKEN (or ..._FILE), or leave it on 127.0.0.1"
        )
    try:
        listener = await anyio.create_tcp_listener(local_host=host, local_port=port)
    except OSError as error:
        raise ConfigurationError(
            f"the health server can't listen on {host}:{port}: {error.strerror or error}; choose another --health-port"
        ) from error
    clients = anyio.CapacityLimiter(_MOST_CLIENTS)

    async def handle(client: anyio.abc.SocketStream) -> None:
        async with client:
            if clients.available_tokens:
                async with clients:
                    await _answer_one(client, paths, token)

    async with listener, anyio.create_task_group() as serving:
        serving.start_soon(listener.serve, handle)
        bound: int = listener.extra(anyio.abc.SocketAttribute.local_port)
        _logger.info("health: http://%s:%d/live, /ready and /metrics", host, bound)
        yield bound
        serving.cancel_scope.cancel()


async def _answer_one(client: anyio.abc.SocketStream, paths: dict[str, Respond], token: str | None) -> None:
    """One request and its answer. Whatever a client does, the worker is none the worse."""
    try:
        with anyio.move_on_after(_PATIENCE):
            await _respond(client, paths, token)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
        _logger.debug("a client of the health server went away")
    except Exception:
        _logger.exception("the health server failed to answer")


async def _respond(client: anyio.abc.SocketStream, paths: dict[str, Respond], token: str | None) -> None:
    request = b""
    while b"\r\n\r\n" not in request and b"\n\n" not in request:
        if len(request) > _LONGEST_REQUEST:
            await client.send(_encoded(Answer(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too long\n"), "GET"))
            return
        request += await client.receive()
    method, _, rest = request.split(b"\n", 1)[0].decode("latin-1").partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    if method not in ("GET", "HEAD"):
        answer = Answer(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD\n")
    elif token is not None and not _is_authorized(request, token):
        answer = Answer(HTTPStatus.UNAUTHORIZED, "send the token: Authorization: Bearer ...\n")
    elif path in paths:
        answer = await paths[path]()
    else:
        answer = Answer(HTTPStatus.NOT_FOUND, f"there are {', '.join(paths)}\n")
    await client.send(_encoded(answer, method))


def _is_authorized(request: bytes, token: str) -> bool:
    for line in request.split(b"\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"authorization":
            return hmac.compare_digest(value.strip(), b"Bearer " + token.encode())
    return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _encoded(answer: Answer, method: str) -> bytes:
    body = answer.body.encode()
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == "HEAD" else body)
