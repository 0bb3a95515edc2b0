"""How deeply stored bytes are nested, before anything decodes them.

The decoders recurse on the thread's stack, and Python's own limit of a thousand levels is more than a small stack holds
(256 KiB end at about 170 extensions within extensions): the process would crash. Here nothing recurses deeply.
"""

from functools import cache
from itertools import accumulate
from types import GenericAlias
from typing import Any

import msgspec

from asynctasq.errors import DeserializationError
from asynctasq.serializers import tagged_types as tags
from asynctasq.serializers.flattening import MAX_NESTING

MAX_LEVELS = 3 * MAX_NESTING + 10
"""Levels on the wire: a container is one; a tag around it is two more, as in JSON, where it is a dict and a list."""

_TAG = 2

_JSON_SYNTAX = b'[]{}"'
_NOT_JSON_SYNTAX = bytes(code for code in range(256) if code not in _JSON_SYNTAX)
_JSON_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def check_json_nesting(body: bytes) -> None:
    """Refuse JSON that no stack can be trusted to take.

    Raises:
        DeserializationError: there are more than `MAX_LEVELS` containers within containers.
    """
    if len(body) <= MAX_LEVELS or body.count(b"[") + body.count(b"{") <= MAX_LEVELS:
        return
    if b"\\" in body:  # what is escaped in a text ends none
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    syntax = body.translate(None, _NOT_JSON_SYNTAX).replace(b'""', b"")
    brackets = b"".join(syntax.split(b'"')[::2])  # every second part stands between the quotes of a text
    steps = memoryview(brackets.translate(_JSON_STEPS)).cast("b")
    _check(max(accumulate(steps), default=0))


def check_msgpack_nesting(body: bytes) -> None:
    """Refuse MessagePack that no stack can be trusted to take. One value of each part is looked at: whatever stands
    behind it is an error of the decoder's.

    A body of up to about a hundred containers costs next to nothing. A larger one costs about as much as decoding it,
    if it has few levels, no bytes and no tags; else it is walked in Python, for two to seven times as much.

    Raises:
        DeserializationError: there are more than `MAX_LEVELS` containers and tags within one another.
    """
    if len(body) <= MAX_LEVELS or _TAG * (len(body) - len(body.translate(None, _OPENING))) <= MAX_LEVELS:
        return
    if _is_shallow(body):
        return
    parts = [(0, len(body), 0)]
    while parts:
        parts += _scan(body, *parts.pop())


_SHALLOW = 8
"""The levels that nearly all values stay within."""


def _is_shallow(body: bytes) -> bool:
    """Whether a decoder takes it all that stops at a container, before it goes into it, where its type has no more
    levels. It knows neither bytes (msgspec has no union of them and texts) nor tags."""
    try:
        _shallow_decoder().decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


@cache
def _shallow_decoder() -> msgspec.msgpack.Decoder[Any]:
    """Made when the first large body comes: its type doubles with each level, and takes 2 ms."""
    plain: Any = bool | int | float | str | None
    levels = plain
    for _ in range(_SHALLOW):
        levels = plain | GenericAlias(list, (levels,)) | GenericAlias(dict, (plain, levels))
    return msgspec.msgpack.Decoder(levels)


# MessagePack, by the first byte of a value.
_SIZES = bytearray(256)
"""The bytes of a value whose first byte says so; 0 for all others."""
_SIZES[0x00:0x80] = b"\x01" * 0x80
_SIZES[0xA0:0xC0] = bytes(range(1, 33))
_SIZES[0xC0:0xC4] = b"\x01" * 4
_SIZES[0xCA:0xD4] = bytes([5, 9, 2, 3, 5, 9, 2, 3, 5, 9])
_SIZES[0xE0:] = b"\x01" * 32
_CONTAINERS = {0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
"""Lists and maps with more than 15 items: how many bytes their number takes."""
_WIDTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4}
"""Bytes, texts and extensions: how many bytes their length takes."""
_FIXED = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
"""Extensions whose first byte says the length."""
_EXTENSIONS = frozenset({0xC7, 0xC8, 0xC9, *_FIXED})
_OPENING = bytes([*range(0x80, 0xA0), *_CONTAINERS, *_EXTENSIONS])


def _scan(body: bytes, position: int, end: int, depth: int) -> list[tuple[int, int, int]]:
    """Look at one value, and give the data of the tags in it, each as begin, end and depth. What is cut off or no
    MessagePack at all ends it early: a decoder stops there as well."""
    tagged: list[tuple[int, int, int]] = []
    sizes, around, missing = _SIZES, [0], 1
    while position < end:
        code = body[position]
        if size := sizes[code]:
            position += size
        elif code < 0xA0 or code in _CONTAINERS:
            count, position = _items(body, position)
            if count:
                around.append(missing)
                missing = count
                _check(depth + len(around) - 1)
                continue
        else:
            begin, position = _data(body, position)
            if code in _EXTENSIONS and begin <= end and body[begin - 1] < len(tags.TAGS):
                tagged.append((begin, min(position, end), _check(depth + len(around) - 1 + _TAG)))
        missing -= 1
        while not missing:
            if len(around) == 1:
                return tagged
            missing = around.pop() - 1
    return tagged


def _items(body: bytes, position: int) -> tuple[int, int]:
    """How many values the container that begins here has, and where the first one begins."""
    code = body[position]
    if code < 0xA0:
        return code & 0x0F if code >= 0x90 else 2 * (code & 0x0F), position + 1
    width = _CONTAINERS[code]
    return _number(body, position, width) * (2 if code >= 0xDE else 1), position + 1 + width


def _data(body: bytes, position: int) -> tuple[int, int]:
    """Where the data of the text, of the bytes or of the extension that begins here have their begin and their end."""
    code = body[position]
    width = _WIDTHS.get(code, 0)
    begin = position + 1 + width + (code in _EXTENSIONS)
    return begin, begin + (_number(body, position, width) if width else _FIXED.get(code, 0))


def _number(body: bytes, position: int, width: int) -> int:
    return int.from_bytes(body[position + 1 : position + 1 + width])


def _check(depth: int) -> int:
    if depth > MAX_LEVELS:
        raise DeserializationError(
            f"the stored value is nested too deeply to be decoded: more than {MAX_LEVELS} levels"
        )
    return depth
