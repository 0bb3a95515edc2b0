"""Events by Pub/Sub: the sink, the emitter and the subscriber."""

from datetime import UTC, datetime
from typing import Any, Literal

import anyio
import msgspec
import pytest
from asynctasq_redis import RedisEventEmitter, RedisEventSink, RedisEventSubscriber, RedisSinkConfig
from asynctasq_redis.event_subscriber import decode_event
from redis import Redis

from asynctasq.driver_api import DriverUnavailable, Event, EventType, TaskEvent, WorkerEvent

from .servers import RedisServer, free_port

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EVENTS: list[Event] = [
    TaskEvent(
        event_type=EventType.TASK_STARTED,
        task_id="1",
        task_name="app.work",
        queue="q",
        worker_id="w",
        timestamp=NOW,
        attempt=1,
    ),
    WorkerEvent(event_type=EventType.WORKER_HEARTBEAT, worker_id="w", hostname="h", timestamp=NOW, queues=("q", "r")),
]


async def _receive(subscriber: RedisEventSubscriber, number: int) -> list[Event]:
    events: list[Event] = []
    with anyio.fail_after(5):
        async for event in subscriber:
            events.append(event)
            if len(events) == number:
                break
    return events


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
async def test_what_the_sink_sends_the_subscriber_hears(
    redis_url: str, namespace: str, encoding: Literal["msgpack", "json"]
) -> None:
    """Every field arrives, in order, whatever the encoding; foreign messages on the channel are left out."""
    sink = RedisEventSink(RedisSinkConfig(url=redis_url, channel=namespace, encoding=encoding))
    await sink.open()
    async with RedisEventSubscriber(redis_url, namespace) as subscriber:
        with Redis.from_url(redis_url) as client:
            client.publish(namespace, b"\x00no event")
            client.publish(namespace, b"{}")
        await sink.emit_many(EVENTS)
        assert await _receive(subscriber, 2) == EVENTS
    await sink.close()
    await sink.close()


async def test_the_emitter_opens_itself(redis_url: str, namespace: str) -> None:
    """`RedisEventEmitter(redis_url, channel)` needs nothing but `emit` and `close`."""
    emitter = RedisEventEmitter(redis_url=redis_url, channel=namespace)
    async with RedisEventSubscriber(redis_url, namespace) as subscriber:
        await emitter.emit(EVENTS[0])
        assert await _receive(subscriber, 1) == EVENTS[:1]
    await emitter.close()


async def test_no_server_is_an_error_of_the_batch_alone() -> None:
    """Opening a sink without a server is fine; its batches fail."""
    sink = RedisEventSink(RedisSinkConfig(url=f"redis://127.0.0.1:{free_port()}/0"))
    await sink.open()
    with pytest.raises(DriverUnavailable):
        await sink.emit_many(EVENTS)
    await sink.close()


async def test_the_subscriber_tells_of_a_missing_server() -> None:
    """Entering it is the moment at which an outage shows."""
    subscriber = RedisEventSubscriber(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(DriverUnavailable):
        await subscriber.__aenter__()
    with pytest.raises(DriverUnavailable, match="not open"):
        await subscriber.__anext__()


async def test_a_silent_server_is_noticed(server: RedisServer) -> None:
    """A subscriber of a server that is frozen, or behind a wire that was cut, does not wait for ever."""
    server.start()
    async with RedisEventSubscriber(server.url, quiet_time=0.1) as subscriber:
        with anyio.move_on_after(0.5) as quiet:  # a server that answers is no failure
            await subscriber.__anext__()
        assert quiet.cancelled_caught
        server.freeze()
        with anyio.fail_after(5), pytest.raises(DriverUnavailable):
            await subscriber.__anext__()
        server.thaw()


async def test_subscribing_at_a_silent_server_fails(server: RedisServer) -> None:
    """What was not confirmed is not taken for a subscription that hears nothing."""
    server.start()
    subscriber = RedisEventSubscriber(f"{server.url}?command_timeout=0.3&connect_timeout=0.3")
    server.freeze()
    with anyio.fail_after(5), pytest.raises(DriverUnavailable):
        await subscriber.__aenter__()
    server.thaw()


@pytest.mark.parametrize("codec", [msgspec.json, msgspec.msgpack])
def test_fields_of_a_newer_version_are_ignored(codec: Any) -> None:
    """An old subscriber understands the events of a newer worker."""
    fields = msgspec.to_builtins(EVENTS[0]) | {"invented_later": [1, {"a": None}]}
    assert decode_event(codec.encode(fields)) == EVENTS[0]


@pytest.mark.parametrize("message", [b"", b"{", b"[]", b"1", b"\xc1", b'{"task_id": 1}', b"\x93\x01\x02\x03"])
def test_what_is_no_event_is_none(message: bytes) -> None:
    """Anybody may publish anything."""
    assert decode_event(message) is None
