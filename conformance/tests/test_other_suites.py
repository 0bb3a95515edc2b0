"""The suites of serializers and event sinks pass what is right, and catch what is wrong."""

from __future__ import annotations

import pytest
from asynctasq_conformance import EventSinkConformance, SerializerConformance
from asynctasq_conformance.mutants.plain_plugins import PlainSerializer, PlainSink
from asynctasq_conformance.mutants.wrong_plugins import SERIALIZER_MUTANTS, SINK_MUTANTS
from asynctasq_conformance.others.serializer_examples import SERIALIZER_EXAMPLES
from asynctasq_conformance.others.sink_examples import SINK_EXAMPLES
from asynctasq_conformance.running import run_on

from asynctasq.driver_api import EventSink, Serializer


class TestPlainSerializer(SerializerConformance):
    """A serializer that is right."""

    def open_serializer(self) -> Serializer:
        return PlainSerializer()


class TestPlainSink(EventSinkConformance):
    """A sink that is right."""

    def open_sink(self) -> EventSink:
        self.sink = PlainSink()
        return self.sink

    async def received(self) -> list[str]:
        return self.sink.lines


@pytest.mark.parametrize("mutant", SERIALIZER_MUTANTS, ids=lambda mutant: mutant.__name__)
def test_serializer_mutant_is_killed(mutant: type[PlainSerializer]) -> None:
    """An assertion fails for every wrong serializer."""
    for example in SERIALIZER_EXAMPLES.values():
        try:
            example(mutant())
        except AssertionError:
            return
        except Exception:
            continue  # an error out of the mutant proves nothing
    pytest.fail(f"{mutant.__name__} survived")


@pytest.mark.parametrize("mutant", SINK_MUTANTS, ids=lambda mutant: mutant.__name__)
def test_sink_mutant_is_killed(mutant: type[PlainSink]) -> None:
    """An assertion fails for every wrong event sink."""
    for example in SINK_EXAMPLES.values():
        sink = mutant()

        async def received(sink: PlainSink = sink) -> list[str]:
            return sink.lines

        try:
            run_on("asyncio", lambda example=example, sink=sink, received=received: example(sink, received))
        except AssertionError:
            return
    pytest.fail(f"{mutant.__name__} survived")
