"""What the index must come to: one process, one loop, no queue."""

import sys
import warnings
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from asynctasq.demo.identifiers import FileCount, count_identifiers
from asynctasq.demo.source_files import rank, walk


class Expected(Struct, frozen=True, kw_only=True):
    """The counts of every file that can be tokenized, and the paths of those that can't."""

    counts: dict[str, FileCount]
    broken: frozenset[str]


def count_everything(bounds: Mapping[str, int]) -> Expected:
    """Walk each folder and count the files whose rank is under its bound, one after the other."""
    counts: dict[str, FileCount] = {}
    broken: set[str] = set()
    for root, bound in bounds.items():
        for path in walk([root]):
            if rank(path) >= bound:
                continue
            try:
                counts[path] = count_identifiers(path)
            except Exception:  # whatever it is: the tasks meet the same exception, and must have buried the file
                broken.add(path)
    return Expected(counts=counts, broken=frozenset(broken))


def main() -> None:
    """A JSON object {folder: bound} on standard input -> the expectation as JSON on standard output."""
    warnings.simplefilter("ignore")
    bounds = msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, int])
    sys.stdout.buffer.write(msgspec.json.encode(count_everything(bounds)))


if __name__ == "__main__":
    main()
