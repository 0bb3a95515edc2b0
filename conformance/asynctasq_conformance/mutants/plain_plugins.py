"""A plain serializer and a plain event sink that are right, for mutants to be made from."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, cast, get_args, get_origin

import anyio.lowlevel

from asynctasq.driver_api import DeserializationError, Event, EventSink, SerializationError, Serializer, TaskEvent

MOST_NESTED = 100


class PlainSerializer(Serializer):
    """JSON in which every value says what it is, so that no data can look like anything else."""

    content_type = "plain"

    def encode(self, value: object) -> bytes:
        return json.dumps(self.boxed(value, "the value", 0)).encode()

    def boxed(self, value: Any, place: str, depth: int) -> Any:
        """A value with its kind; `place` is for the error."""
        if depth > MOST_NESTED:
            raise SerializationError(f"{place[:80]} is nested deeper than {MOST_NESTED}")
        if value is None or type(value) in (bool, int, str):
            return ["v", value]
        if type(value) is float:
            return ["f", value.hex()]
        if type(value) is bytes:
            return ["b", base64.b64encode(value).decode()]
        if type(value) is list:
            items = cast("list[Any]", value)
            return ["l", [self.boxed(item, f"{place}[{index}]", depth + 1) for index, item in enumerate(items)]]
        if type(value) is dict:
            entries = cast("dict[Any, Any]", value)
            return ["d", {str(key): self.boxed(item, f"{place}.{key}", depth + 1) for key, item in entries.items()}]
        raise SerializationError(f"{place} is of type {type(value).__name__}, which has no encoding")

    def decoder(self, wanted: Any) -> Callable[[bytes], Any]:
        def decode(data: bytes) -> Any:
            try:
                value = self.unboxed(json.loads(data), 0)
            except (ValueError, TypeError, RecursionError) as error:
                raise DeserializationError(f"the bytes can't be decoded: {error}") from error
            if not self.fits(value, wanted):
                raise DeserializationError(f"decoded a {type(value).__name__}; wanted {wanted}")
            return value

        return decode

    def unboxed(self, boxed: Any, depth: int) -> Any:
        """The inverse of `boxed`."""
        if depth > MOST_NESTED:
            raise ValueError("too deeply nested")
        kind, content = boxed
        match kind:
            case "v":
                return content
            case "f":
                return float.fromhex(content)
            case "b":
                return base64.b64decode(content, validate=True)
            case "l":
                return [self.unboxed(item, depth + 1) for item in content]
            case "d":
                return {key: self.unboxed(item, depth + 1) for key, item in dict(content).items()}
            case _:
                raise ValueError(f"unknown kind {kind!r}")

    def fits(self, value: Any, wanted: Any) -> bool:
        """The value is of the wanted type, and so is everything inside it."""
        if wanted is Any:
            return True
        origin, arguments = get_origin(wanted) or wanted, get_args(wanted)
        if type(value) is not origin:
            return False
        if origin is list and arguments:
            return all(self.fits(item, arguments[0]) for item in value)
        if origin is dict and arguments:
            return all(self.fits(item, arguments[1]) for item in value.values())
        return True


class PlainSink(EventSink):
    """Keeps the events in a list."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def emit_many(self, events: Sequence[Event]) -> None:
        await anyio.lowlevel.checkpoint()
        for event in events:
            self.lines.append(self.line_of(event))

    def line_of(self, event: Event) -> str:
        """One event as a line."""
        return f"{event.event_type} {event.task_id if isinstance(event, TaskEvent) else event.worker_id}"
