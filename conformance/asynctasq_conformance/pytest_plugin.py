"""The pytest plugin of the suite: loaded in every pytest run where the distribution is installed, so it imports nothing heavy."""

from __future__ import annotations
