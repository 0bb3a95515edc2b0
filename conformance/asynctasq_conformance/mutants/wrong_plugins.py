"""Serializers and event sinks that are wrong."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import anyio

from asynctasq.driver_api import DeserializationError, Event, TaskEvent
from asynctasq_conformance.mutants.plain_plugins import PlainSerializer, PlainSink


class ContentTypeTooLong(PlainSerializer):
    """The content type does not fit the frame."""

    content_type = "application/x-" + "plain" * 10


class BytesBecomeText(PlainSerializer):
    """Bytes come back as text."""

    def boxed(self, value: Any, place: str, depth: int) -> Any:
        return super().boxed(value.decode("latin-1") if type(value) is bytes else value, place, depth)


class EncodesToBytearray(PlainSerializer):
    """The encoding is not of type bytes."""

    def encode(self, value: object) -> bytes:
        return cast(bytes, bytearray(super().encode(value)))


class FloatsAreRounded(PlainSerializer):
    """Floats lose their fractions."""

    def boxed(self, value: Any, place: str, depth: int) -> Any:
        return super().boxed(float(int(value)) if type(value) is float and abs(value) < 1e9 else value, place, depth)


class TuplesBecomeLists(PlainSerializer):
    """A tuple is encoded, and comes back as a list whatever was asked for."""

    def boxed(self, value: Any, place: str, depth: int) -> Any:
        listed = [*cast("tuple[Any, ...]", value)] if isinstance(value, tuple) else value
        return super().boxed(listed, place, depth)


class InfinityBecomesNone(PlainSerializer):
    """What is no number comes back as 0."""

    def boxed(self, value: Any, place: str, depth: int) -> Any:
        strange = type(value) is float and (value != value or value in (float("inf"), float("-inf")))
        return super().boxed(0.0 if strange else value, place, depth)


class MarkersAreBelieved(PlainSerializer):
    """A dictionary that looks like a marker is taken for one."""

    def unboxed(self, boxed: Any, depth: int) -> Any:
        value: object = super().unboxed(boxed, depth)
        if not isinstance(value, dict):
            return value
        marked = cast("dict[str, Any]", value)
        return marked["value"] if {"__type__", "value"} <= {*marked} else marked


class UnknownTypesBecomeText(PlainSerializer):
    """What has no encoding is encoded as its repr."""

    def boxed(self, value: Any, place: str, depth: int) -> Any:
        known = value is None or type(value) in (bool, int, float, str, bytes, list, dict)
        return super().boxed(value if known else repr(value), place, depth)


class ErrorsHaveNoPlace(PlainSerializer):
    """The error does not say where."""

    def boxed(self, value: Any, place: str, depth: int) -> Any:
        return super().boxed(value, "something", depth)


class AnythingFits(PlainSerializer):
    """The wanted type is ignored."""

    def fits(self, value: Any, wanted: Any) -> bool:
        return True


class OnlyTheOutsideFits(PlainSerializer):
    """Only the outermost type is looked at."""

    def fits(self, value: Any, wanted: Any) -> bool:
        return super().fits(value, getattr(wanted, "__origin__", wanted))


class NativeErrorsEscape(PlainSerializer):
    """Malformed bytes raise what the library raises."""

    def decoder(self, wanted: Any) -> Callable[[bytes], Any]:
        return lambda data: self.checked(self.unboxed(json.loads(data), 0), wanted)

    def checked(self, value: Any, wanted: Any) -> Any:
        """The value, if it fits."""
        if not self.fits(value, wanted):
            raise DeserializationError("it does not fit")
        return value


class DecodingImports(PlainSerializer):
    """Decoding imports what the data names."""

    def unboxed(self, boxed: Any, depth: int) -> Any:
        value = super().unboxed(boxed, depth)
        if isinstance(value, str) and value == "this.s":
            importlib.import_module("turtledemo")
        return value


class DecoderKeepsItsLastValue(PlainSerializer):
    """A decoder gives the same list again, changed."""

    def decoder(self, wanted: Any) -> Callable[[bytes], Any]:
        decode, kept = super().decoder(wanted), cast("list[Any]", [])

        def again(data: bytes) -> Any:
            value = decode(data)
            if not isinstance(value, list):
                return value
            kept[:] = cast("list[Any]", value)
            return kept

        return again


SERIALIZER_MUTANTS: tuple[type[PlainSerializer], ...] = (
    ContentTypeTooLong,
    BytesBecomeText,
    EncodesToBytearray,
    FloatsAreRounded,
    TuplesBecomeLists,
    InfinityBecomesNone,
    MarkersAreBelieved,
    UnknownTypesBecomeText,
    ErrorsHaveNoPlace,
    AnythingFits,
    OnlyTheOutsideFits,
    NativeErrorsEscape,
    DecodingImports,
    DecoderKeepsItsLastValue,
)


def _block(seconds: float) -> None:
    time.sleep(seconds)


class BlocksTheEventLoop(PlainSink):
    """A sink that blocks the event loop while it writes."""

    async def emit_many(self, events: Sequence[Event]) -> None:
        await super().emit_many(events)
        if len(events) >= 200:
            _block(0.6)


class NewestFirst(PlainSink):
    """A sink that writes the newest event first."""

    async def emit_many(self, events: Sequence[Event]) -> None:
        await super().emit_many(events[::-1])


class LosesTheLastEvent(PlainSink):
    """A sink that keeps the last event of a batch for later, and forgets it."""

    async def emit_many(self, events: Sequence[Event]) -> None:
        await super().emit_many(events[:-1])


class WritesTwice(PlainSink):
    """A sink that writes events twice."""

    async def emit_many(self, events: Sequence[Event]) -> None:
        await super().emit_many(events)
        await super().emit_many([event for event in events if isinstance(event, TaskEvent)])


class DeafAfterCancellation(PlainSink):
    """A sink whose lock stays taken when a batch is cancelled: later batches are dropped."""

    busy = False

    async def emit_many(self, events: Sequence[Event]) -> None:
        if self.busy:
            return
        self.busy = True
        await super().emit_many(events)
        self.busy = False


class NeverCloses(PlainSink):
    """A sink that waits for ever when it is closed."""

    async def close(self) -> None:
        if len(self.lines) == 100:
            await anyio.sleep_forever()


SINK_MUTANTS: tuple[type[PlainSink], ...] = (
    BlocksTheEventLoop,
    NewestFirst,
    LosesTheLastEvent,
    WritesTwice,
    DeafAfterCancellation,
    NeverCloses,
)
