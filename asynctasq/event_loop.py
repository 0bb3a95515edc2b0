"""Starting an event loop: uvloop where it is installed, asyncio else, trio where a driver knows nothing else."""

from collections.abc import Awaitable, Callable, Collection
from importlib.util import find_spec
from typing import Any, TypeVar

import anyio

ResultT = TypeVar("ResultT")

ASYNCIO = "asyncio"


def run_event_loop(
    function: Callable[[], Awaitable[ResultT]], *, event_loops: Collection[str] = (ASYNCIO,), use_uvloop: bool = True
) -> ResultT:
    """Run an async function on a fresh event loop, to its end.

    Args:
        function: Called without arguments.
        event_loops: What the driver in use can run on, of `asyncio` and `trio`; asyncio is preferred.
        use_uvloop: Use uvloop if it is installed.

    Raises:
        RuntimeError: an event loop runs in this thread already.
    """
    if ASYNCIO in event_loops or not event_loops:
        return anyio.run(function, backend=ASYNCIO, backend_options=_asyncio_options(use_uvloop))
    return anyio.run(function, backend=sorted(event_loops)[0])


def current_library() -> str:
    """The library whose event loop runs here, `asyncio` or `trio`, told from what it cancels with.

    Raises:
        RuntimeError: no event loop runs in this thread.
    """
    return anyio.get_cancelled_exc_class().__module__.partition(".")[0]


def has_uvloop() -> bool:
    """Whether uvloop is installed; it is not imported."""
    return find_spec("uvloop") is not None


def _asyncio_options(use_uvloop: bool) -> dict[str, Any]:
    return {"use_uvloop": True} if use_uvloop and has_uvloop() else {}
