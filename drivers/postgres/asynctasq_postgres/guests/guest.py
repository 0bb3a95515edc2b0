"""What a client library has to offer to be a guest."""

import abc
import re
from collections.abc import Sequence
from typing import Any

from asynctasq.driver_api import InvalidArgument
from asynctasq_postgres.client import Row

_placeholder = re.compile(r"\$([0-9]+)::([a-z ]+(?:\[\])?)")


class AsyncGuest(abc.ABC):
    """A caller's asynchronous connection."""

    @abc.abstractmethod
    async def enter(self) -> None:
        """Raise `InvalidArgument` unless a transaction is open, or the library begins one with the first statement."""

    @abc.abstractmethod
    async def fetch(self, statement: str, arguments: Sequence[Any]) -> Sequence[Row]:
        """Run one statement, whose placeholders are written `$1::type`."""


class SyncGuest(abc.ABC):
    """A caller's synchronous connection."""

    @abc.abstractmethod
    def enter(self) -> None:
        """As `AsyncGuest.enter`."""

    @abc.abstractmethod
    def fetch(self, statement: str, arguments: Sequence[Any]) -> Sequence[Row]:
        """As `AsyncGuest.fetch`."""


def with_placeholders(statement: str, template: str) -> str:
    """The statement with its placeholders rewritten: in the template `\\1` is the number and `\\2` the type."""
    return _placeholder.sub(template, statement)


def placeholder_types(statement: str) -> list[str]:
    """The types of the placeholders, in the order of their numbers."""
    return [name for _, name in sorted((int(number), name) for number, name in _placeholder.findall(statement))]


def no_transaction(what: str) -> InvalidArgument:
    """The refusal of a connection on which whatever is enqueued would be committed at once."""
    return InvalidArgument(f"{what}; wanted one with an open transaction, which the caller commits or rolls back")
