"""Receipts: `<seq>-<nonce>`, where seq finds the row and the nonce, 63 random bits per reserve call, fences."""

import random
import re

from asynctasq.driver_api import Receipt

_fields = re.compile(r"([1-9][0-9]{0,18})-([1-9a-f][0-9a-f]{0,15})").fullmatch
_BIGINT_END = 1 << 63

# Not the module's shared generator: an application that seeds that one would repeat its receipts.
_random = random.SystemRandom()


def new_nonce() -> int:
    """The nonce of one reserve call: 1 to 2^63-1."""
    return _random.getrandbits(63) or 1


def receipt_tail(nonce: int) -> str:
    """What follows the seq in every receipt of one reserve call."""
    return f"-{nonce:x}"


def read_receipt(receipt: Receipt) -> tuple[int, int] | None:
    """Seq and nonce; None if no reserve call ever issued it."""
    fields = _fields(receipt)
    if fields is None:
        return None
    seq, nonce = int(fields[1]), int(fields[2], 16)
    return (seq, nonce) if seq < _BIGINT_END and nonce < _BIGINT_END else None
