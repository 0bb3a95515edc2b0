"""The `asynctasq-conformance` command."""

from __future__ import annotations


def main() -> int:
    """Run the command line and return its exit status."""
    print("usage: asynctasq-conformance run URL")
    return 2
