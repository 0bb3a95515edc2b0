"""Deep nesting is measured before anything decodes it, so that no stack is too small for what somebody stored."""

import subprocess
import sys
from types import FrameType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynctasq.errors import DeserializationError
from asynctasq.serializers.json_serializer import JsonSerializer
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer
from asynctasq.serializers.nesting import MAX_LEVELS, check_json_nesting, check_msgpack_nesting
from tests.serializers import small_stack

encode_msgpack = msgspec.msgpack.encode
encode_json = msgspec.json.encode


def test_no_nesting_crashes_a_small_stack() -> None:
    """On a thread with a stack of 256 KiB, hostile bytes end in a clean error, and all that can be sent is decoded."""
    done = subprocess.run(
        [sys.executable, "-m", small_stack.__name__], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-300:] + done.stderr[-300:]
    lines = done.stdout.splitlines()
    hostile = [line for line in lines if line.startswith("hostile")]
    assert len(hostile) > 50
    assert [line for line in hostile if "nested too deeply" not in line] == []
    deepest = [line for line in lines if line.startswith("deepest")]
    assert len(deepest) == 2 * len(small_stack.WRAPPERS)
    assert [line for line in deepest if not line.endswith(": a value")] == []


def wide(levels: int, beside: list[Any], innermost: object = None) -> Any:
    """A value of that many levels, each with the same things before and after the next level."""
    value: Any = [innermost]
    for level in range(levels - 1):
        value = [*beside, value, *beside] if level % 2 else {"before": beside, "next": value, "after": beside}
    return value


beside = st.lists(
    st.sampled_from(["[", "]", "{", "}", '"', '\\"', "\\", "\\\\", '[[[["', "\x00", "é", "a" * 40, "]" * 300])
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none(),
    max_size=20,
)
binary = st.binary(max_size=300) | st.builds(msgspec.msgpack.Ext, st.just(-1), st.just(b"\x91" * 8))


@given(beside=beside)
def test_the_limit_of_json_is_exact(beside: list[Any]) -> None:
    """Brackets, quotes and backslashes in texts neither hide a level nor make one up."""
    check_json_nesting(encode_json(wide(MAX_LEVELS, beside)))
    with pytest.raises(DeserializationError, match="nested too deeply"):
        check_json_nesting(encode_json(wide(MAX_LEVELS + 1, beside)))


@given(beside=beside, binary=st.lists(binary, max_size=3), long=st.sampled_from([0, 300, 70_000]))
def test_the_limit_of_msgpack_is_exact(beside: list[Any], binary: list[Any], long: int) -> None:
    """Bytes that look like containers within texts, numbers, binary data and foreign extensions are no levels."""
    beside, innermost = [*beside, *binary], b"\x91" * long
    check_msgpack_nesting(encode_msgpack(wide(MAX_LEVELS, beside, innermost)))
    with pytest.raises(DeserializationError, match="nested too deeply"):
        check_msgpack_nesting(encode_msgpack(wide(MAX_LEVELS + 1, beside, innermost)))


def test_many_levels_side_by_side_are_few() -> None:
    """What counts is depth, not how many containers or tags there are."""
    rows: list[dict[str, Any]] = [
        {"id": number, "tags": ["a", "b"], "seen": {1, 2}, "empty": [{}, []] * 9, "at": (1, 2)} for number in range(500)
    ]
    for serializer in (MsgpackSerializer(), JsonSerializer()):
        assert serializer.decoder(Any)(serializer.encode(rows)) == rows


def test_large_plain_values_are_measured_at_the_speed_of_msgspec() -> None:
    """Rows that a worker decodes on its event loop cost no steps in Python, which take six times the decoding."""
    rows = [{"id": number, "name": f"user {number}", "seen": [1.5, None]} for number in range(2_000)]
    body = encode_msgpack(rows)
    calls: list[str] = []

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        calls.append(event)

    check_msgpack_nesting(body)
    sys.setprofile(count)
    try:
        check_msgpack_nesting(body)
    finally:
        sys.setprofile(None)
    assert 0 < len(calls) < len(rows)


@pytest.mark.parametrize("beside", [[], [b"bytes"], [msgspec.msgpack.Ext(0, encode_msgpack("tag"))]])
def test_a_deep_value_behind_many_shallow_ones_is_found(beside: list[Any]) -> None:
    """The limit is as exact there, whatever way the shallow ones are measured in."""
    rows = [{"id": number, "beside": beside} for number in range(1_000)]
    for levels in (1, 7, 8, 9, MAX_LEVELS - 1):
        check_msgpack_nesting(encode_msgpack([*rows, wide(levels, [])]))
    with pytest.raises(DeserializationError, match="nested too deeply"):
        check_msgpack_nesting(encode_msgpack([*rows, wide(MAX_LEVELS, [])]))


@pytest.mark.parametrize("count", [0, 1, 15, 16, 31, 255, 256, 65_535, 65_536])
def test_every_size_of_container_and_text_is_measured(count: int) -> None:
    """A level behind the shortest, longest and in-between form of everything is found."""
    deep = b"\x91" * (MAX_LEVELS + 1) + b"\xc0"
    for value in (
        [None] * count,
        dict.fromkeys(range(count)),
        "x" * count,
        b"x" * count,
        msgspec.msgpack.Ext(0, encode_msgpack("x" * count)),
    ):
        check_msgpack_nesting(b"\x92" + encode_msgpack(value) + b"\x91" * (MAX_LEVELS - 1) + b"\xc0")
        with pytest.raises(DeserializationError, match="nested too deeply"):
            check_msgpack_nesting(b"\x92" + encode_msgpack(value) + deep)


@given(beside=beside, cut=st.floats(0, 1))
def test_what_is_cut_off_is_left_to_the_decoder(beside: list[Any], cut: float) -> None:
    """Measuring ends wherever the bytes end, and refuses nothing for it: the decoder tells what is wrong."""
    for check, encode in ((check_msgpack_nesting, encode_msgpack), (check_json_nesting, encode_json)):
        body = encode(wide(MAX_LEVELS, beside))
        assert check(body[: round(cut * len(body))]) is None
