"""A program that decodes on a thread with a stack of 256 KiB. Each line that it writes is a case and how it ended."""

import struct
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from asynctasq.contract.serializer import Serializer
from asynctasq.errors import DeserializationError, SerializationError
from asynctasq.serializers.json_serializer import JsonSerializer
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer
from asynctasq.serializers.type_hooks import HookRegistry, TypeHook

STACK = 256 * 1024
DEEP = 100_000


class Node(msgspec.Struct):
    child: "Node | None" = None


@dataclass
class Arguments:
    node: Node | None = None
    items: list[Any] | None = None


class Box:
    """A type of the application's own."""

    def __init__(self, content: Any) -> None:
        self.content = content


class BoxHook(TypeHook[Box]):
    type_key = "box"

    def can_encode(self, obj: Any) -> bool:
        return isinstance(obj, Box)

    def encode(self, obj: Box) -> Any:
        return obj.content

    def decode(self, data: Any) -> Box:
        return Box(data)


def extensions(depth: int, between: bytes) -> bytes:
    """Tags within tags, made from the inside."""
    heads: list[bytes] = []
    size = 1
    for _ in range(depth):
        heads.append(b"\xc9" + struct.pack(">I", size + len(between)) + b"\0" + between)
        size += len(heads[-1])
    return b"".join(reversed(heads)) + b"\xc0"


def hostile_msgpack() -> Iterator[tuple[str, bytes]]:
    """A hundred thousand levels of everything that can hold something."""
    yield "lists", b"\x91" * DEEP + b"\xc0"
    yield "long lists", b"\xdc\0\1" * DEEP + b"\xc0"
    yield "longer lists", b"\xdd\0\0\0\1" * DEEP + b"\xc0"
    yield "maps", b"\x81\xc0" * DEEP + b"\xc0"
    yield "long maps", b"\xde\0\1\xc0" * DEEP + b"\xc0"
    yield "keys", b"\x81" * DEEP + b"\xc0" * DEEP
    yield "extensions", extensions(DEEP, b"")
    yield "tuples", extensions(DEEP, b"\x91")
    yield "tuples of maps", extensions(DEEP, b"\x91\x81\xc0")
    yield "the last of many", b"\x92\xc0" * DEEP + b"\xc0"
    yield "typed", b"\x81\xa4node" + b"\x81\xa5child" * DEEP + b"\xc0"
    yield "typed list", b"\x81\xa5items" + b"\x91" * DEEP + b"\xc0"
    yield "unknown argument", b"\x81\xa1x" + b"\x91" * DEEP + b"\xc0"
    yield "unknown extension", b"\x81\xa1x" + extensions(DEEP, b"\x91")
    yield "after a tag", b"\x82\xa5items\xc7\2\0\x91\xc0\xa4node" + b"\x81\xa5child" * DEEP + b"\xc0"


def hostile_json() -> Iterator[tuple[str, bytes]]:
    """The same, as far as JSON has it, and texts that look like what they are not."""
    yield "lists", b"[" * DEEP + b"1" + b"]" * DEEP
    yield "objects", b'{"":' * DEEP + b"1" + b"}" * DEEP
    yield "tuples", b'{"$asynctasq":["tuple",[' * DEEP + b"1" + b"]]}" * DEEP
    yield "a tag inside", b"[" * DEEP + b'{"$asynctasq":["set",[1]]}' + b"]" * DEEP
    yield "never closed", b"[" * DEEP
    yield "closed within texts", b'["]",' * DEEP + b"1" + b"]" * DEEP
    yield "closed within escapes", b'["\\"]",' * DEEP + b"1" + b"]" * DEEP
    yield "closed behind escapes", b'["\\\\","]",' * DEEP + b"1" + b"]" * DEEP
    yield "typed", b'{"node":' + b'{"child":' * DEEP + b"null" + b"}" * DEEP + b"}"
    yield "typed list", b'{"items":' + b"[" * DEEP + b"]" * DEEP + b"}"
    yield "unknown argument", b'{"x":' + b"[" * DEEP + b"]" * DEEP + b"}"


def deepest(serializer: Serializer, wrap: Callable[[Any], Any]) -> bytes:
    """The most deeply nested value that can be sent."""
    value: Any = None
    encoded = b""
    while True:
        try:
            encoded = serializer.encode(value)
        except SerializationError:
            return encoded
        value = wrap(value)


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "lists": lambda value: [value],
    "dicts": lambda value: {"k": value},
    "dicts with other keys": lambda value: {(1,): value},
    "tuples": lambda value: (value,),
    "frozensets": lambda value: frozenset({value}),
    "values of hooks": Box,
    "structs": lambda value: Node(value),
}


def outcome(decode: Callable[[bytes], Any], body: bytes) -> str:
    """How decoding ends, on a small stack."""
    ended: list[str] = []

    def attempt() -> None:
        try:
            decode(body)
            ended.append("a value")
        except DeserializationError as error:
            ended.append(str(error))

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return ended[0] if ended else "no answer"


def main() -> None:
    """Decode everything."""
    threading.stack_size(STACK)
    registry = HookRegistry()
    registry.register(BoxHook())
    for serializer, hostile in (
        (MsgpackSerializer(registry), hostile_msgpack()),
        (JsonSerializer(registry), hostile_json()),
    ):
        kind = serializer.content_type
        for name, body in hostile:
            for wanted in (Any, Arguments):
                print(f"hostile {kind}, {name}, {wanted}:", end=" ", flush=True)
                print(outcome(serializer.decoder(wanted), body), flush=True)
        for name, wrap in WRAPPERS.items():
            print(f"deepest {kind}, {name}:", end=" ", flush=True)
            print(outcome(serializer.decoder(Any), deepest(serializer, wrap)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
