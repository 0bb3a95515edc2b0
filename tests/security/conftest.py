"""Real workers for hostile payloads."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.torture.stage import Stage, open_stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A store and its workers."""
    async with open_stage("tests.security.application", tmp_path) as opened:
        yield opened
