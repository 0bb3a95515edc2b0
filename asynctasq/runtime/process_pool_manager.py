"""The older way to size the process pool and to look at it. The pool itself belongs to the worker."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

from anyio.lowlevel import checkpoint

from asynctasq.errors import ConfigurationError

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

    from asynctasq.runtime.process_pool import ProcessPool

_WHOLE = ("sync_max_workers", "async_max_workers", "sync_max_tasks_per_child", "async_max_tasks_per_child")


class ProcessPoolManager:
    """A view on the process pools of the workers in this process.

    A worker starts its children, warm, with itself, and has one pool for both kinds of process task. Made the default
    with `set_default_manager`, a manager says how large the pool is where nothing else does (`ProcessPoolConfig`,
    `process_pool_size=`): as many children as both numbers together.
    """

    def __init__(
        self,
        *,
        sync_max_workers: int | None = None,
        async_max_workers: int | None = None,
        sync_max_tasks_per_child: int | None = None,
        async_max_tasks_per_child: int | None = None,
        mp_context: "BaseContext | None" = None,
    ) -> None:
        """
        Args:
            sync_max_workers: Children for `SyncProcessTask`.
            async_max_workers: Children for `AsyncProcessTask`.
            sync_max_tasks_per_child: Tasks after which a child is replaced. The smaller of the two numbers counts.
            async_max_tasks_per_child: As `sync_max_tasks_per_child`.
            mp_context: Accepted, and unused: every child is a fresh interpreter, as with `spawn`.

        Raises:
            ConfigurationError: a number is not one from 1.
        """
        self.sync_max_workers = sync_max_workers
        self.async_max_workers = async_max_workers
        self.sync_max_tasks_per_child = sync_max_tasks_per_child
        self.async_max_tasks_per_child = async_max_tasks_per_child
        self.mp_context = mp_context
        for name in _WHOLE:
            value: object = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise ConfigurationError(f"{name} is {value!r}; wanted a whole number from 1, or None")
        self._initialized = False
        self._pools: WeakSet[ProcessPool] = WeakSet()

    @property
    def size(self) -> int | None:
        """Children in all; None: one per CPU."""
        wanted = [workers for workers in (self.sync_max_workers, self.async_max_workers) if workers is not None]
        return sum(wanted) or None

    @property
    def max_tasks_per_child(self) -> int | None:
        """Tasks after which a child is replaced; None: never."""
        limits = (self.sync_max_tasks_per_child, self.async_max_tasks_per_child)
        return min((limit for limit in limits if limit is not None), default=None)

    def attach(self, pool: "ProcessPool") -> None:
        """Called by a worker: this is its pool."""
        self._pools.add(pool)

    async def __aenter__(self) -> Self:
        await self.initialize()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.shutdown()

    async def initialize(self) -> None:
        """Starts nothing: each worker starts its children, warm, before it takes its first task."""
        self._initialized = True
        await checkpoint()

    async def shutdown(self, wait: bool = True, cancel_futures: bool = False) -> None:
        """Ends nothing: each worker ends its children when it ends."""
        self._initialized = False
        await checkpoint()

    def is_initialized(self) -> bool:
        """Whether `initialize()` was called, and `shutdown()` was not since."""
        return self._initialized

    def get_stats(self) -> dict[str, dict[str, Any]]:
        """For `sync` and `async` each `status`, `pool_size` and `max_tasks_per_child`; in `pools` the state of every
        worker's pool that took its size from here."""
        status = "initialized" if self._initialized else "not_initialized"
        stats: dict[str, dict[str, Any]] = {
            "sync": {
                "status": status,
                "pool_size": self.sync_max_workers,
                "max_tasks_per_child": self.sync_max_tasks_per_child,
            },
            "async": {
                "status": status,
                "pool_size": self.async_max_workers,
                "max_tasks_per_child": self.async_max_tasks_per_child,
            },
        }
        return stats | {"pools": {str(number): pool.stats() for number, pool in enumerate(self._pools)}}


_default: ProcessPoolManager | None = None


def set_default_manager(manager: ProcessPoolManager | None) -> None:
    """Let this manager say how large the pools of workers are that are made from now on; None: nobody does."""
    global _default
    _default = manager


def default_manager() -> ProcessPoolManager | None:
    """The manager that was made the default."""
    return _default
