"""What a user gets who installs from wheels alone, in an empty folder, away from this repository."""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any
from uuid import uuid4

import pytest

from tests.private_backends import variable

from .conftest import ANOTHER_PYTHON, THIS_PYTHON, run

pytestmark = pytest.mark.slow

DRIVERS = ("redis", "postgres", "mysql", "sqlite")
DISTRIBUTIONS = ["asynctasq", *(f"asynctasq_{name}" for name in (*DRIVERS, "conformance"))]
PROGRAM = """
import json
import sys
from importlib.metadata import distribution

import asynctasq
from asynctasq import DriverFactory, run, task


@task
async def double(number: int) -> list[object]:
    return [2 * number, sys.executable]


async def main() -> None:
    found = {
        "author": distribution("asynctasq").metadata["Author"],
        "version": asynctasq.__version__,
        "file": asynctasq.__file__,
        "drivers": [name for plugin in DriverFactory.installed() for name in plugin.names],
    }
    handle = await double(number=21).dispatch()
    print(json.dumps(found), flush=True)
    print(json.dumps(await handle.result(timeout=60)))


if __name__ == "__main__":
    run(main())
"""


def url_of(driver: str) -> str:
    """Where the tests have a store of this driver."""
    if driver == "sqlite":
        return "sqlite:///packaged.db"
    if (url := os.environ.get(variable(driver))) is None:
        pytest.skip(f"backend: NO {driver.upper()} SERVER, and none could be started; set {variable(driver)}")
    return url


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_wheel_holds_its_own_package_alone(wheels: Path, name: str) -> None:
    """No wheel ships another distribution's folder, tests, or anything at its top level but its package."""
    [wheel] = wheels.glob(f"{name}-2.0.0-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {entry.split("/")[0] for entry in names} == {name, f"{name}-2.0.0.dist-info"}
    assert f"{name}/py.typed" in names
    assert any(entry.endswith("licenses/LICENSE") for entry in names)


@pytest.mark.parametrize("which", [THIS_PYTHON, ANOTHER_PYTHON])
@pytest.mark.parametrize("extra", [*DRIVERS, "all"])
def test_an_extra_runs_a_task(installed: Callable[[str, str], Path], tmp_path: Path, extra: str, which: str) -> None:
    """`pip install asynctasq[EXTRA]` from wheels alone gets ours with that driver, and a worker process runs a task."""
    wanted = DRIVERS if extra == "all" else (extra,)
    python = installed(f"asynctasq[{extra}]", which)
    (tmp_path / "tasks.py").write_text(PROGRAM)
    for driver in wanted:
        environ = {
            "ASYNCTASQ_URL": url_of(driver),
            f"ASYNCTASQ_{driver.upper()}_NAMESPACE": f"packaged-{uuid4().hex}",
        }
        found, result = dispatched_and_run(python, tmp_path, environ)
        assert (found["author"], found["version"]) == ("The asynctasq contributors", "2.0.0")
        assert Path(found["file"]).is_relative_to(python.parents[1])
        assert {"memory", *wanted} == set(found["drivers"]) & {"memory", *DRIVERS}
        assert result == [42, str(python)]


def dispatched_and_run(python: Path, folder: Path, environ: dict[str, str]) -> tuple[dict[str, Any], list[Any]]:
    """What the program in `folder` found installed, and the result that a worker process gave it."""
    command = [str(python), "-I", str(python.with_name("asynctasq"))]
    run([*command, "migrate"], cwd=folder, environ=environ)
    with Popen(
        [str(python), "-I", "tasks.py"], cwd=folder, env={**os.environ, **environ}, stdout=PIPE, stderr=PIPE, text=True
    ) as program:
        assert program.stdout is not None
        found = program.stdout.readline()
        if found:  # the task is enqueued
            run([*command, "worker", "--burst"], cwd=folder, environ=environ)
        result, errors = program.communicate(timeout=90)
    assert program.returncode == 0, errors
    return json.loads(found), json.loads(result)


def test_without_a_driver_the_error_says_what_to_install(installed: Callable[[str, str], Path], tmp_path: Path) -> None:
    """The base distribution alone has no store for a first program, and names the one command that gives it one."""
    python = installed("asynctasq", THIS_PYTHON)
    code = "from asynctasq import DriverFactory\ntry: DriverFactory.create('sqlite')\nexcept Exception as e: print(e)"
    assert 'pip install "asynctasq[sqlite]"' in run([str(python), "-I", "-c", code], cwd=tmp_path)
