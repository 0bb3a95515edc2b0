"""What a user gets who installs from wheels alone, in an empty folder, away from this repository."""

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import run

pytestmark = pytest.mark.slow

DISTRIBUTIONS = [
    "asynctasq",
    *(f"asynctasq_{name}" for name in ("redis", "postgres", "mysql", "sqlite", "conformance")),
]
PROGRAM = """
from importlib.metadata import distribution
from asynctasq import DriverFactory, init, run, task
assert distribution("asynctasq").metadata["Author"] == "The asynctasq contributors"
assert distribution("asynctasq").version == "2.0.0"
assert any("sqlite" in plugin.names for plugin in DriverFactory.installed())

@task(name="packaged.double")
async def double(number: int) -> int:
    return 2 * number

async def main():
    from asynctasq.testing import drain
    handle = await double(number=21).dispatch()
    await drain()
    print(await handle.result(timeout=10))

init(url="sqlite:///packaged.db")
run(main())
"""


@pytest.fixture(scope="module")
def installed(wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Installs a requirement into a new, empty environment; the path of its Python."""

    def install(requirement: str) -> Path:
        environment = tmp_path_factory.mktemp("environment")
        run([sys.executable, "-m", "venv", str(environment)], cwd=environment)
        python = environment / "bin" / "python"
        offline = ["--quiet", "--disable-pip-version-check", "--no-index", "--find-links", str(wheelhouse)]
        run([str(python), "-m", "pip", "install", *offline, requirement], cwd=environment)
        return python

    return install


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_wheel_holds_its_own_package_alone(wheelhouse: Path, name: str) -> None:
    """No wheel ships another distribution's folder, tests, or anything at its top level but its package."""
    [wheel] = wheelhouse.glob(f"{name}-2.0.0-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {entry.split("/")[0] for entry in names} == {name, f"{name}-2.0.0.dist-info"}
    assert f"{name}/py.typed" in names
    assert any(entry.endswith("licenses/LICENSE") for entry in names)


def test_the_sqlite_extra_runs_a_task(installed: Callable[[str], Path], tmp_path: Path) -> None:
    """`pip install asynctasq[sqlite]` from wheels alone gets ours, finds the driver, and runs a task."""
    python = installed("asynctasq[sqlite]==2.0.0")
    (tmp_path / "program.py").write_text(PROGRAM)
    assert run([str(python), "-I", "program.py"], cwd=tmp_path).strip() == "42"


def test_without_a_driver_the_error_says_what_to_install(installed: Callable[[str], Path], tmp_path: Path) -> None:
    """The base distribution alone has no store for a first program, and names the one command that gives it one."""
    python = installed("asynctasq==2.0.0")
    code = "from asynctasq import DriverFactory\ntry: DriverFactory.create('sqlite')\nexcept Exception as e: print(e)"
    assert 'pip install "asynctasq[sqlite]"' in run([str(python), "-I", "-c", code], cwd=tmp_path)
