"""Wheels of the six distributions, folders with all that they depend on, and environments made of nothing else."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.other_pythons import other_pythons

ROOT = Path(__file__).resolve().parents[2]
THIS_PYTHON = "this-python"
"""The Python that runs the tests."""

ANOTHER_PYTHON = "another-python"
"""The first other version that is supported and installed."""


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our own wheels, and nothing else."""
    folder = tmp_path_factory.mktemp("wheels")
    build = [sys.executable, "-m", "uv", "build", "--quiet", "--all-packages", "--wheel", "--no-build-isolation"]
    run([*build, "--python", sys.executable, "--out-dir", str(folder)], cwd=ROOT)
    return folder


@pytest.fixture(scope="session")
def interpreter() -> Callable[[str], str]:
    """The path of one of the two Pythons that everything is installed for."""

    @cache
    def interpreter(which: str) -> str:
        if which == THIS_PYTHON:
            return sys.executable
        others = other_pythons()
        if not others:
            pytest.skip("machine: NO SECOND PYTHON (3.12 or 3.13): the wheels are tested on one Python alone")
        return next(iter(others.values()))

    return interpreter


@pytest.fixture(scope="session")
def wheelhouse(
    wheels: Path, interpreter: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """A folder from which `pip install --no-index --find-links` can install everything of ours for one Python."""

    @cache
    def wheelhouse(which: str) -> Path:
        folder = tmp_path_factory.mktemp("wheelhouse")
        python = interpreter(which)
        constraints = ["--constraint", str(ROOT / "constraints.txt")]
        options = ["--only-binary=:all:", *constraints, "--find-links", str(wheels), "--dest", str(folder)]
        run([*pip(python), "download", "--quiet", *options, "asynctasq[all]==2.0.0"], cwd=folder)
        return folder

    return wheelhouse


@pytest.fixture(scope="session")
def installed(
    wheelhouse: Callable[[str], Path], interpreter: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Path]:
    """Installs a requirement from wheels alone into a new, empty environment; the path of its Python."""

    @cache
    def install(requirement: str, which: str) -> Path:
        environment = tmp_path_factory.mktemp("environment")
        run([interpreter(which), "-m", "venv", "--without-pip", str(environment)], cwd=environment)
        python = environment / "bin" / "python"
        offline = ["--no-index", "--find-links", str(wheelhouse(which))]
        run([*pip(str(python), "--isolated"), "install", "--quiet", *offline, requirement], cwd=environment)
        return python

    return install


def pip(python: str, *options: str) -> list[str]:
    """The command that runs the development environment's pip for another interpreter."""
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", *options, "--python", python]


def run(command: list[str], *, cwd: Path, environ: Mapping[str, str] | None = None) -> str:
    """Run a command; its output, or a failure that shows everything that it said."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, env={**os.environ, **(environ or {})}
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
