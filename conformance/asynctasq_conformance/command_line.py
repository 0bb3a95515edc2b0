"""The `asynctasq-conformance` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit status."""
    sys.stderr.write("usage: asynctasq-conformance run URL\n")
    return 2
