"""What a worker and the children of its process pool say to each other: frames of MessagePack over two pipes.

Arguments and results cross as the bytes that they are in the store; nothing is pickled. A frame is its length in four
bytes, big-endian, and then the message.
"""

import struct
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

LENGTH = struct.Struct(">I")


class ChildSetup(Struct, frozen=True, kw_only=True):
    """A function of the operator's own code that prepares a child, after the application was imported in it."""

    call: str
    """`package.module:function`."""
    arguments: dict[str, Any] = {}
    """Passed by keyword. The function returns content type -> serializer."""
    before_import: str | None = None
    """`package.module:function`, called with the same arguments before the application is imported."""


class Start(Struct, frozen=True, kw_only=True, array_like=True):
    """The first message to a child."""

    parent: int
    path: list[str]
    modules: list[str]
    """Imported in the child, which fills its registry."""
    files: list[str]
    """Scripts that are run for their definitions."""
    setup: ChildSetup | None
    log_level: int
    log_as_json: bool
    max_result_bytes: int


class Request(Struct, frozen=True, kw_only=True, tag="request", array_like=True):
    """One attempt, for a child to run."""

    name: str
    content_type: str
    body: bytes
    id: str
    queue: str
    attempt: int
    max_attempts: int
    worker_id: str
    correlation_id: str | None
    enqueued_at: datetime
    keep_result: bool


class Go(Struct, frozen=True, tag="go", array_like=True):
    """The answer to `Loaded`."""

    may_begin: bool
    """Whether the lease has lasted. If not, the child answers `NotBegun`."""


class Ready(Struct, frozen=True, tag="ready", array_like=True):
    """The child has imported the application, and its event loop is warm."""

    pid: int


class Loaded(Struct, frozen=True, tag="loaded", array_like=True):
    """What the arguments refer to was loaded, which may have taken long: may the body begin?"""


class Returned(Struct, frozen=True, tag="returned", array_like=True):
    """The body returned; `result` is encoded, or None if none is kept."""

    result: bytes | None


class Raised(Struct, frozen=True, tag="raised", array_like=True):
    """The body raised. The exception stays in the child: what crosses is text, and the task's answer."""

    type_name: str
    message: str
    traceback: str
    wants_retry: bool
    reason: str | None = None
    """A reason to bury the task whatever it wants: its result can't be stored."""


class AskedForLater(Struct, frozen=True, tag="later", array_like=True):
    """The body raised `RetryLater`."""

    delay: float


class Discarded(Struct, frozen=True, tag="discarded", array_like=True):
    """The body raised `Discard`."""

    reason: str


class NotLoaded(Struct, frozen=True, tag="not_loaded", array_like=True):
    """What the arguments refer to can't be loaded now."""

    message: str


class NotKnown(Struct, frozen=True, tag="not_known", array_like=True):
    """The child does not know the task, or has no serializer for it."""

    message: str


class NotBegun(Struct, frozen=True, tag="not_begun", array_like=True):
    """The lease had ended when the arguments were there."""


Answer = Returned | Raised | AskedForLater | Discarded | NotLoaded | NotKnown | NotBegun
FromChild = Ready | Loaded | Returned | Raised | AskedForLater | Discarded | NotLoaded | NotKnown | NotBegun

_encode = msgspec.msgpack.Encoder().encode

decode_start = msgspec.msgpack.Decoder(Start).decode
decode_request = msgspec.msgpack.Decoder[Request | Go](Request | Go).decode
decode_from_child = msgspec.msgpack.Decoder[FromChild](FromChild).decode


def framed(message: Start | Request | Go | FromChild) -> bytes:
    """A message as it goes through a pipe."""
    encoded = _encode(message)
    return LENGTH.pack(len(encoded)) + encoded
