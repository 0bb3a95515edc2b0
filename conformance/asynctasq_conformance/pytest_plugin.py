"""The pytest plugin of the suite. Every pytest run of the environment loads it, so it imports nothing heavy."""

from __future__ import annotations
