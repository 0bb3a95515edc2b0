"""The stores of this process, one per namespace."""

import os
import threading
from collections.abc import Callable

from asynctasq.memory.store import MemoryStore


class StoreRegistry:
    """Namespace -> store. A store stays until it is dropped: drivers that come later see its tasks."""

    def __init__(self) -> None:
        self._stores: dict[str, MemoryStore] = {}
        self._lock = threading.Lock()

    def open(self, namespace: str, clock: Callable[[], float], *, dead_retention: float | None = None) -> MemoryStore:
        """The namespace's store; if it has none, a new one that runs by this clock and keeps dead letters so long."""
        with self._lock:
            store = self._stores.get(namespace)
            if store is None:
                store = self._stores[namespace] = MemoryStore(clock, dead_retention=dead_retention)
            return store

    def drop(self, namespace: str) -> None:
        """Forget the namespace's store. Drivers that are open on it go on with it."""
        with self._lock:
            self._stores.pop(namespace, None)

    def forget_all(self) -> None:
        """Forget every store: in the child of a fork, the parent's tasks would run twice."""
        self._stores = {}
        self._lock = threading.Lock()  # another thread of the parent may have held it when the process was forked


stores = StoreRegistry()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=stores.forget_all)


def drop_store(namespace: str) -> None:
    """Forget everything that this process's memory drivers hold of a namespace. For tests."""
    stores.drop(namespace)
