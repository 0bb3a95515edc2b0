"""Counting the identifiers of one Python file."""

import hashlib
import io
import keyword
import tokenize
from collections import Counter
from pathlib import Path

from msgspec import Struct


class FileCount(Struct, frozen=True, kw_only=True):
    """What one file holds."""

    path: str
    identifiers: int
    distinct: int
    fingerprint: str
    """Of every identifier with its number, so that two counts of one file can be compared in full."""


def count_identifiers(path: str) -> FileCount:
    """Read and tokenize one file.

    Raises:
        OSError: it can't be read.
        SyntaxError, tokenize.TokenError: it can't be tokenized.
    """
    source = Path(path).read_bytes()
    numbers = Counter(
        token.string
        for token in tokenize.tokenize(io.BytesIO(source).readline)
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string)
    )
    listed = "\n".join(f"{name} {number}" for name, number in sorted(numbers.items()))
    return FileCount(
        path=path,
        identifiers=numbers.total(),
        distinct=len(numbers),
        fingerprint=hashlib.blake2b(listed.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest(),
    )
