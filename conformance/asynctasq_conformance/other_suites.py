"""The classes that authors of serializers and of event sinks subclass."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import pytest

from asynctasq.driver_api import EventSink, Serializer
from asynctasq_conformance.others.serializer_examples import SERIALIZER_EXAMPLES
from asynctasq_conformance.others.sink_examples import SINK_EXAMPLES
from asynctasq_conformance.running import run_on


def _refuse_overriding(cls: type, names: Iterable[str]) -> None:
    overridden = sorted(set(vars(cls)) & set(names))
    if overridden:
        raise TypeError(f"{cls.__name__} overrides {', '.join(overridden)} of the suite")


class SerializerConformance(abc.ABC):
    """Subclass it with a name that begins with `Test`, and write `open_serializer`."""

    @abc.abstractmethod
    def open_serializer(self) -> Serializer:
        """A serializer, new or not."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _refuse_overriding(cls, SERIALIZER_EXAMPLES)


class EventSinkConformance(abc.ABC):
    """Subclass it with a name that begins with `Test`, and write `open_sink`."""

    event_loops: ClassVar[tuple[str, ...]] = ("asyncio", "trio")
    """The event loops that the sink runs on."""

    @abc.abstractmethod
    def open_sink(self) -> EventSink:
        """A new sink that is not open, to a place where nothing has gone yet."""

    async def received(self) -> list[str] | None:
        """What has arrived where the latest sink sends to, one text for each event; None if that can't be told."""
        return None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _refuse_overriding(cls, SINK_EXAMPLES)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One run of each test for every event loop."""
        if "event_loop_name" in metafunc.fixturenames:
            metafunc.parametrize("event_loop_name", self.event_loops)


def _serializer_method(name: str) -> Callable[[SerializerConformance], None]:
    def test(self: SerializerConformance) -> None:
        SERIALIZER_EXAMPLES[name](self.open_serializer())

    test.__name__, test.__doc__ = name, SERIALIZER_EXAMPLES[name].__doc__
    return test


def _sink_method(name: str) -> Callable[[EventSinkConformance, str], None]:
    def test(self: EventSinkConformance, event_loop_name: str) -> None:
        run_on(event_loop_name, lambda: SINK_EXAMPLES[name](self.open_sink(), self.received))

    test.__name__, test.__doc__ = name, SINK_EXAMPLES[name].__doc__
    return test


for _name in SERIALIZER_EXAMPLES:
    setattr(SerializerConformance, _name, _serializer_method(_name))
for _name in SINK_EXAMPLES:
    setattr(EventSinkConformance, _name, _sink_method(_name))
