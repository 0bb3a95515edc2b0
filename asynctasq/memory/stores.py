"""The stores of this process, one per namespace."""

import os
import threading
import time
from collections.abc import Callable
from weakref import WeakSet

from asynctasq.errors import ConfigurationError
from asynctasq.memory.store import MemoryStore
from asynctasq.memory.ticks import ticks_of_duration


class StoreRegistry:
    """Namespace -> store. A store stays until it is dropped: drivers that come later see its tasks."""

    def __init__(self) -> None:
        self._stores: dict[str, MemoryStore] = {}
        self._drivers: dict[str, WeakSet[object]] = {}
        """Namespace -> the drivers that are connected to its store, as long as they are referred to."""
        self._lock = threading.Lock()

    def open(self, namespace: str, clock: Callable[[], float]) -> MemoryStore:
        """The namespace's store; if it has none, a new one that runs by this clock."""
        with self._lock:
            return self._open(namespace, clock)

    def join(
        self, namespace: str, driver: object, *, clock: Callable[[], float], dead_retention: float | None
    ) -> MemoryStore:
        """The namespace's store, for a driver that uses it until it leaves.

        Raises:
            ConfigurationError: the store runs by another clock, or its other drivers have another `dead_retention`.
        """
        with self._lock:
            store = self._open(namespace, clock)
            if clock not in (time.time, store.clock):
                raise ConfigurationError(
                    f"the memory store of namespace {namespace!r} runs by another clock than the one given; "
                    "wanted the clock of the driver that connected first, or a namespace of its own"
                )
            drivers = self._drivers.setdefault(namespace, WeakSet())
            ticks = None if dead_retention is None else ticks_of_duration(dead_retention)
            if not drivers:
                store.keep_dead_letters(ticks)
            elif dead_retention is not None and ticks != store.dead_retention:
                raise ConfigurationError(
                    f"the memory store of namespace {namespace!r} keeps dead letters for another time than the "
                    f"dead_retention of {dead_retention:g} seconds; wanted that of the drivers that are connected, "
                    "or a namespace of its own"
                )
            drivers.add(driver)
            return store

    def leave(self, namespace: str, driver: object) -> None:
        """A driver disconnects; the store stays."""
        with self._lock:
            if (drivers := self._drivers.get(namespace)) is not None:
                drivers.discard(driver)

    def _open(self, namespace: str, clock: Callable[[], float]) -> MemoryStore:
        store = self._stores.get(namespace)
        if store is None:
            store = self._stores[namespace] = MemoryStore(clock)
        return store

    def drop(self, namespace: str) -> None:
        """Forget the namespace's store. Drivers that are open on it go on with it."""
        with self._lock:
            self._stores.pop(namespace, None)
            self._drivers.pop(namespace, None)

    def forget_all(self) -> None:
        """Forget every store: in the child of a fork, the parent's tasks would run twice."""
        self._stores = {}
        self._drivers = {}
        self._lock = threading.Lock()  # another thread of the parent may have held it when the process was forked


stores = StoreRegistry()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=stores.forget_all)


def drop_store(namespace: str) -> None:
    """Forget everything that this process's memory drivers hold of a namespace. For tests."""
    stores.drop(namespace)
