"""Wheels of the six distributions, and everything that they depend on, in one folder."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder from which `pip install --no-index --find-links` can install everything of ours."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    build = [sys.executable, "-m", "uv", "build", "--quiet", "--all-packages", "--wheel", "--no-build-isolation"]
    run([*build, "--python", sys.executable, "--out-dir", str(folder)], cwd=ROOT)
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    download = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
    ]
    run(
        [*download, *constraints, "--find-links", str(folder), "--dest", str(folder), "asynctasq[all]==2.0.0"],
        cwd=folder,
    )
    return folder


def run(command: list[str], *, cwd: Path) -> str:
    """Run a command; its output, or a failure that shows everything that it said."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
