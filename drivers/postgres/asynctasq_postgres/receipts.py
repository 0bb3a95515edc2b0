"""Receipts: `<seq>-<nonce>`, where seq finds the row and the nonce, 63 random bits per reserve call, fences."""

import random
import re
from collections.abc import Iterable

from asynctasq.driver_api import Receipt

_is_nonce = re.compile(r"[1-9a-f][0-9a-f]{0,15}").fullmatch
_BIGINT_END = 1 << 63
_LONGEST_SEQ = len(str(_BIGINT_END))

# Not the module's shared generator: an application that seeds that one would repeat its receipts.
_random = random.SystemRandom()


def new_nonce() -> int:
    """The nonce of one reserve call: 1 to 2^63-1."""
    return _random.getrandbits(63) or 1


def receipt_tail(nonce: int) -> str:
    """What follows the seq in every receipt of one reserve call."""
    return f"-{nonce:x}"


def read_receipts(receipts: Iterable[Receipt]) -> list[tuple[int, int] | None]:
    """Seq and nonce of each; None for what no reserve call ever issued."""
    nonces: dict[str, int] = {}  # a batch comes from few reserve calls
    fields: list[tuple[int, int] | None] = []
    for receipt in receipts:
        digits, _, tail = receipt.partition("-")
        nonce = nonces.get(tail)
        if nonce is None:
            nonce = nonces[tail] = _read_nonce(tail)
        if (
            nonce
            and len(digits) <= _LONGEST_SEQ
            and digits.isascii()
            and digits.isdigit()
            and digits[0] != "0"
            and (seq := int(digits)) < _BIGINT_END
        ):
            fields.append((seq, nonce))
        else:
            fields.append(None)
    return fields


def _read_nonce(text: str) -> int:
    """0 for what is none."""
    if _is_nonce(text) is None:
        return 0
    nonce = int(text, 16)
    return nonce if nonce < _BIGINT_END else 0
