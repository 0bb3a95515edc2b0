"""One numbered sentence of the contract."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sentence:
    """What the contract says, and why nothing shows it here if nothing does."""

    number: str
    text: str
    no_example: str = ""
    """Why no example test can show it."""
    no_mutant: str = ""
    """Why no mutant can break it."""
