"""Names and call shapes of existing applications: serializers and their hooks."""

from typing import Any

import anyio
import pytest

import asynctasq
from asynctasq import (
    MsgspecSerializer,
    TypeHook,
    init,
    task,
)
from asynctasq.runtime.frame import decode_frame
from asynctasq.testing import drain

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("fresh_application")]


@task
async def double(number: int) -> int:
    return 2 * number


# -- serializers


class Coordinate:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y


class CoordinateHook(TypeHook[Coordinate]):
    type_key = "coordinate"
    priority = 10

    def can_encode(self, obj: Any) -> bool:
        return isinstance(obj, Coordinate)

    def encode(self, obj: Coordinate) -> list[int]:
        return [obj.x, obj.y]

    def can_decode(self, data: Any) -> bool:
        return isinstance(data, list)

    def decode(self, data: list[int]) -> Coordinate:
        return Coordinate(*data)


class LoadedHook(asynctasq.AsyncTypeHook[Coordinate]):
    type_key = "loaded"

    def can_encode(self, obj: Any) -> bool:
        return isinstance(obj, Coordinate)

    def encode(self, obj: Coordinate) -> int:
        return obj.x

    async def decode_async(self, data: int) -> Coordinate:
        await anyio.lowlevel.checkpoint()
        return Coordinate(data, data + 1)


async def test_serializers_and_hooks(memory_url: str) -> None:
    """`BaseSerializer`, `MsgspecSerializer(registry)`, `TypeHook`, `HookRegistry`; data that looks like a hook's output
    stays data."""
    registry = asynctasq.HookRegistry()
    registry.register(CoordinateHook())
    serializer = MsgspecSerializer(registry=registry)
    assert isinstance(serializer, asynctasq.BaseSerializer)
    lookalike = {"__type__": "coordinate", "value": [1, 2]}
    decoded = serializer.decoder(Any)(serializer.encode([Coordinate(1, 2), lookalike]))
    assert (decoded[0].x, decoded[0].y, decoded[1]) == (1, 2, lookalike)
    init(url=memory_url, type_hooks=[CoordinateHook()])

    @task
    async def mirror(where: Coordinate) -> Coordinate:
        return Coordinate(where.y, where.x)

    handle = await mirror(Coordinate(1, 2)).dispatch()
    await drain()
    mirrored = await handle.result(timeout=1)
    assert (mirrored.x, mirrored.y) == (2, 1)


async def test_hooks_of_a_rolling_change(memory_url: str) -> None:
    """While the serializer changes, hooks are those of every serializer: in the worker, and for results."""
    init(url=memory_url, type_hooks=[CoordinateHook()], serializer="json")

    @task
    async def turn(where: Coordinate) -> Coordinate:
        return Coordinate(where.y, where.x)

    handle = await turn(Coordinate(1, 2)).dispatch()
    init(url=memory_url, type_hooks=[CoordinateHook()])
    await drain()
    turned = await asynctasq.TaskHandle(str(handle)).result(timeout=1)
    assert (turned.x, turned.y) == (2, 1)


async def test_async_hooks(memory_url: str) -> None:
    """`AsyncTypeHook`: what travels as a reference is loaded before the task runs."""
    init(url=memory_url, type_hooks=[LoadedHook()])

    @task
    async def total(where: Coordinate) -> int:
        return where.x + where.y

    handle = await total(Coordinate(5, 0)).dispatch()
    await drain()
    assert await handle.result(timeout=1) == 11


@pytest.mark.parametrize(
    "name",
    [
        "SerializationPipeline", "create_default_registry", "DatetimeHook", "DateHook", "DecimalHook", "UUIDHook",
        "SetHook", "LazyOrmProxy",
    ],
)  # fmt: skip
async def test_what_is_built_in(name: str) -> None:
    """Hooks of built-in types, the pipeline and lazy proxies are refused: each says why it is not needed."""
    with pytest.raises(ImportError, match=rf"asynctasq has no {name}: ..."):
        exec(f"from asynctasq import {name}")


async def test_payloads_are_decoded_by_their_frame(memory_url: str) -> None:
    """The `serializer` that is configured stands in every payload's frame."""
    init(url=memory_url, serializer="json")
    record = await (await double(4).dispatch()).record()
    assert decode_frame(record.payload).headers.content_type == "json"
