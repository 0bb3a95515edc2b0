"""Where `dispatch()` finds its dispatcher. The application floor fills the slot; this floor knows nothing of it.

The package fills it with a function that imports the application module on first use, so that defining tasks loads
neither configuration nor drivers.
"""

from collections.abc import Callable
from typing import Any

from asynctasq.errors import ConfigurationError

_source: Callable[[], Any] | None = None


def fill_dispatcher_slot(source: Callable[[], Any] | None) -> None:
    """Say where the dispatcher comes from: a function that returns it. None empties the slot."""
    global _source
    _source = source


def current_dispatcher() -> Any:
    """The dispatcher that serves here; it does what `TaskDispatcher` and `TaskLookup` say.

    Raises:
        ConfigurationError: the slot is empty, or the application can't be configured.
    """
    if _source is None:
        raise ConfigurationError("no dispatcher is there; call asynctasq.init() first")
    return _source()
