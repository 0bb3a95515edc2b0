"""Parameter names that a task may not use, because they mean something to asynctasq."""

from collections.abc import Iterable

from asynctasq.errors import ReservedParameterName

RESERVED = frozenset(
    {
        "config",
        "run",
        "execute",
        "dispatch",
        "failed",
        "should_retry",
        "on_queue",
        "delay",
        "retry_after",
        "max_attempts",
        "timeout",
    }
)
"""Refused for every task."""

RESERVED_FOR_CLASSES = frozenset(
    {"visibility_timeout", "priority", "correlation_id", "unique", "at", "current_attempt"}
)
"""Refused for classes as well: as an attribute, the parameter would hide the method or property of that name."""


def check_parameter_names(owner: str, names: Iterable[str], *, for_class: bool) -> None:
    """Refuse reserved names.

    Raises:
        ReservedParameterName: one of `names` is reserved.
    """
    for name in names:
        if name.startswith("_"):
            raise ReservedParameterName(
                f"{owner}: the parameter `{name}` begins with an underscore, which is reserved for asynctasq itself; "
                f"rename it, for instance to `{name.strip('_') or 'value'}`"
            )
        if name in RESERVED:
            raise ReservedParameterName(
                f"{owner}: the parameter name `{name}` is reserved; rename it, for instance to `task_{name}`. "
                f"Reserved are {', '.join(sorted(RESERVED))}"
            )
        if for_class and name in RESERVED_FOR_CLASSES:
            raise ReservedParameterName(
                f"{owner}: a parameter `{name}` would hide the task's own `{name}`; rename it, for instance "
                f"to `task_{name}`"
            )
