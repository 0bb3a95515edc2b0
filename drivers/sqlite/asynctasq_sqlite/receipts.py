"""Receipts: which task, which delivery, and whether its payload is large.

The token is drawn afresh for every `reserve`, so that no receipt is ever given twice. What a stranger writes is checked
by its pattern before anything is looked up.
"""

import re
from collections.abc import Iterable

from asynctasq.driver_api import Receipt

LARGE_PAYLOAD = 1000
"""Bytes from which on a payload is cleared when its task has completed."""

_is_receipt = re.compile(r"([1-9][0-9]{0,17})\.([0-7][0-9a-f]{15})(L?)").fullmatch


def receipt_ending(token: int) -> str:
    """What the receipts of one `reserve` end with."""
    return f".{token:016x}"


class ReceiptRound:
    """Receipts that can be looked up together: no two of them are of the same task."""

    __slots__ = ("large", "tokens")

    def __init__(self) -> None:
        self.tokens: dict[str, int] = {}
        """The task's seq, in digits -> the token."""
        self.large: set[str] = set()


def read_receipts(receipts: Iterable[str]) -> tuple[list[str | None], ReceiptRound, list[int]]:
    """For every receipt its seq, in digits, or None: not a receipt, or the second of two equal ones.

    Also the receipts by seq, and the places of those that claim a seq that an earlier one claims with another token:
    at most one of them is real, so they are looked up in a round of their own.
    """
    found: list[str | None] = []
    first = ReceiptRound()
    tokens = first.tokens
    again: list[int] = []
    for place, receipt in enumerate(receipts):
        match = _is_receipt(receipt)
        if match is None:
            found.append(None)
            continue
        seq, hexadecimal, large = match.groups()
        token = int(hexadecimal, 16)
        known = tokens.setdefault(seq, token)
        if known != token:
            again.append(place)
            found.append(None)
            continue
        found.append(seq)
        if large:
            first.large.add(seq)
    return found, first, again


def make_receipt(seq: int, ending: str, payload_size: int) -> Receipt:
    """The receipt of one delivery."""
    return Receipt(f"{seq}{ending}L" if payload_size >= LARGE_PAYLOAD else f"{seq}{ending}")
