"""From a call to what is stored: options put together once per task, and the payload."""

import string
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast

from msgspec import UNSET, Struct, UnsetType

from asynctasq.configuration.groups import TaskDefaultsConfig
from asynctasq.contract.envelopes import NewTask
from asynctasq.contract.serializer import Serializer
from asynctasq.errors import DefinitionError, PayloadTooLarge
from asynctasq.runtime.frame import Headers, encode_frame, encode_headers
from asynctasq.tasks.current_task import current_task_or_none
from asynctasq.tasks.task_call import Overrides, TaskCall
from asynctasq.tasks.task_definition import TaskDefinition
from asynctasq.tasks.task_ids import new_task_id
from asynctasq.tasks.task_options import check_timeouts, text

DEFAULT_PRIORITY = 4
_KNOWN_HEADERS = 1024


class _Plan(Struct, frozen=True):
    """What is the same for every call of a task without a chain."""

    headers: Headers
    encoded_headers: bytes
    queue: str
    priority: int
    keep_for: float
    expires_after: float | None
    correlation_id: str | None
    unique: bool | str


class NewTaskMaker:
    """Makes `NewTask`s. Precedence: chain > decorator or class > configuration > built-in."""

    def __init__(
        self,
        serializer: Serializer,
        defaults: TaskDefaultsConfig,
        *,
        max_payload_bytes: int,
        keep_completed_for: float | None = None,
    ) -> None:
        """
        Args:
            serializer: Encodes the arguments.
            defaults: Options of tasks that say nothing else.
            max_payload_bytes: The largest payload, headers included.
            keep_completed_for: Seconds that every completed task stays, whatever it says itself; None: as it says.
        """
        self._serializer = serializer
        self._defaults = defaults
        self._max_payload_bytes = max_payload_bytes
        self._keep_completed_for = keep_completed_for
        self._plans: dict[TaskDefinition, _Plan] = {}
        self._encoded_headers: dict[Headers, bytes] = {}

    def make(self, call: TaskCall) -> NewTask:
        """What is stored for a call. It gets a new id, unless the caller chose one.

        Raises:
            SerializationError: an argument can't be encoded.
            DefinitionError: the options contradict each other.
            PayloadTooLarge: the arguments are too large.
        """
        definition = call.definition
        plan = self._plans.get(definition)
        if plan is None:
            plan = self._plans[definition] = self._plan(definition)
        body = self._serializer.encode(call.arguments)
        if call.overrides is not None:
            return self._with_chain(call, plan, body, call.overrides)
        payload = encode_frame(plan.encoded_headers, body)
        if len(payload) > self._max_payload_bytes:
            raise self._too_large(definition, payload)
        return NewTask(
            id=new_task_id(),
            queue=plan.queue,
            name=definition.name,
            payload=payload,
            correlation_id=plan.correlation_id or _inherited_correlation_id(),
            priority=plan.priority,
            dedupe_key=None if plan.unique is False else self._key(plan.unique, call),
            expires_after=plan.expires_after,
            keep_for=plan.keep_for,
        )

    def _with_chain(self, call: TaskCall, plan: _Plan, body: bytes, chosen: Overrides) -> NewTask:
        payload = encode_frame(self._headers_with(call.definition, plan, chosen), body)
        if len(payload) > self._max_payload_bytes:
            raise self._too_large(call.definition, payload)
        unique = _or(chosen.unique, plan.unique)
        return NewTask(
            id=new_task_id() if chosen.task_id is UNSET else chosen.task_id,
            queue=_or(chosen.queue, plan.queue),
            name=call.definition.name,
            payload=payload,
            correlation_id=_or(chosen.correlation_id, plan.correlation_id) or _inherited_correlation_id(),
            priority=_or(chosen.priority, plan.priority),
            delay=_or(chosen.delay, 0.0),
            available_at=_or(chosen.available_at, None),
            dedupe_key=None if unique is False else self._key(unique, call),
            expires_after=_or(chosen.expires_after, plan.expires_after),
            keep_for=plan.keep_for,
        )

    def _plan(self, definition: TaskDefinition) -> _Plan:
        options, defaults = definition.options, self._defaults
        headers = Headers(
            content_type=self._serializer.content_type,
            max_attempts=_or(options.max_attempts, defaults.max_attempts),
            retry_strategy=_or(options.retry_strategy, defaults.retry_strategy),
            retry_delay=_or(options.retry_delay, defaults.retry_delay),
            retry_max_delay=defaults.retry_max_delay,
            timeout=_or(options.timeout, defaults.timeout),
            visibility_timeout=_or(options.visibility_timeout, defaults.visibility_timeout),
        )
        _check(definition, headers)
        keep_for = definition.keep_result if self._keep_completed_for is None else self._keep_completed_for
        return _Plan(
            headers=headers,
            encoded_headers=self._encode(headers),
            queue=_or(options.queue, defaults.queue),
            priority=_or(options.priority, DEFAULT_PRIORITY),
            keep_for=keep_for,
            expires_after=_or(options.expires_after, None),
            correlation_id=_or(options.correlation_id, None),
            unique=_or(options.unique, False),
        )

    def _headers_with(self, definition: TaskDefinition, plan: _Plan, chosen: Overrides) -> bytes:
        known = plan.headers
        headers = Headers(
            content_type=known.content_type,
            max_attempts=_or(chosen.max_attempts, known.max_attempts),
            retry_strategy=known.retry_strategy,
            retry_delay=_or(chosen.retry_delay, known.retry_delay),
            retry_max_delay=known.retry_max_delay,
            timeout=_or(chosen.timeout, known.timeout),
            visibility_timeout=_or(chosen.visibility_timeout, known.visibility_timeout),
        )
        if headers == known:
            return plan.encoded_headers
        _check(definition, headers)
        return self._encode(headers)

    def _encode(self, headers: Headers) -> bytes:
        encoded = self._encoded_headers.get(headers)
        if encoded is None:
            if len(self._encoded_headers) >= _KNOWN_HEADERS:
                self._encoded_headers.clear()
            encoded = self._encoded_headers[headers] = encode_headers(headers)
        return encoded

    def _key(self, unique: bool | str, call: TaskCall) -> str:
        """The dedupe key: of equal arguments, or the text with the arguments filled in."""
        if unique is True:
            body = self._serializer.encode(_ordered(call.arguments))
            return sha256(call.definition.name.encode() + b"\0" + body).hexdigest()
        return text("unique", _filled_in(str(unique), call.arguments))

    def _too_large(self, definition: TaskDefinition, payload: bytes) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"the payload of {definition.name} has {len(payload)} bytes; at most {self._max_payload_bytes} fit. "
            "Store the data elsewhere and pass a reference, or raise max_payload_bytes"
        )


def _ordered(value: Any) -> Any:
    """Equal dicts in an equal order, wherever they stand: their bytes are compared."""
    if type(value) is dict:
        items = cast("dict[Any, Any]", value).items()
        return {key: _ordered(item) for key, item in sorted(items, key=lambda item: repr(item[0]))}
    if type(value) is list:
        return [_ordered(item) for item in cast("list[Any]", value)]
    return value


def _or(chosen: Any | UnsetType, otherwise: Any) -> Any:
    return otherwise if chosen is UNSET else chosen


def _check(definition: TaskDefinition, headers: Headers) -> None:
    try:
        check_timeouts(headers.timeout, headers.visibility_timeout)
    except DefinitionError as error:
        raise DefinitionError(f"{definition.name}: {error}") from None


def _inherited_correlation_id() -> str | None:
    """A task that is dispatched from inside another one belongs to the same whole."""
    running = current_task_or_none()
    return None if running is None else running.correlation_id


def _filled_in(key: str, arguments: Mapping[str, Any]) -> str:
    if "{" not in key:
        return key
    try:
        return string.Formatter().vformat(key, (), arguments)
    except (KeyError, IndexError, AttributeError, ValueError) as error:
        raise DefinitionError(
            f"the unique key {key!r} can't be filled in from the arguments {', '.join(arguments)}: {error!r}; "
            "wanted `{name}` of arguments that are passed"
        ) from None
