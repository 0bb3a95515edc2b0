"""What a mutant is: a right driver with one method that is wrong, and the group of the suite that must catch it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from asynctasq_conformance.mutants.plain_driver import PlainDriver

DriverClass = TypeVar("DriverClass", bound=type[PlainDriver])

CATALOGUE: dict[str, Mutant] = {}


@dataclass(frozen=True)
class Mutant:
    """One wrong driver."""

    name: str
    killer: str
    """The group that must catch it."""
    breaks: tuple[str, ...]
    """Numbers of the sentences of the contract that it breaks."""
    driver_class: type[PlainDriver]

    @property
    def summary(self) -> str:
        """What is wrong with it, in one line."""
        return (inspect.getdoc(self.driver_class) or "").splitlines()[0]

    @property
    def changes(self) -> list[str]:
        """What it changes of the right driver: one thing."""
        changed = set(vars(self.driver_class)) - {"_abc_impl"}
        return sorted(name for name in changed if not name.startswith("__") or name == "__init__")


def mutant(killer: str, *breaks: str) -> Callable[[DriverClass], DriverClass]:
    """Put a wrong driver into the catalogue, named after its class in snake case."""

    def register(driver_class: DriverClass) -> DriverClass:
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", driver_class.__name__).lower()
        if name in CATALOGUE:
            raise ValueError(f"two mutants are called {name}")
        CATALOGUE[name] = Mutant(name, killer, breaks, driver_class)
        return driver_class

    return register
