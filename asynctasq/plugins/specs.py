"""What a plugin says of itself: frozen descriptions, cheap to make. The core decides what to do with them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from msgspec import Struct

from asynctasq.contract.driver import Driver
from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.events import Event
from asynctasq.contract.serializer import Serializer
from asynctasq.contract.traits import Guarantee
from asynctasq.plugins.settings import DriverSettings, PluginSettings


class DriverSpec(Struct, frozen=True, kw_only=True):
    """A driver, described. Making it imports no client library; `open` does."""

    name: str
    """`[a-z][a-z0-9]*`: it becomes the prefix of environment variables and flags."""
    url_schemes: tuple[str, ...]
    """Every scheme that picks this driver; each is an entry point's name as well."""
    api_version: str
    """A literal in the plugin's source, such as "1.0"."""
    settings_type: type[DriverSettings]
    open: Callable[[Any], Driver]
    """An instance of `settings_type` -> a driver that is not connected. Synchronous, without I/O."""
    guarantees: frozenset[Guarantee]
    """The most that a connected driver may claim."""
    features: frozenset[str]
    """Of `wake_ups`, `transactions`, `pausing`, `worker_reports`; the most that a connected driver may have."""
    event_loops: frozenset[str]
    """Of `asyncio` and `trio`."""


class SerializerSpec(Struct, frozen=True, kw_only=True):
    """A serializer, described."""

    name: str
    content_type: str
    """What travels in the frame, and picks this serializer for decoding."""
    api_version: str
    open: Callable[[], Serializer]


class EventSinkSpec(Struct, frozen=True, kw_only=True):
    """An event sink, described."""

    name: str
    api_version: str
    settings_type: type[PluginSettings]
    open: Callable[[Any], EventSink]
    """An instance of `settings_type` -> a sink that is not open yet. Synchronous, without I/O."""
    subscribe: Callable[[Any], AbstractAsyncContextManager[AsyncIterator[Event]]] | None = None
    """An instance of `settings_type` -> the events that this sink is given from now on, as its readers hear them; for
    `asynctasq events`. Synchronous, without I/O before it is entered. None: this sink can't be followed."""


class TaggedValue(Struct, frozen=True, kw_only=True):
    """A value of a type that only a plugin knows, on its way into a payload."""

    tag: str
    """Names the plugin's type; it picks the hook that decodes `data`."""
    data: Any
    """Built of what every serializer knows: None, bool, int, float, str, bytes, lists and dicts with str keys."""


class DecodedValue(Struct, frozen=True, kw_only=True):
    """A decoded value in a box, so that a decoded None is told from "not mine"."""

    value: Any
