"""Receipts: `seq.token`, and an `L` behind it if the payload is large.

The token is drawn afresh for every `reserve`, so that no receipt is ever given twice. What a stranger writes is checked
by its pattern before anything is looked up.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from asynctasq_sqlite.session import fresh_token

LARGE_PAYLOAD = 1000
"""Bytes from which on a payload is cleared when its task has completed."""

_SMALLEST_TOKEN = 10**18
_TOKENS = 8 * 10**18

_RECEIPT = r"[1-9][0-9]{0,17}\.[1-9][0-9]{18}L?"
_is_receipt = re.compile(r"([1-9][0-9]{0,17})\.([1-9][0-9]{18})(L?)").fullmatch
_are_receipts = re.compile(rf"{_RECEIPT}(?:\n{_RECEIPT})*").fullmatch


def receipt_token() -> int:
    """A token for the receipts of one `reserve`, always of 19 digits."""
    return _SMALLEST_TOKEN + fresh_token() % _TOKENS


def tokens_at_once(receipts: Sequence[str]) -> str | None:
    """`{seq: token}` of receipts that are all well formed, of different tasks, and of small payloads; None: read each.

    For the hot path: text operations on the whole batch instead of a dozen steps for every receipt.
    """
    joined = "\n".join(receipts)
    if joined.count("\n") >= len(receipts) or "L" in joined or _are_receipts(joined) is None:
        return None
    if len({receipt.partition(".")[0] for receipt in receipts}) < len(receipts):
        return None
    return '{"' + joined.replace(".", '":').replace("\n", ',"') + "}"


class Receipts(Struct, frozen=True):
    """What a batch of receipts says."""

    seqs: list[str | None]
    """For every receipt the task's seq, in digits; None for what is no receipt, and for those of `again`."""
    tokens: dict[str, int]
    """The tokens by seq: these can be looked up together."""
    large: set[str]
    """The seqs of tasks with a large payload."""
    again: list[int]
    """The places of receipts for a seq that an earlier one claims with another token. At most one of them is real: they
    are looked up in a round of their own."""


def read_receipts(receipts: Sequence[str]) -> Receipts:
    """Read each receipt."""
    read = Receipts([], {}, set(), [])
    for place, receipt in enumerate(receipts):
        match = _is_receipt(receipt)
        if match is None:
            read.seqs.append(None)
            continue
        seq, digits, large = match.groups()
        token = int(digits)
        if read.tokens.setdefault(seq, token) != token:
            read.again.append(place)
            read.seqs.append(None)
            continue
        read.seqs.append(seq)
        if large:
            read.large.add(seq)
    return read
