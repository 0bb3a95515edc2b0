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
    nonces: dict[str, int | None] = {}  # a batch comes from few reserve calls
    fields: list[tuple[int, int] | None] = []
    for receipt in receipts:
        seq_text, _, nonce_text = receipt.partition("-")
        if nonce_text in nonces:
            nonce = nonces[nonce_text]
        else:
            nonce = nonces[nonce_text] = _read_nonce(nonce_text)
        seq = _read_seq(seq_text)
        fields.append(None if nonce is None or seq is None else (seq, nonce))
    return fields


def _read_seq(text: str) -> int | None:
    if len(text) > _LONGEST_SEQ or not (text.isascii() and text.isdigit()) or text[0] == "0":
        return None
    seq = int(text)
    return seq if seq < _BIGINT_END else None


def _read_nonce(text: str) -> int | None:
    if _is_nonce(text) is None:
        return None
    nonce = int(text, 16)
    return nonce if nonce < _BIGINT_END else None
