"""`docs/drivers.md` says what is so."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from asynctasq.testing import DriverFactory

SCRIPT = Path(__file__).resolve().parents[1] / "drivers_page.py"


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """The script that writes the page."""
    spec = importlib.util.spec_from_file_location("drivers_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def documents(page: ModuleType) -> list[dict[str, Any]]:
    """What the page is made of."""
    return json.loads(page.DATA.read_text(encoding="utf-8"))


def test_the_page_is_what_the_script_writes(page: ModuleType, documents: list[dict[str, Any]]) -> None:
    """Nobody edits the page by hand."""
    assert page.PAGE.read_text(encoding="utf-8") == page.page_of(documents)


def test_every_driver_of_ours_is_conformant(documents: list[dict[str, Any]]) -> None:
    """Every driver that this project brings is on the page, and CONFORMANT."""
    verdicts = {document["driver"]["plugin"]: document["verdict"] for document in documents}
    assert verdicts == dict.fromkeys(("memory", "mysql", "postgres", "redis", "sqlite"), "CONFORMANT")


def test_the_page_tells_what_the_plugins_advertise(documents: list[dict[str, Any]]) -> None:
    """The most that each driver may claim is what the suite has seen it keep."""
    for document in documents:
        spec = DriverFactory.load(document["driver"]["plugin"]).spec
        traits = document["traits"]
        told = (set(traits["features"]), set(traits["guarantees"]), set(traits["event_loops"]))
        assert told == (spec.features, {one.value for one in spec.guarantees}, spec.event_loops), spec.name
