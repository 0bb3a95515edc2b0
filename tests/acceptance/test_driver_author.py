"""What the author of a driver does, away from this repository: generate a package, build it, and run the suite.

Everything is installed from wheels into empty environments, and runs in empty folders.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "writing_a_driver.md"
NEEDED = ["asynctasq-conformance==2.0.0", "trio", "uvloop", "hatchling", "editables", "build", "pytest-xdist"]
"""What the guide installs, what builds a wheel, and what runs tests in several processes."""
ASYNCIO_PLUGIN = "pytest-asyncio"


def run(command: list[str], *, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command; its output, or a failure that shows everything that it said."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Author(NamedTuple):
    """An environment, and the folder that its owner works in."""

    programs: Path
    folder: Path
    variables: dict[str, str]

    def types(self, *words: str, cwd: Path | None = None, **variables: str) -> str:
        """Run a program of the environment, by its name; what it prints."""
        program, *arguments = words
        command = [str(self.programs / program), *arguments]
        return run(command, cwd=cwd or self.folder, env=self.variables | variables)


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of asynctasq and its suite, and with all that they depend on."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    for distribution in ("asynctasq", "asynctasq-conformance"):
        build = [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--no-build-isolation"]
        run([*build, "--package", distribution, "--python", sys.executable, "--out-dir", str(folder)], cwd=ROOT)
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    download += ["--only-binary=:all:", "--constraint", str(ROOT / "constraints.txt")]
    run([*download, "--find-links", str(folder), "--dest", str(folder), *NEEDED, ASYNCIO_PLUGIN], cwd=folder)
    return folder


def new_author(wheelhouse: Path, folder: Path, *requirements: str) -> Author:
    """An empty environment with these requirements, in which pip knows nothing but the wheelhouse."""
    run([sys.executable, "-m", "venv", str(folder / "environment")], cwd=folder)
    programs = folder / "environment" / "bin"
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("ASYNCTASQ_", "PYTEST_"))}
    variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheelhouse), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    variables |= {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(programs.parent)}
    variables["PYTHONSAFEPATH"] = "1"
    author = Author(programs, folder / "empty", variables)
    author.folder.mkdir()
    if requirements:
        author.types("pip", "install", "--quiet", *requirements)
    return author


@pytest.fixture(scope="module")
def author(wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Author:
    """An author who has generated the driver `acme`, built its wheel, and installed that wheel."""
    author = new_author(wheelhouse, tmp_path_factory.mktemp("author"), "asynctasq-conformance==2.0.0")
    author.types("asynctasq", "driver", "new", "acme")
    author.types("pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "dist", "./asynctasq-acme")
    [wheel] = (author.folder / "dist").glob("asynctasq_acme-*.whl")
    author.types("pip", "install", "--quiet", f"{wheel}[test]", "pytest-xdist", "uvloop")
    return author


def verdict(report: Path) -> dict[str, Any]:
    """The report of a run, which must be CONFORMANT."""
    document: dict[str, Any] = json.loads((report / "conformance.json").read_text())
    assert document["verdict"] == "CONFORMANT", (report / "conformance.md").read_text()
    assert document["driver"] == {
        "name": "AcmeDriver",
        "plugin": "acme",
        "distribution": "asynctasq-acme",
        "version": "0.1.0",
        "api": "1.0",
    }
    assert document["event_loops"] == ["asyncio", "trio"]
    return document


def test_the_generated_driver_is_conformant(author: Author, tmp_path: Path) -> None:
    """Plain `pytest` in the generated package passes the whole suite, on each event loop that the driver claims."""
    author.types("pytest", "--conformance-report", str(tmp_path), cwd=author.folder / "asynctasq-acme")
    document = verdict(tmp_path)
    assert document["traits"]["features"] == ["pausing", "wake_ups", "worker_reports"]
    assert document["traits"]["guarantees"] == ["exact_stats", "strict_order"]
    assert document["groups"]["model"]["passed"] == 2


def test_the_suite_needs_no_file(author: Author, tmp_path: Path) -> None:
    """`asynctasq-conformance run URL` runs the suite in an empty folder, in real time, with the same verdict."""
    folder = tmp_path / "empty"
    folder.mkdir()
    author.types("asynctasq-conformance", "run", "acme://localhost", "--report", str(tmp_path / "report"), cwd=folder)
    verdict(tmp_path / "report")
    assert not list(folder.iterdir())


def test_the_suite_runs_in_several_processes(author: Author, tmp_path: Path) -> None:
    """Under xdist the outcomes come from several processes, and the verdict is the same."""
    author.types("pytest", "-n", "2", "--conformance-report", str(tmp_path), cwd=author.folder / "asynctasq-acme")
    verdict(tmp_path)


def test_settings_come_from_environment_and_flags(author: Author) -> None:
    """The generated driver's fields are variables and flags, without code of its own."""
    words = ["config", "show", "--driver", "acme", "--acme-max-payload-bytes", "1000", "--set-only", "--json"]
    shown = json.loads(author.types("asynctasq", *words, ASYNCTASQ_ACME_NAMESPACE="shop"))
    found = {row["name"]: (row["value"], row["origin"], row["place"]) for row in shown}
    assert found["acme.namespace"] == ("shop", "environment", "ASYNCTASQ_ACME_NAMESPACE")
    assert found["acme.max_payload_bytes"] == (1000, "flag", "--acme-max-payload-bytes")


def test_a_worker_runs_on_the_generated_driver(author: Author, tmp_path: Path) -> None:
    """`DriverFactory.create("acme")` finds it, and an application runs its tasks on it."""
    (tmp_path / "program.py").write_text(PROGRAM)
    assert author.types("python", "-I", "program.py", cwd=tmp_path).split() == ["AcmeDriver", "42"]


PROGRAM = """
from asynctasq import DriverFactory, init, run, task
from asynctasq.testing import drain

@task(name="author.double")
async def double(number: int) -> int:
    return 2 * number

async def main():
    handle = await double(number=21).dispatch()
    await drain()
    print(await handle.result(timeout=10))

print(type(DriverFactory.create("acme")).__name__)
init(url="acme://localhost")
run(main())
"""


def test_the_generated_code_is_clean(author: Author) -> None:
    """The generated package passes ruff and strict type checking with the settings that it comes with."""
    folder = author.folder / "asynctasq-acme"
    python = str(author.programs / "python")
    run([sys.executable, "-m", "ruff", "check", "--no-cache", "."], cwd=folder)
    run([sys.executable, "-m", "ruff", "format", "--no-cache", "--check", "."], cwd=folder)
    run([sys.executable, "-m", "pyright", "--pythonpath", python, "-p", "."], cwd=folder)


def test_the_generated_driver_stands_alone(author: Author) -> None:
    """Its storage imports nothing of asynctasq but `driver_api`, and each module is read in one sitting."""
    for module in (author.folder / "asynctasq-acme" / "asynctasq_acme").glob("*.py"):
        text = module.read_text()
        imported = set(re.findall(r"^\s*(?:from|import) (asynctasq[\w.]*)", text, re.MULTILINE))
        assert {name for name in imported if not name.startswith("asynctasq_acme")} <= {"asynctasq.driver_api"}
        assert text.count("\n") < 300


def commands() -> Iterator[str]:
    """The bash blocks of the guide, in order."""
    yield from re.findall(r"```bash\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def test_every_command_of_the_guide_runs(wheelhouse: Path, tmp_path: Path) -> None:
    """Typed one after the other into an empty folder, the guide's commands lead to a package that can be published."""
    author = new_author(wheelhouse, tmp_path)
    blocks = [*commands()]
    assert len(blocks) > 8, f"{GUIDE} shows its commands in blocks of bash"
    script = "\n".join(["set -eux", *blocks])
    said = run(["bash", "-c", script], cwd=author.folder, env=author.variables)
    package = author.folder / "asynctasq-acme"
    verdict(package / "report")
    verdict(package / "report" / "real-time")
    assert re.search(r"acme\.namespace +shop", said)
    assert {path.suffix for path in (package / "dist").iterdir()} == {".whl", ".gz"}


def test_the_code_of_the_guide_is_python() -> None:
    """What the guide shows of a driver's tests can be compiled."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, str(GUIDE), "exec")


def test_pytest_asyncio_makes_no_difference(author: Author, tmp_path: Path) -> None:
    """With pytest-asyncio installed the same tests pass: the suite runs its event loops itself."""
    author.types("pip", "install", "--quiet", ASYNCIO_PLUGIN)
    try:
        folder = author.folder / "asynctasq-acme"
        said = author.types("pytest", "--conformance-report", str(tmp_path), cwd=folder)
    finally:
        author.types("pip", "uninstall", "--quiet", "--yes", ASYNCIO_PLUGIN)
    assert "asyncio: mode=" in said
    verdict(tmp_path)
