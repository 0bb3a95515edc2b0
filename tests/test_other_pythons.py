"""Which other Pythons are found on a machine."""

from pathlib import Path

import pytest

from tests.other_pythons import other_pythons

PYENV = """#!/bin/sh
case "$1" in
  versions) printf '%s\\n' 3.11.7 3.12.1 3.12.1/envs/mine 3.13.0 3.13.0t mine ;;
  prefix) echo "$PYENV_ROOT/versions/$2" ;;
esac
"""


def test_pyenv_is_found_at_its_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyenv's Pythons are found with nothing on the path, and of its builds those that are a plain version."""
    (tmp_path / "bin").mkdir()
    _write_program(tmp_path / "bin" / "pyenv", PYENV)
    for build in ("3.11.7", "3.12.1", "3.12.1/envs/mine", "3.13.0", "3.13.0t"):
        python = tmp_path / "versions" / build / "bin" / "python"
        python.parent.mkdir(parents=True)
        _write_program(python, f"#!/bin/sh\necho {python}\n")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    found = other_pythons()
    assert len(found) == 2
    builds = {"3.11": "3.11.7", "3.12": "3.12.1", "3.13": "3.13.0"}
    assert found == {version: str(tmp_path / "versions" / builds[version] / "bin" / "python") for version in found}


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
