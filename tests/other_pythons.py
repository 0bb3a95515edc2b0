"""The other Pythons of this machine that asynctasq supports: on the path, or installed by pyenv.

    python tests/other_pythons.py

prints the path of each, one a line.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SUPPORTED = ("3.11", "3.12", "3.13")


def other_pythons() -> dict[str, str]:
    """Version -> path of the interpreter, without the version that runs this."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = {version: _on_path(version) or _of_pyenv(version) for version in SUPPORTED if version != running}
    return {version: path for version, path in found.items() if path is not None}


def _on_path(version: str) -> str | None:
    command = shutil.which(f"python{version}")
    return None if command is None else _executable(command)


def _of_pyenv(version: str) -> str | None:
    """pyenv's commands on the path are there for every version, and fail for those that are not chosen."""
    pyenv = _pyenv()
    if pyenv is None:
        return None
    builds = [
        build
        for build in _output(pyenv, "versions", "--bare").split()
        if re.fullmatch(rf"{re.escape(version)}\.\d+", build)
    ]
    return None if not builds else _executable(f"{_output(pyenv, 'prefix', builds[-1]).strip()}/bin/python")


def _pyenv() -> str | None:
    """A shell that has not read its profile does not have pyenv on its path."""
    root = os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv"
    return shutil.which("pyenv") or shutil.which("pyenv", path=str(Path(root) / "bin"))


def _executable(command: str) -> str | None:
    return _output(command, "-c", "import sys; print(sys.executable)").strip() or None


def _output(*command: str) -> str:
    """What the command prints; nothing if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


if __name__ == "__main__":
    for path in other_pythons().values():
        print(path)
