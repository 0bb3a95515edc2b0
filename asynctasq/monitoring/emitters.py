"""The older names around events: emitters take one event at a time, and a registry holds those of the process.

New code configures event sinks, or passes them to `init(event_sinks=...)`; whatever has `async emit(event)` may be
passed there as well.
"""

import abc
import logging
import threading
from collections.abc import Iterable
from typing import ClassVar

import anyio
import anyio.lowlevel
import anyio.to_thread

from asynctasq.config import Config
from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event
from asynctasq.plugins.event_sink_factory import EventSinkFactory
from asynctasq.runtime.background_loop import BackgroundLoop

_logger = logging.getLogger("asynctasq.events")

_ARRIVE_WITHIN = 5.0
"""Seconds that events on their way have when everything is closed."""


class EventEmitter(abc.ABC):
    """The older form of an event sink."""

    @abc.abstractmethod
    async def emit(self, event: Event) -> None:
        """Take one event."""

    async def close(self) -> None:
        """Called once at the end. The default does nothing."""
        await anyio.lowlevel.checkpoint()


async def _nothing() -> None:
    await anyio.lowlevel.checkpoint()


_background = BackgroundLoop(on_stop=_nothing)
"""Where the sinks behind emitters run, so that an emitter may be used from any event loop."""


class SinkEmitter(EventEmitter):
    """An event sink in the older form. The sink is opened with the first event."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self._is_open = False
        self._opening = threading.Lock()

    async def emit(self, event: Event) -> None:
        """Hand one event to the sink, and wait until it has taken it."""
        await anyio.to_thread.run_sync(self._emit, event)

    async def close(self) -> None:
        """Close the sink, if it was opened."""
        await anyio.to_thread.run_sync(self._close)

    def _emit(self, event: Event) -> None:
        with self._opening:
            if not self._is_open:
                _background.call(self._sink.open)
                self._is_open = True
        _background.call(self._sink.emit_many, [event])

    def _close(self) -> None:
        with self._opening:
            if self._is_open:
                self._is_open = False
                _background.call(self._sink.close)


class LoggingEventEmitter(SinkEmitter):
    """Writes events to the log, as the sink `logging` does."""

    def __init__(self) -> None:
        super().__init__(EventSinkFactory.create("logging"))


class RedisEventEmitter(SinkEmitter):
    """Publishes events by Redis Pub/Sub, as the sink `redis` of asynctasq-redis does."""

    def __init__(self, redis_url: str | None = None, channel: str | None = None) -> None:
        """
        Args:
            redis_url: Where to; None is what is configured for the sink.
            channel: The channel; None is the configured one.

        Raises:
            DriverNotFound: asynctasq-redis is not installed.
            ConfigurationError: the URL can't be read.
        """
        configured = Config.get().event_sink_settings("redis")
        given = {"url": redis_url, "channel": channel}
        settings = {name: getattr(configured, name) for name in configured.__struct_fields__}
        settings |= {name: value for name, value in given.items() if value is not None}
        super().__init__(EventSinkFactory.create("redis", settings))


class EventRegistry:
    """The emitters of this process. An emitter that fails is logged, and hurts nobody."""

    _emitters: ClassVar[list[EventEmitter]] = []
    """Replaced, never changed: those who go through it need no lock."""
    _on_their_way: ClassVar[int] = 0
    _changed: ClassVar[threading.Condition] = threading.Condition()

    @classmethod
    def init(cls, emitters: Iterable[EventEmitter] | None = None) -> None:
        """Begin with these emitters; None: one for every sink that is switched on.

        Raises:
            ConfigurationError: a sink is missing, unusable or wrongly set.
        """
        sinks = Config.get().open_event_sinks() if emitters is None else ()
        cls._emitters = [*map(SinkEmitter, sinks)] if emitters is None else list(emitters)

    @classmethod
    def add(cls, emitter: EventEmitter) -> None:
        """One more emitter."""
        cls._emitters = [*cls._emitters, emitter]

    @classmethod
    def get_all(cls) -> set[EventEmitter]:
        """All of them."""
        return set(cls._emitters)

    @classmethod
    async def emit(cls, event: Event) -> None:
        """Hand an event to every emitter, and wait for them."""
        await _emit_to(cls._emitters, event)

    @classmethod
    def emit_nowait(cls, event: Event) -> None:
        """Hand an event to every emitter, without waiting, from wherever it is called. Emitters of one's own are then
        called on an event loop apart, so they must not depend on the caller's."""
        if cls._emitters:
            with cls._changed:
                cls._on_their_way += 1
            _background.start_soon(cls._emit_later, cls._emitters, event)

    @classmethod
    async def close_all(cls) -> None:
        """Close all emitters once they have what is on its way, and forget them."""
        await anyio.to_thread.run_sync(cls._wait_until_arrived)
        emitters, cls._emitters = cls._emitters, []
        for emitter in emitters:
            try:
                await emitter.close()
            except Exception:
                _logger.exception("the event emitter %s could not be closed", type(emitter).__name__)
        await anyio.to_thread.run_sync(_background.stop)

    @classmethod
    async def _emit_later(cls, emitters: Iterable[EventEmitter], event: Event) -> None:
        try:
            await _emit_to(emitters, event)
        finally:
            with cls._changed:
                cls._on_their_way -= 1
                cls._changed.notify_all()

    @classmethod
    def _wait_until_arrived(cls) -> None:
        with cls._changed:
            cls._changed.wait_for(lambda: not cls._on_their_way, timeout=_ARRIVE_WITHIN)


async def _emit_to(emitters: Iterable[EventEmitter], event: Event) -> None:
    for emitter in emitters:
        try:
            await emitter.emit(event)
        except Exception:
            _logger.exception("the event emitter %s failed", type(emitter).__name__)
    await anyio.lowlevel.checkpoint()
