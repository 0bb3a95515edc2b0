"""A script and the worker that imports it agree on the names of its tasks."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
from asynctasq import AsyncTask, task

@task
def hello(): ...

class Greet(AsyncTask):
    async def execute(self): ...

if __name__ == "__main__":
    print(hello.name, Greet.__task_definition__.name)
"""


def run(folder: Path, *arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_a_script_is_named_by_its_file(tmp_path: Path) -> None:
    """`python tasks.py`, `python -m tasks` and `import tasks` give one name."""
    (tmp_path / "tasks.py").write_text(SCRIPT)
    expected = "tasks:hello tasks:Greet"
    assert run(tmp_path, "tasks.py") == expected
    assert run(tmp_path, str(tmp_path / "tasks.py")) == expected
    assert run(tmp_path, "-m", "tasks") == expected
    imported = "import tasks; print(tasks.hello.name, tasks.Greet.__task_definition__.name)"
    assert run(tmp_path, "-c", imported) == expected


def test_a_package_that_runs_as_a_module_keeps_its_name(tmp_path: Path) -> None:
    """`python -m package` names its tasks as an import of the package does."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "__main__.py").write_text(SCRIPT)
    (tmp_path / "shop" / "jobs.py").write_text(SCRIPT)
    assert run(tmp_path, "-m", "shop") == "shop:hello shop:Greet"
    assert run(tmp_path, "-m", "shop.jobs") == "shop.jobs:hello shop.jobs:Greet"


def test_a_script_that_is_imported_by_itself_is_no_conflict(tmp_path: Path) -> None:
    """The same file as `__main__` and as a module is one definition, not two."""
    (tmp_path / "tasks.py").write_text(SCRIPT + "    import tasks\n    print(tasks.hello.name)\n")
    assert run(tmp_path, "tasks.py").splitlines()[-1] == "tasks:hello"
