"""The report's files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from asynctasq_conformance.report.rendering import badge, markdown

JSON_NAME, MARKDOWN_NAME, BADGE_NAME = "conformance.json", "conformance.md", "conformance-badge.json"


def write_report(folder: Path, document: Mapping[str, Any]) -> None:
    """Write the three files of a report."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON_NAME).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / MARKDOWN_NAME).write_text(markdown(document), encoding="utf-8")
    (folder / BADGE_NAME).write_text(json.dumps(badge(document)) + "\n", encoding="utf-8")


def read_report(path: Path) -> dict[str, Any]:
    """Read one `conformance.json`."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_reports(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Read reports, and all that lie below folders."""
    files: list[Path] = []
    for path in paths:
        files += sorted(path.rglob(JSON_NAME)) if path.is_dir() else [path]
    return [read_report(file) for file in files]
