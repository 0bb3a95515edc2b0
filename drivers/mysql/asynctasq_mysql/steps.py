"""Calls written once for every kind of connection: as generators that yield statements and receive their results.

The driver's own connections send all statements of a step in one round trip. A caller's connection, of whatever client
library, synchronous or not, sends one after the other.
"""

from collections.abc import Generator, Sequence
from typing import TypeVar

from msgspec import Struct

from asynctasq_mysql.client import Result

T = TypeVar("T")


class Step(Struct, frozen=True, gc=False):
    """Statements to run."""

    statements: Sequence[str]
    is_last: bool = False
    """No other step follows, so that the driver's own transaction may be committed with it."""


Steps = Generator[Step, list[Result], T]
