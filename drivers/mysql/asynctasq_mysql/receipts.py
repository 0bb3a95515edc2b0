"""Receipts: the row's key, and a number that is drawn anew for every call of `reserve`."""

import re
import secrets
from collections.abc import Iterable

from asynctasq.driver_api import Receipt

_read = re.compile(r"([1-9][0-9]{0,18})-([1-9][0-9]{0,18})").fullmatch


def fresh_token() -> int:
    """A number that no delivery had, of 62 bits. Never 0."""
    return secrets.randbits(62) | 1 << 61


def receipt_of(pk: int, token: int) -> Receipt:
    """The receipt of one delivery."""
    return Receipt(f"{pk}-{token}")


def read_receipt(receipt: str) -> tuple[str, str] | None:
    """Key and token, as digits; None for what was never issued."""
    if not receipt.isascii():
        return None
    match = _read(receipt)
    return None if match is None else (match[1], match[2])


def read_receipts(receipts: Iterable[str]) -> list[tuple[str, str] | None]:
    """All of them."""
    return [read_receipt(receipt) for receipt in receipts]
