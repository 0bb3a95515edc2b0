"""The options of a task: what may be set, what each one means, and what is refused."""

import re
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, TypedDict, cast

from msgspec import UNSET, Struct, UnsetType

from asynctasq.errors import DefinitionError, UnknownOption

RetryStrategy = Literal["exponential", "fixed"]
Seconds = float | timedelta
"""A duration: a number of seconds, or a timedelta."""

_is_identifier = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch
_MAX_TEXT_BYTES = 200
_LONGEST = sys.float_info.max
_MOST_ATTEMPTS = 1_000_000


class TaskConfig(TypedDict, total=False):
    """The options of a task class: `config: TaskConfig = {"queue": "payments", "max_attempts": 5}`."""

    queue: str
    """The queue that the task goes to."""
    max_attempts: int
    """How often the body may start, the first time included: 1 means no retry."""
    retry_delay: Seconds
    """Until the next attempt; with the exponential strategy, its base."""
    retry_strategy: RetryStrategy
    timeout: Seconds | None
    """For one attempt; None: no limit."""
    visibility_timeout: Seconds
    """How long one delivery may be held in all."""
    driver: str
    """The driver that the task goes to: a name or a URL, when it is not the application's."""
    correlation_id: str
    priority: int
    """0 to 9, 9 first."""
    keep_result: Seconds
    """How long state and result stay after completion."""
    unique: bool | str
    """At most one such task waits or runs in a queue. True: one for equal arguments; text: one for this key, in which
    `{name}` stands for the argument of that name."""
    expires_after: Seconds
    """A task that still waits then is dead (reason `expired`)."""
    name: str
    """The task's name; by default `module:qualname`."""


class TaskOptions(Struct, frozen=True, kw_only=True):
    """Options as they were declared, checked, durations in seconds. UNSET: not declared."""

    queue: str | UnsetType = UNSET
    max_attempts: int | UnsetType = UNSET
    retry_delay: float | UnsetType = UNSET
    retry_strategy: RetryStrategy | UnsetType = UNSET
    timeout: float | UnsetType | None = UNSET
    visibility_timeout: float | UnsetType = UNSET
    driver: str | UnsetType = UNSET
    correlation_id: str | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    keep_result: float | UnsetType = UNSET
    unique: bool | str | UnsetType = UNSET
    expires_after: float | UnsetType = UNSET
    name: str | UnsetType = UNSET


OPTION_NAMES: tuple[str, ...] = TaskOptions.__struct_fields__


def parse_options(owner: str, declared: Mapping[str, object]) -> TaskOptions:
    """Check the options of a task. `owner` names the task in errors.

    Raises:
        UnknownOption: an option that does not exist.
        DefinitionError: a value that is not allowed, or `timeout >= visibility_timeout`.
    """
    for name in declared:
        if name not in OPTION_NAMES:
            raise unknown_option(owner, name, OPTION_NAMES)
    try:
        checked = {name: _CHECKS[name](name, value) for name, value in declared.items()}
        options = TaskOptions(**cast("Any", checked))
        check_timeouts(options.timeout, options.visibility_timeout)
    except DefinitionError as error:
        raise DefinitionError(f"{owner}: {error}") from None
    return options


def unknown_option(owner: str, name: str, known: tuple[str, ...]) -> UnknownOption:
    """The error for an option that does not exist, with the closest one that does."""
    from asynctasq.plugins.closest_name import closest_name  # plugins are dear to import, and this is an error

    closest = closest_name(name, known)
    hint = f"did you mean `{closest}`?" if closest else f"there are {', '.join(known)}"
    return UnknownOption(f"{owner}: there is no option `{name}`; {hint}")


def check_timeouts(timeout: float | UnsetType | None, visibility_timeout: float | UnsetType) -> None:
    """`timeout` must end an attempt before `visibility_timeout` ends the delivery.

    Raises:
        DefinitionError: it would not.
    """
    if timeout is UNSET or timeout is None or visibility_timeout is UNSET:
        return
    if timeout >= visibility_timeout:
        raise DefinitionError(
            f"timeout ({timeout:g} s) is not below visibility_timeout ({visibility_timeout:g} s): the task would be "
            "delivered again while it still runs. Wanted visibility_timeout of about twice the expected duration, "
            "plus a buffer"
        )


def seconds(name: str, value: object) -> float:
    """A duration in seconds, 0 or more; 0 means 0.

    Raises:
        DefinitionError: it is not a finite number of seconds or a timedelta, or it is negative.
    """
    amount = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(amount, int | float) and not isinstance(amount, bool) and 0 <= amount <= _LONGEST:
        return float(amount)
    raise DefinitionError(f"{name} is {value!r}; wanted seconds (0 or more) or a timedelta")


def positive_seconds(name: str, value: object) -> float:
    """A duration in seconds, more than 0."""
    amount = seconds(name, value)
    if amount == 0:
        raise DefinitionError(f"{name} is {value!r}; wanted more than 0 seconds")
    return amount


def optional_timeout(name: str, value: object) -> float | None:
    """A time limit in seconds, or None for no limit."""
    if value is None:
        return None
    amount = seconds(name, value)
    if amount == 0:
        raise DefinitionError(
            f"{name} is {value!r}: no attempt could run; wanted more than 0 seconds, or None for no limit"
        )
    return amount


def identifier(name: str, value: object) -> str:
    """A queue's or task's name in the store."""
    if isinstance(value, str) and _is_identifier(value):
        return str(value)
    raise DefinitionError(f"{name} is {value!r}; wanted 1 to 64 of the characters A-Z a-z 0-9 . _ -")


def text(name: str, value: object) -> str:
    """1 to 200 bytes of UTF-8 without NUL."""
    if isinstance(value, str) and "\0" not in value and 1 <= _bytes_in_utf8(value) <= _MAX_TEXT_BYTES:
        return str(value)
    raise DefinitionError(f"{name} is {value!r}; wanted 1 to {_MAX_TEXT_BYTES} bytes of UTF-8 without NUL")


def _bytes_in_utf8(text: str) -> int:
    """How long it is; 0 for what has no UTF-8, which is text with a lone surrogate."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return 0


def attempts(name: str, value: object) -> int:
    """How often a body may start: 1 to 1,000,000."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_ATTEMPTS:
        return int(value)
    raise DefinitionError(f"{name} is {value!r}; wanted a whole number from 1 (no retry) to {_MOST_ATTEMPTS}")


def priority(name: str, value: object) -> int:
    """0 to 9, 9 first."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 9:
        return int(value)
    raise DefinitionError(f"{name} is {value!r}; wanted a whole number from 0 to 9 (9 first)")


def unique_key(name: str, value: object) -> bool | str:
    """True, False, or the text of a key."""
    return value if isinstance(value, bool) else text(name, value)


def _retry_strategy(name: str, value: object) -> RetryStrategy:
    if value == "exponential":
        return "exponential"
    if value == "fixed":
        return "fixed"
    raise DefinitionError(f"{name} is {value!r}; wanted 'exponential' or 'fixed'")


def _driver(name: str, value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise DefinitionError(f"{name} is {value!r}; wanted a driver's name or URL")


_CHECKS: Mapping[str, Any] = {
    "queue": identifier,
    "max_attempts": attempts,
    "retry_delay": seconds,
    "retry_strategy": _retry_strategy,
    "timeout": optional_timeout,
    "visibility_timeout": positive_seconds,
    "driver": _driver,
    "correlation_id": text,
    "priority": priority,
    "keep_result": seconds,
    "unique": unique_key,
    "expires_after": seconds,
    "name": text,
}
