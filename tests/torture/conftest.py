"""Where trials run: `ASYNCTASQ_TORTURE_URL` names the store, `{folder}` in it is the trial's own; default: SQLite."""

import os
from pathlib import Path

import pytest

DEFAULT_URL = "sqlite:///{folder}/store.db"


@pytest.fixture
def torture_url(tmp_path: Path) -> str:
    """The URL of an empty store."""
    return os.environ.get("ASYNCTASQ_TORTURE_URL", DEFAULT_URL).format(folder=tmp_path)
