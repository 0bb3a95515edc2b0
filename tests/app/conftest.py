"""Every test configures an application of its own, in an empty folder with an empty environment."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import asynctasq.app
from asynctasq.config import set_current


@pytest.fixture(autouse=True)
def fresh_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("ASYNCTASQ_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    set_current(None)
    yield
    asynctasq.app.application().stop_background()
    set_current(None)
